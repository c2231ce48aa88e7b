import { crc32 } from "node:zlib"

/**
 * A segment file is a header and then frames: `length u32 LE, crc32 u32 LE, kind u8, records u32 LE, payload`. The length
 * is the payload's, the checksum is that of everything behind it, seeded with the length. The payload is UTF-8, see
 * payload.ts. `records` is how many records the file has up to the end of this frame, so that a reader knows how many
 * it did not find. Versions 1 and 2 have no such number.
 *
 * A reader that lost its place finds the next frame by trying every byte. Nothing inside of a payload can pass for a
 * frame, whatever a client or a provider sent: a frame's fourth byte is 0, and a payload has no byte below 0x20 but
 * line feeds.
 */

/** A format of segment files. Another one takes another suffix: a version never touches files it does not know. */
export type Version = 1 | 2 | 3

/** Bytes before the payload, in the version that is written and in those before it. */
export const FRAME_BYTES = 13
const UNNUMBERED_FRAME_BYTES = 9

export const MAX_PAYLOAD_BYTES = 256 * 1024

/** Kind of a finished request: its entry. */
export const RECORD = 1
/** Kind of an upstream call that is about to leave. */
export const INTENT = 2
/** Kind of the first frame in a segment that follows another: which one, and how many records that had at its end. */
export const PREVIOUS = 3
export type Kind = typeof RECORD | typeof INTENT | typeof PREVIOUS

export interface Frame {
  readonly kind: Kind
  /** Number of records up to its end; undefined in versions that do not say. */
  readonly records: number | undefined
  /** Bounds of the payload in the buffer that was read. */
  readonly start: number
  readonly end: number
}

/** Puts the rest of a frame around the payload that is at `start` of a buffer. */
export const sealFrame = (buffer: Buffer, kind: Kind, records: number, start: number, end: number): void => {
  const length = end - start
  const offset = start - FRAME_BYTES
  buffer.writeUInt32LE(length, offset)
  buffer[offset + 8] = kind
  buffer.writeUInt32LE(records, offset + 9)
  buffer.writeUInt32LE(crc32(buffer.subarray(offset + 8, end), length), offset + 4)
}

/** Reads at `offset` of a buffer that is filled up to `end`; `incomplete` when a frame could go on behind that. */
export const frameAt = (
  buffer: Buffer,
  offset: number,
  end: number,
  version: Version,
): Frame | "incomplete" | "damaged" => {
  const numbered = version === 3
  const start = offset + (numbered ? FRAME_BYTES : UNNUMBERED_FRAME_BYTES)
  if (start > end) return "incomplete"
  const length = buffer.readUInt32LE(offset)
  const kind = buffer[offset + 8]
  if (length === 0 || length > MAX_PAYLOAD_BYTES) return "damaged"
  if (kind !== RECORD && kind !== INTENT && !(numbered && kind === PREVIOUS)) return "damaged"
  if (start + length > end) return "incomplete"
  const crc = crc32(buffer.subarray(offset + 8, start + length), length)
  if (crc !== buffer.readUInt32LE(offset + 4)) return "damaged"
  const records = numbered ? buffer.readUInt32LE(offset + 9) : undefined
  return { kind, records, start, end: start + length }
}
