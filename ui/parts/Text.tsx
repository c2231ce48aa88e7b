/** The picture of a character that would otherwise be invisible, or do something: those of C0 have one in Unicode each. */
const pictureOf = (character: string): string => {
  const code = character.charCodeAt(0)
  if (code < 0x20) return String.fromCharCode(0x2400 + code)
  return code === 0x7f ? "\u2421" : "\u2426"
}

/** Controls, the marks that turn the direction of the text around them, and halves of pairs. */
const UNSEEN = /[\p{Cc}\p{Cs}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** Names with more are cut on the screen, and whole in the title. */
const LONGEST = 80

/** The same for places that take no elements: titles, labels, options. */
export const seenText = (value: string): string => value.slice(0, 2_000).replace(UNSEEN, pictureOf)

/** Text that somebody else wrote, as text: on one line, apart from what is beside it, and without a say in how it looks. */
export const Text = ({ longest = LONGEST, value }: { readonly value: string; readonly longest?: number }) => {
  const seen = seenText(value)
  return seen.length <= longest ? <bdi>{seen}</bdi> : <bdi title={seen}>{seen.slice(0, longest)}…</bdi>
}
