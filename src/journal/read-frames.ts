import type { FileHandle } from "node:fs/promises"
import { FRAME_BYTES, type Frame, frameAt, MAX_PAYLOAD_BYTES, type Version } from "./frame.ts"

/** Makes room for the largest frame, so that every frame fits in whole from its first byte on. */
export const makeWindow = (): Buffer => Buffer.allocUnsafe(FRAME_BYTES + 2 * MAX_PAYLOAD_BYTES)

interface Reading {
  /** Byte behind the last frame that was taken, and behind what had to be skipped before the next. */
  readonly position: number
  /** Number of stretches of bytes that are no frames, with whole frames behind them. */
  readonly gaps: number
  readonly gapBytes: number
  /** Number of bytes up to the end that are no frame. Torn: the first part of one, as a crash leaves it. */
  readonly tailBytes: number
  readonly tailTorn: boolean
}

/**
 * Gives the whole frames between two positions of a file to `take`, in order, until it declines one. Bytes that are no
 * frame cost what they belong to and nothing else: reading goes on at the next whole frame.
 */
export const readFrames = async (
  file: FileHandle,
  window: Buffer,
  version: Version,
  from: number,
  to: number,
  take: (frame: Frame) => boolean,
): Promise<Reading> => {
  let position = from
  let gaps = 0
  let gapBytes = 0
  let skipped = 0
  let torn = true
  while (position < to) {
    const wanted = Math.min(window.length, to - position)
    const { bytesRead } = await file.read(window, 0, wanted, position)
    // Shorter than asked for: the file ends here, whatever was thought of it.
    const last = bytesRead < wanted || position + bytesRead >= to
    let offset = 0
    while (offset < bytesRead) {
      const frame = frameAt(window, offset, bytesRead, version)
      if (frame === "incomplete" && !last) break
      if (frame === "incomplete" || frame === "damaged") {
        if (skipped === 0) torn = frame === "incomplete"
        offset += 1
        skipped += 1
        continue
      }
      if (skipped > 0) {
        gaps += 1
        gapBytes += skipped
        skipped = 0
      }
      if (!take(frame)) return { position: position + offset, gaps, gapBytes, tailBytes: 0, tailTorn: false }
      offset = frame.end
    }
    position += offset
    if (last) break
  }
  return { position: to, gaps, gapBytes, tailBytes: skipped + Math.max(0, to - position), tailTorn: torn }
}
