import { crc32 } from "node:zlib"

/**
 * A segment file is a header and then frames: `length u32 LE, crc32 u32 LE, kind u8, payload`. The length is the
 * payload's, the checksum is that of kind and payload, seeded with the length. The payload is UTF-8, see payload.ts.
 *
 * A reader that lost its place finds the next frame by trying every byte. Nothing inside of a payload can pass for a
 * frame, whatever a client or a provider sent: a frame's fourth byte is 0, and a payload has no byte below 0x20 but
 * line feeds.
 */

/** Bytes before the payload. */
export const FRAME_BYTES = 9

export const MAX_PAYLOAD_BYTES = 256 * 1024

/** Kind of a finished request: its entry. */
export const RECORD = 1
/** Kind of an upstream call that is about to leave. */
export const INTENT = 2
export type Kind = typeof RECORD | typeof INTENT

export interface Frame {
  readonly kind: Kind
  /** Bounds of the payload in the buffer that was read. */
  readonly start: number
  readonly end: number
}

/** Puts the rest of a frame around the payload that is at `start` of a buffer. */
export const sealFrame = (buffer: Buffer, kind: Kind, start: number, end: number): void => {
  const length = end - start
  buffer[start - 1] = kind
  buffer.writeUInt32LE(length, start - FRAME_BYTES)
  buffer.writeUInt32LE(crc32(buffer.subarray(start - 1, end), length), start - 5)
}

/** Reads at `offset` of a buffer that is filled up to `end`; `incomplete` when a frame could go on behind that. */
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
