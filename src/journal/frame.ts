import { crc32 } from "node:zlib"

/**
 * A segment file is a header and then frames: `length u32 LE, crc32 u32 LE, kind u8, payload`. The length is the
 * payload's, the checksum is that of kind and payload, seeded with the length. The payload is UTF-8: a request's id, a
 * line feed, one line of JSON.
 *
 * A reader that lost its place finds the next frame by trying every byte. Nothing inside of a payload can pass for a
 * frame, whatever a client or a provider sent: a frame's fourth byte is 0, and JSON has no byte below 0x20.
 */

/** For people and tools. A format that this reader cannot read takes another file name instead. */
export const SEGMENT_HEADER = Buffer.from("gwjrnl\0\x01", "latin1")

export const SEGMENT_SUFFIX = ".gwj1"

/** Before the payload. */
export const FRAME_BYTES = 9

/** A ledger entry is at most 64 Ki characters. */
export const MAX_PAYLOAD_BYTES = 256 * 1024

/** A finished request: its ledger entry. */
export const RECORD = 1
/** An upstream call that is about to leave. */
export const INTENT = 2
export type Kind = typeof RECORD | typeof INTENT

export interface Frame {
  readonly kind: Kind
  /** Of the payload, in the buffer that was read. */
  readonly start: number
  readonly end: number
}

const LINE_FEED = 10

let scratch = Buffer.allocUnsafe(64 * 1024)

/** The frame, in a buffer that the next call uses again; undefined when it is larger than any reader takes. */
export const encodeFrame = (kind: Kind, id: string, line: string): Buffer | undefined => {
  const room = FRAME_BYTES + 1 + 3 * (id.length + line.length)
  if (room > scratch.length) scratch = Buffer.allocUnsafe(room)
  let end = FRAME_BYTES + scratch.write(id, FRAME_BYTES)
  scratch[end++] = LINE_FEED
  end += scratch.write(line, end)
  const length = end - FRAME_BYTES
  if (length > MAX_PAYLOAD_BYTES) return undefined
  scratch.writeUInt32LE(length, 0)
  scratch[8] = kind
  scratch.writeUInt32LE(crc32(scratch.subarray(8, end), length), 4)
  return scratch.subarray(0, end)
}

/** What is at `offset` of a buffer that is filled up to `end`; `incomplete` when a frame could go on behind that. */
export const frameAt = (buffer: Buffer, offset: number, end: number): Frame | "incomplete" | "damaged" => {
  const start = offset + FRAME_BYTES
  if (start > end) return "incomplete"
  const length = buffer.readUInt32LE(offset)
  const kind = buffer[offset + 8]
  if (length === 0 || length > MAX_PAYLOAD_BYTES || (kind !== RECORD && kind !== INTENT)) return "damaged"
  if (start + length > end) return "incomplete"
  const crc = crc32(buffer.subarray(offset + 8, start + length), length)
  if (crc !== buffer.readUInt32LE(offset + 4)) return "damaged"
  return { kind, start, end: start + length }
}

export const payloadId = (buffer: Buffer, { start, end }: Frame): string =>
  buffer.toString("utf8", start, feedIn(buffer, start, end))

export const payloadLine = (buffer: Buffer, { start, end }: Frame): string =>
  buffer.toString("utf8", feedIn(buffer, start, end) + 1, end)

/** Whole frames have one: the writer put it there. */
const feedIn = (buffer: Buffer, start: number, end: number): number => {
  const at = buffer.indexOf(LINE_FEED, start)
  return at === -1 || at >= end ? end : at
}
