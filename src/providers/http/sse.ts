import { GrowingBuffer } from "./growing-buffer.ts"

/** One event of a `text/event-stream`. */
export interface SseEvent {
  /** The event's bytes as received, its blank line included. */
  readonly bytes: Buffer
  /** `message` unless the event names another; `error` for JSON that stands outside of any field. */
  readonly type: string
  /** The data lines, joined by newlines. */
  readonly data: string
}

interface Pushed {
  /** The events that these bytes complete. */
  readonly events: ReadonlyArray<SseEvent>
  /** True when more followed than an event may have: nothing can be read any more. */
  readonly tooLarge: boolean
}

const LF = 0x0a
const CR = 0x0d

/** Ends of lines in one event at most, CRLF being two. A line costs a hundred bytes and more, however little it says. */
const MAX_LINE_ENDS = 20_000

/**
 * The WHATWG event-stream format over network chunks: lines end in LF, CRLF or CR, a blank line ends an event.
 * `id` and `retry` mean nothing here; events without data and comments alone are not events. JSON outside of the format
 * is how a server that fails in the midst of a stream tells why, so it is an event: `error`.
 *
 * Every byte is looked at once, however the stream is cut, and UTF-8 is decoded per event and never per chunk. An
 * event within one chunk is a view of it. A CR at the end of a chunk waits for the LF that may follow.
 */
export class SseParser {
  readonly #maxEventBytes: number
  /** Bytes since the last complete event. */
  readonly #unfinished = new GrowingBuffer()
  #first = true
  #atLineStart = true
  #afterCr = false
  /** True when that CR was the blank line of an event. */
  #ended = false
  #empty = 0

  constructor(maxEventBytes: number) {
    this.#maxEventBytes = maxEventBytes
  }

  /** Number of blank lines so far that ended no event. */
  get empty(): number {
    return this.#empty
  }

  push(bytes: Buffer): Pushed {
    const events: Array<SseEvent> = []
    let start = 0
    let at = 0
    if (this.#afterCr && bytes.length > 0) {
      this.#afterCr = false
      if (bytes[0] === LF) at = 1
      if (this.#ended) {
        this.#ended = false
        if (!this.#complete(bytes.subarray(0, at), events)) return { events, tooLarge: true }
        start = at
      }
    }
    let lf = bytes.indexOf(LF, at)
    let cr = bytes.indexOf(CR, at)
    for (;;) {
      // Looked for again only once passed: each byte is searched once for either.
      if (lf !== -1 && lf < at) lf = bytes.indexOf(LF, at)
      if (cr !== -1 && cr < at) cr = bytes.indexOf(CR, at)
      const end = cr === -1 ? lf : lf === -1 ? cr : Math.min(lf, cr)
      if (end === -1) {
        if (at < bytes.length) this.#atLineStart = false
        break
      }
      const blank = this.#atLineStart && end === at
      this.#atLineStart = true
      at = end + 1
      if (end === cr) {
        if (at === bytes.length) {
          this.#afterCr = true
          this.#ended = blank
          break
        }
        if (bytes[at] === LF) at += 1
      }
      if (!blank) continue
      // One after the other: nothing is made of each.
      if (start === end && this.#unfinished.length === 0 && !this.#first) {
        this.#empty += 1
        start = at
        continue
      }
      if (!this.#complete(bytes.subarray(start, at), events)) return { events, tooLarge: true }
      start = at
    }
    if (start < bytes.length) this.#unfinished.append(bytes.subarray(start))
    return { events, tooLarge: this.#unfinished.length > this.#maxEventBytes }
  }

  /**
   * Returns the text that is left when the stream is over: of an event that never was completed, or of something else
   * altogether, its lines ended by LF. For an error it is the error alone.
   */
  rest(): string {
    const bytes = this.#unfinished.take()
    const event = hasTooManyLines(bytes) ? undefined : readEvent(bytes)
    return event?.type === "error" ? event.data : bytes.toString().replace(/\r\n?/g, "\n")
  }

  /** Reads the event that these bytes complete; false when it is too large. */
  #complete(last: Buffer, events: Array<SseEvent>): boolean {
    let bytes = last
    if (this.#unfinished.length > 0) {
      this.#unfinished.append(last)
      bytes = this.#unfinished.take()
    }
    if (bytes.length > this.#maxEventBytes || hasTooManyLines(bytes)) return false
    if (this.#first) {
      this.#first = false
      bytes = withoutByteOrderMark(bytes)
    }
    const event = readEvent(bytes)
    if (event === undefined) this.#empty += 1
    else events.push(event)
    return true
  }
}

/** Cuts off the mark, which belongs to the stream and not to its first event: clients may get that in another place. */
const withoutByteOrderMark = (bytes: Buffer): Buffer =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes

const hasTooManyLines = (bytes: Buffer): boolean => {
  if (bytes.length <= MAX_LINE_ENDS) return false
  let ends = 0
  for (const end of [LF, CR]) {
    for (let at = bytes.indexOf(end); at !== -1; at = bytes.indexOf(end, at + 1)) {
      ends += 1
      if (ends > MAX_LINE_ENDS) return true
    }
  }
  return false
}

const readEvent = (bytes: Buffer): SseEvent | undefined => {
  const text = bytes.toString()
  // Nearly every event is one data line.
  if (text.startsWith("data:") && text.indexOf("\n") === text.length - 2 && !text.includes("\r")) {
    return { bytes, type: "message", data: text.slice(text[5] === " " ? 6 : 5, -2) }
  }
  let type = ""
  let data: string | undefined
  let outside = ""
  for (const line of text.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(":")
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1)
    if (field === "data") data = data === undefined ? value : `${data}\n${value}`
    else if (field === "event") type = value
    else if (field !== "" && field !== "id" && field !== "retry")
      outside = outside === "" ? line : `${outside}\n${line}`
  }
  // An event that was cut off right before it is lost: its bytes are not for clients any more.
  if (/^\s*[{[]/.test(outside)) return { bytes, type: "error", data: outside }
  return data === undefined ? undefined : { bytes, type: type || "message", data }
}
