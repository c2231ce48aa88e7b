/** Writes commands for people to paste into a shell, whatever stands in what somebody else wrote. */

const PLAIN = /^[A-Za-z0-9_./:@%+][A-Za-z0-9_./:@%+-]*$/

/** Quotes a word so that any POSIX shell takes it as it is. */
export const quoted = (word: string): string =>
  PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

/** Writes a flag with its value; together where the value looks like a flag itself. */
export const flag = (name: string, value: string | number): string => {
  const text = String(value)
  return text.startsWith("-") ? `--${name}=${quoted(text)}` : `--${name} ${quoted(text)}`
}
