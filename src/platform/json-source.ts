/** Bytes of one JSON object and where its members stand, so that it can be sent on with some of them changed. */
export interface JsonSource {
  readonly bytes: Buffer
  /** In the order of the text; no name stands twice. */
  readonly members: ReadonlyArray<JsonMember>
  /** Changes that `changeMembers` is to make before its own. */
  readonly changes?: MemberChanges
}

/** Offsets of one top-level member. */
interface JsonMember {
  readonly name: string
  /** First byte of the name, its quote. */
  readonly nameStart: number
  /** Byte after the name's closing quote. */
  readonly nameEnd: number
  readonly valueStart: number
  /** Byte after the value; white space may follow before the next comma. */
  readonly valueEnd: number
}

/** Bounds of a text, beyond which nothing is built of it. */
export interface JsonLimits {
  /** Levels of objects and lists within one another. */
  readonly depth: number
  /** Fields of the outermost object. */
  readonly fields: number
  /** Fields of any other object. */
  readonly innerFields: number
  /** Fields, objects and lists in all, and numbers that have to be kept digit by digit. */
  readonly pieces: number
}

/** Findings of one pass over bytes that may be JSON. All but `excess` mean something only if they are. */
interface JsonScan {
  /** The first bound that is exceeded, and the offset where. */
  readonly excess: { readonly of: keyof JsonLimits; readonly at: number } | undefined
  /** What there is to build, counted as the limit of that name is. */
  readonly pieces: number
  /** A number has so many digits that `JSON.parse` may round it. Also true of some that it does not round. */
  readonly longNumber: boolean
  /**
   * Members of an object. Undefined for any other value, and for an object whose names are not what they seem or are
   * not worth noting: written with escapes, standing twice or very long.
   */
  readonly members: ReadonlyArray<JsonMember> | undefined
}

export const QUOTE = 0x22
const BACKSLASH = 0x5c
export const OPEN_LIST = 0x5b
export const CLOSE_LIST = 0x5d
export const OPEN_OBJECT = 0x7b
export const CLOSE_OBJECT = 0x7d
export const COLON = 0x3a
export const COMMA = 0x2c
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39

const MAX_NAME_BYTES = 128
/** A set of more names is quicker than a look at each. */
const FEW_NAMES = 16
const LAST_ASCII = 0x7f
/** An integer of fewer digits is below 2^53. */
const LONG_DIGITS = 16

/** Looks at each byte of a would-be JSON text once and builds nothing of it, however hostile. Stops at the first excess. */
export const scanJson = (bytes: Buffer, limits: JsonLimits): JsonScan => {
  const { length } = bytes
  const members = new MemberRecorder(bytes)
  /** Fields so far of each object that is open, by its level. */
  const fields: Array<number> = []
  let pieces = 0
  let depth = 0
  let longNumber = false
  let at = 0
  const beyond = (of: keyof JsonLimits): JsonScan => ({
    excess: { of, at },
    pieces,
    longNumber,
    members: undefined,
  })
  while (at < length) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      const end = stringEnd(bytes, at + 1)
      if (depth === 1) members.text(at, end)
      at = end
    } else if (isDigit(byte)) {
      const start = at
      do at++
      while (at < length && isDigit(bytes[at]))
      if (at - start >= LONG_DIGITS && bytes[start - 1] !== DOT) {
        longNumber = true
        if (++pieces > limits.pieces) return beyond("pieces")
      }
    } else {
      if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
        depth++
        if (depth > limits.depth) return beyond("depth")
        if (++pieces > limits.pieces) return beyond("pieces")
        fields[depth] = 0
        if (depth === 1) members.open(byte === OPEN_OBJECT)
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
        if (depth === 1) members.endValue(at)
        if (depth > 0) depth--
      } else if (byte === COLON) {
        const count = (fields[depth] ?? 0) + 1
        fields[depth] = count
        if (count > (depth === 1 ? limits.fields : limits.innerFields)) {
          return beyond(depth === 1 ? "fields" : "innerFields")
        }
        if (++pieces > limits.pieces) return beyond("pieces")
        if (depth === 1) members.startValue(at + 1)
      } else if (byte === COMMA && depth === 1) {
        members.endValue(at)
      }
      at++
    }
  }
  return { excess: undefined, pieces, longNumber, members: members.found }
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ZERO && byte <= NINE

/** Bytes that are looked at one by one before native code is called, which costs about as much as looking at them. */
const NEAR = 64

/** Offset after the closing quote of the string whose text begins at `start`; the length of the bytes if none closes it. */
export const stringEnd = (bytes: Buffer, start: number): number => {
  const { length } = bytes
  let at = start
  while (at < length) {
    const near = Math.min(at + NEAR, length)
    while (at < near) {
      const byte = bytes[at]
      if (byte === QUOTE) return at + 1
      at += byte === BACKSLASH ? 2 : 1
    }
    const quote = bytes.indexOf(QUOTE, at)
    if (quote === -1) return length
    let escapes = 0
    while (quote - escapes > at && bytes[quote - escapes - 1] === BACKSLASH) escapes++
    at = quote + 1
    if (escapes % 2 === 0) return at
  }
  return length
}

/** Notes the members of the outermost object as a scan comes by. What it notes of a text that is no JSON is of no use. */
class MemberRecorder {
  readonly #bytes: Buffer
  readonly #members: Array<JsonMember> = []
  /** Absent while they are few. */
  #names: Set<string> | undefined
  #usable = false
  /** Offsets of the member that is being read; a value has not begun where `#valueStart` is 0. */
  #nameStart = 0
  #nameEnd = 0
  #valueStart = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get found(): ReadonlyArray<JsonMember> | undefined {
    return this.#usable ? this.#members : undefined
  }

  /** For the outermost value: an object or a list. */
  open(isObject: boolean): void {
    this.#usable = isObject
  }

  /** For a string that may be a name. */
  text(start: number, end: number): void {
    if (this.#valueStart !== 0) return
    this.#nameStart = start
    this.#nameEnd = end
  }

  startValue(after: number): void {
    if (!this.#usable) return
    let start = after
    while (isSpace(this.#bytes[start])) start++
    this.#valueStart = start
  }

  endValue(before: number): void {
    if (!this.#usable || this.#valueStart === 0) return
    let end = before
    while (end > this.#valueStart && isSpace(this.#bytes[end - 1])) end--
    const member = {
      nameStart: this.#nameStart,
      nameEnd: this.#nameEnd,
      valueStart: this.#valueStart,
      valueEnd: end,
    }
    this.#valueStart = 0
    const name = this.#plainName(member)
    this.#usable = name !== undefined && !this.#has(name)
    if (name === undefined || !this.#usable) return
    this.#members.push({ name, ...member })
    if (this.#members.length === FEW_NAMES) this.#names = new Set(this.#members.map(({ name }) => name))
    else this.#names?.add(name)
  }

  #has(name: string): boolean {
    return this.#names?.has(name) ?? this.#members.some((member) => member.name === name)
  }

  #plainName({ nameStart, nameEnd }: Omit<JsonMember, "name">): string | undefined {
    if (nameEnd - nameStart > MAX_NAME_BYTES) return undefined
    for (let at = nameStart; at < nameEnd; at++) if (this.#bytes[at] === BACKSLASH) return undefined
    return this.#bytes.toString("utf8", nameStart + 1, nameEnd - 1)
  }
}

/** JSON's white space: space, tab, line feed, carriage return. */
const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d

/** Change of a top-level member: another name, another value (as JSON text) or both; `remove` leaves it out. */
export type MemberChange = "remove" | { readonly name?: string; readonly value?: string }

/** Changes by name, in the order in which they are made. A list: they are few, and sooner looked at than looked up. */
export type MemberChanges = ReadonlyArray<readonly [name: string, change: MemberChange]>

/** Changes members once somebody writes the object: most candidates are never asked. */
export const withChanges = ({ bytes, changes, members }: JsonSource, more: MemberChanges): JsonSource => ({
  bytes,
  members,
  changes: inTurn(changes, more),
})

const inTurn = (first: MemberChanges | undefined, then: MemberChanges): MemberChanges =>
  first === undefined ? then : [...first, ...then]

/**
 * Copies the object with members changed, by name; every other byte stays as it is. A changed value whose member does
 * not exist is added at the end.
 */
export const changeMembers = ({ bytes, changes, members }: JsonSource, more: MemberChanges): Buffer => {
  const all = inTurn(changes, more)
  const copy = new Copy(bytes, roomFor(all))
  let kept = 0
  for (const [index, { name, nameStart, nameEnd, valueStart, valueEnd }] of members.entries()) {
    const change = changeOf(name, all)
    if (change === "remove") {
      // With the comma before it; of the first one that stays, with the comma after it.
      if (kept > 0) copy.upTo(members[index - 1]?.valueEnd ?? copy.from, valueEnd)
      else copy.upTo(nameStart, members[index + 1]?.nameStart ?? valueEnd)
      continue
    }
    kept++
    if (change?.name !== undefined) {
      copy.upTo(nameStart, nameEnd)
      copy.write(JSON.stringify(change.name))
    }
    if (change?.value !== undefined) {
      copy.upTo(valueStart, valueEnd)
      copy.write(change.value)
    }
  }
  const end = Math.max(copy.from, members.at(-1)?.valueEnd ?? bytes.indexOf(OPEN_OBJECT) + 1)
  copy.upTo(end, end)
  for (const [index, [name]] of all.entries()) {
    const change = changeOf(name, all)
    if (change === undefined || change === "remove" || change.value === undefined) continue
    if (isThere(name, members) || all.findIndex((other) => other[0] === name) < index) continue
    // One after the other: writing a text that was put together takes longer.
    if (kept > 0) copy.write(",")
    copy.write(JSON.stringify(change.name ?? name))
    copy.write(":")
    copy.write(change.value)
    kept++
  }
  copy.upTo(bytes.length, bytes.length)
  return copy.written
}

/** A copy of bytes that is being written, with others between them. */
class Copy {
  readonly #bytes: Buffer
  readonly #copy: Buffer
  #length = 0
  /** Where copying goes on. */
  from = 0

  constructor(bytes: Buffer, room: number) {
    this.#bytes = bytes
    this.#copy = Buffer.allocUnsafe(bytes.length + room)
  }

  /** Copies up to `end`, then goes on at `next`. */
  upTo(end: number, next: number): void {
    if (end > this.from) this.#length += this.#bytes.copy(this.#copy, this.#length, this.from, end)
    this.from = next
  }

  write(text: string): void {
    if (text.length <= NEAR && this.#writeAscii(text)) this.#length += text.length
    else this.#length += this.#copy.write(text, this.#length)
  }

  #writeAscii(text: string): boolean {
    const copy = this.#copy
    const start = this.#length
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code > LAST_ASCII) return false
      copy[start + at] = code
    }
    return true
  }

  get written(): Buffer {
    return this.#copy.subarray(0, this.#length)
  }
}

const isThere = (name: string, members: JsonSource["members"]): boolean => {
  for (const member of members) if (member.name === name) return true
  return false
}

/** Returns what becomes of a member after all changes of it; undefined for nothing. */
const changeOf = (name: string, changes: MemberChanges): MemberChange | undefined => {
  let change: MemberChange | undefined
  for (const each of changes) {
    if (each[0] === name) change = change === undefined ? each[1] : joined(change, each[1])
  }
  return change
}

const joined = (first: MemberChange, then: MemberChange): MemberChange => {
  if (then === "remove") return then
  // Of what is gone only its value can come back.
  if (first === "remove") return then.value === undefined ? first : then
  return { ...first, ...then }
}

/** Bytes that changes add at most. */
const roomFor = (changes: MemberChanges): number => {
  let room = 0
  for (const [name, change] of changes) {
    if (change === "remove") continue
    const { name: given = name, value = "" } = change
    // Escaped, a character takes six; in a value three, which is sooner reckoned than what it takes.
    room += 6 * given.length + 4 + (value.length < NEAR ? 3 * value.length : Buffer.byteLength(value))
  }
  return room
}
