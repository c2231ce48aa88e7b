import { open, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { codeOf } from "../platform/error-code.ts"
import { type Frame, SEGMENT_HEADER, SEGMENT_SUFFIX } from "./frame.ts"
import { makeWindow, readFrames } from "./read-frames.ts"

/** What is wrong with a segment. */
export interface Damage {
  /**
   * A crash leaves the last frame unfinished at most: nobody was told that it was taken, so that nothing is lost with
   * it.
   */
  readonly tornBytes: number
  /** Stretches of other bytes that are no frames: they were records, or calls, until the disk lost them. */
  readonly gaps: number
  readonly gapBytes: number
}

export interface ScannedSegment {
  readonly path: string
  readonly bytes: number
  readonly damage: Damage
}

/**
 * Reads every segment of a directory from its first byte to its last, the oldest first, and gives its frames to `take`
 * together with the window they are in. Segments that are deleted meanwhile are left out.
 */
export const scanSegments = async (
  directory: string,
  take: (frame: Frame, window: Buffer, path: string) => void,
): Promise<ReadonlyArray<ScannedSegment>> => {
  const names = (await readdir(directory)).filter((name) => name.endsWith(SEGMENT_SUFFIX)).toSorted()
  const window = makeWindow()
  const scanned: Array<ScannedSegment> = []
  for (const name of names) {
    const path = join(directory, name)
    const stats = await stat(path).catch(ignoringAbsence)
    const file = stats && (await open(path).catch(ignoringAbsence))
    if (stats === undefined || file === undefined) continue
    try {
      const reading = await readFrames(file, window, SEGMENT_HEADER.length, stats.size, (frame) => {
        take(frame, window, path)
        return true
      })
      const tornBytes = reading.tailTorn ? reading.tailBytes : 0
      const lostTail = reading.tailBytes - tornBytes
      const damage = {
        tornBytes,
        gaps: reading.gaps + (lostTail > 0 ? 1 : 0),
        gapBytes: reading.gapBytes + lostTail,
      }
      scanned.push({ path, bytes: stats.size, damage })
    } finally {
      await file.close()
    }
  }
  return scanned
}

const ignoringAbsence = (cause: unknown): undefined => {
  if (codeOf(cause) === "ENOENT") return undefined
  throw cause
}
