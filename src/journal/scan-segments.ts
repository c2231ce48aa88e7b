import { open, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { codeOf } from "../platform/error-code.ts"
import type { Frame } from "./frame.ts"
import { SEGMENT_HEADER, type Version, versionOf } from "./payload.ts"
import { makeWindow, readFrames } from "./read-frames.ts"

/** Bytes of a segment that are no frames. */
interface Damage {
  /** Bytes of an unfinished end, as a crash leaves it. Nobody was told that they were taken: nothing is lost. */
  readonly tornBytes: number
  /** Number of other such stretches: they were records, or intents, until the disk lost them. */
  readonly gaps: number
  readonly gapBytes: number
}

interface SegmentFile {
  readonly path: string
  readonly version: Version
}

export interface ScannedSegment extends SegmentFile {
  readonly bytes: number
  readonly damage: Damage
}

/**
 * Reads every segment of a directory from its first byte to its last, the oldest first, and gives its frames to `take`
 * together with the window they are in. Segments that are deleted meanwhile are left out.
 */
export const scanSegments = async (
  directory: string,
  take: (frame: Frame, window: Buffer, file: SegmentFile) => void,
): Promise<ReadonlyArray<ScannedSegment>> => {
  const names = (await readdir(directory)).toSorted()
  const window = makeWindow()
  const scanned: Array<ScannedSegment> = []
  for (const name of names) {
    const version = versionOf(name)
    if (version === undefined) continue
    const path = join(directory, name)
    const stats = await stat(path).catch(ignoringAbsence)
    const file = stats && (await open(path).catch(ignoringAbsence))
    if (stats === undefined || file === undefined) continue
    try {
      const reading = await readFrames(file, window, SEGMENT_HEADER.length, stats.size, (frame) => {
        take(frame, window, { path, version })
        return true
      })
      const tornBytes = reading.tailTorn ? reading.tailBytes : 0
      const lostTail = reading.tailBytes - tornBytes
      const damage = {
        tornBytes,
        gaps: reading.gaps + (lostTail > 0 ? 1 : 0),
        gapBytes: reading.gapBytes + lostTail,
      }
      scanned.push({ path, version, bytes: stats.size, damage })
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
