/** Length of a key that is looked for in texts. Shorter ones are placeholders of local servers ("none", "ollama"), which ordinary texts contain. */
const MIN_SECRET_LENGTH = 16

/** So many characters of a key in a row are no coincidence, and what vendors leave of one that they mask is less. */
const RUN = 16

/** A key with fewer letters and digits than this is looked for in its other writings alone. */
const MIN_BARE = 8

/** Makes what tells whether a text quotes one of the keys, see `quotesKey`. */
export const makeKeyGuard = (apiKeys: ReadonlyArray<string>): ((text: string | undefined) => boolean) => {
  const guards = apiKeys.filter(({ length }) => length >= MIN_SECRET_LENGTH).map(quotesKey)
  return (text) => text !== undefined && text !== "" && guards.some((quotes) => quotes(text))
}

/**
 * Makes what tells whether a text quotes the key or a part of it, however it is written: escaped, encoded for a URL, in base64 or
 * hex, or broken into lines. Of both only letters and digits are compared. The key's runs are made for the first such text.
 */
const quotesKey = (apiKey: string): ((text: string) => boolean) => {
  let known: { readonly runs: ReadonlySet<string>; readonly length: number } | undefined
  return (text) => {
    known ??= runsOf(apiKey)
    const bare = bareOf(text)
    for (let at = 0; at + known.length <= bare.length; at++) {
      if (known.runs.has(bare.slice(at, at + known.length))) return true
    }
    return false
  }
}

const runsOf = (apiKey: string) => {
  const key = Buffer.from(apiKey)
  const writings = [
    apiKey,
    key.toString("hex"),
    // The same bytes look different behind one and two others, as in `Basic` and `Bearer`. What is at the ends depends on the rest.
    ...[0, 1, 2].map((before) =>
      Buffer.concat([Buffer.alloc(before), key])
        .toString("base64url")
        .slice(before === 0 ? 0 : before + 1, -2),
    ),
  ]
    .map(bareOf)
    .filter(({ length }) => length >= MIN_BARE)
  const length = Math.min(RUN, ...writings.map((writing) => writing.length))
  const runs = writings.flatMap((writing) =>
    Array.from({ length: writing.length - length + 1 }, (_, at) => writing.slice(at, at + length)),
  )
  return { length, runs: new Set(runs) }
}

/** Leaves letters and digits of a text, without what escapes made of them. */
const bareOf = (text: string): string =>
  text
    .replace(/\\+u([0-9a-f]{4})|%(?:25)*([0-9a-f]{2})/gi, (_, unicode?: string, percent?: string) =>
      String.fromCharCode(Number.parseInt(unicode ?? percent ?? "", 16)),
    )
    .replace(/\\+[nrtbf]/g, "")
    .replace(/[^a-z0-9]+/gi, "")
    .toLowerCase()
