/**
 * Names of functions in another alphabet than OpenAI's clients use: theirs may begin with a digit, and the names of MCP
 * servers hold slashes, dots or spaces. A name that a provider does not take travels under another one, from which the
 * answer's reader gets the client's name back, without knowing the request: a prefix, and `__hex__` for each character in
 * question.
 */
const PREFIX = "fn__"
const MAX_LENGTH = 128

/** Characters to escape: those that not everybody takes, and an underscore that could begin an escape. */
const ESCAPED = /[^A-Za-z0-9_]|_(?=_)/gu
const ESCAPE = /__([0-9a-f]{1,6})__/g

/** Returns the name under which a provider that takes these names knows a function; undefined for one that gets too long. */
export const toWireName = (name: string, taken: RegExp): string | undefined => {
  if (taken.test(name) && !name.startsWith(PREFIX)) return name
  const escaped =
    PREFIX + name.replace(ESCAPED, (character) => `__${character.codePointAt(0)?.toString(16)}__`)
  return escaped.length <= MAX_LENGTH ? escaped : undefined
}

/** Returns the client's name of a function. A model may make up names: what is no escape stays as it is. */
export const fromWireName = (name: string): string =>
  name.startsWith(PREFIX)
    ? name.slice(PREFIX.length).replace(ESCAPE, (whole, hex: string) => {
        const code = Number.parseInt(hex, 16)
        return code <= 0x10ffff ? String.fromCodePoint(code) : whole
      })
    : name
