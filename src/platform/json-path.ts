import {
  CLOSE_LIST,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN_LIST,
  OPEN_OBJECT,
  QUOTE,
  stringEnd,
} from "./json-source.ts"

/** An object or a list that is open, and how far it has been read. */
interface Open {
  readonly isList: boolean
  /** Of a list. */
  position: number
  /** Of an object: the name that came last, quotes included. */
  name: Buffer
}

/**
 * Finds the way to the innermost object or list around an offset of a JSON text, outside of any string: names of fields and
 * positions in lists. For the one message about a text that is refused: it looks at every byte before.
 */
export const pathAt = (bytes: Buffer, offset: number): ReadonlyArray<string | number> => {
  const open: Array<Open> = []
  let nameStart = 0
  let nameEnd = 0
  let at = 0
  while (at < offset) {
    const byte = bytes[at]
    const last = open[open.length - 1]
    if (byte === QUOTE) {
      nameStart = at
      at = stringEnd(bytes, at + 1)
      nameEnd = at
      continue
    }
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      open.push({ isList: byte === OPEN_LIST, position: 0, name: NAMELESS })
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) open.pop()
    else if (byte === COLON && last !== undefined) last.name = bytes.subarray(nameStart, nameEnd)
    else if (byte === COMMA && last !== undefined) last.position++
    at++
  }
  // The last is the one that is sought.
  return open.slice(0, -1).map(({ isList, position, name }) => (isList ? position : textOf(name)))
}

const NAMELESS = Buffer.alloc(0)

const textOf = (quoted: Buffer): string => {
  try {
    return String(JSON.parse(quoted.toString()))
  } catch {
    return "…"
  }
}
