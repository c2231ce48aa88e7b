import { open, readdir, stat } from "node:fs/promises"
import { basename, join } from "node:path"
import { codeOf } from "../platform/error-code.ts"
import { type Frame, PREVIOUS, RECORD, type Version } from "./frame.ts"
import { idAt, intentAt, SEGMENT_HEADER, versionOf } from "./payload.ts"
import { makeWindow, readFrames } from "./read-frames.ts"
import { readWrittenNote } from "./WrittenNote.ts"

/** Bytes of a segment that are no frames. */
interface Damage {
  /** Bytes of an unfinished end, as a crash leaves it. Nobody was told that they were taken: nothing is lost. */
  readonly tornBytes: number
  /** Number of other such stretches: they were records, or intents, until the disk lost them. */
  readonly gaps: number
  readonly gapBytes: number
  /** Number of records that were in the file for certain and are not found. */
  readonly lostRecords: number
  /** No more are lost: the next segment says how many there were. */
  readonly lostIsAll: boolean
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
 *
 * In an older version each gap is one lost record. Since version 3 the frames behind a gap tell how many it had, and the
 * next segment tells of an end that is missing. Of the last one of a process that was killed its note tells, but for what
 * was written after that, and not once the machine was started anew: then a cut end is one that was never written.
 */
export const scanSegments = async (
  directory: string,
  take: (frame: Frame, window: Buffer, file: SegmentFile) => void,
): Promise<ReadonlyArray<ScannedSegment>> => {
  const names = (await readdir(directory)).toSorted()
  const window = makeWindow()
  const scanned: Array<ScannedSegment> = []
  const records = new Map<string, { found: number; told: number; final: boolean }>()
  const countsOf = (segment: string) => {
    const counts = records.get(segment) ?? { found: 0, told: 0, final: false }
    records.set(segment, counts)
    return counts
  }
  const noted = await readWrittenNote(directory)
  if (noted !== undefined) countsOf(noted.segment).told = noted.records
  for (const name of names) {
    const version = versionOf(name)
    if (version === undefined) continue
    const path = join(directory, name)
    const stats = await stat(path).catch(ignoringAbsence)
    const file = stats && (await open(path).catch(ignoringAbsence))
    if (stats === undefined || file === undefined) continue
    try {
      const counts = countsOf(name)
      const reading = await readFrames(file, window, version, SEGMENT_HEADER.length, stats.size, (frame) => {
        if (frame.kind === PREVIOUS) {
          const previous = countsOf(idAt(window, frame))
          previous.told = Math.max(previous.told, Number(intentAt(window, frame)))
          previous.final = true
          return true
        }
        if (frame.kind === RECORD) counts.found += 1
        counts.told = Math.max(counts.told, frame.records ?? 0)
        take(frame, window, { path, version })
        return true
      })
      const tornBytes = reading.tailTorn ? reading.tailBytes : 0
      const lostTail = reading.tailBytes - tornBytes
      const damagedEnd = lostTail > 0 ? 1 : 0
      const damage = {
        tornBytes,
        gaps: reading.gaps + damagedEnd,
        gapBytes: reading.gapBytes + lostTail,
        // What stands behind a gap says more, if there is something.
        lostRecords: version === 3 ? damagedEnd : reading.gaps + damagedEnd,
        lostIsAll: false,
      }
      scanned.push({ path, version, bytes: stats.size, damage })
    } finally {
      await file.close()
    }
  }
  return scanned.map((segment) => {
    if (segment.version !== 3) return segment
    const { found, told, final } = countsOf(basename(segment.path))
    const { damage } = segment
    const lostRecords = Math.max(0, told - found) + (final ? 0 : damage.lostRecords)
    return { ...segment, damage: { ...damage, lostRecords, lostIsAll: final } }
  })
}

const ignoringAbsence = (cause: unknown): undefined => {
  if (codeOf(cause) === "ENOENT") return undefined
  throw cause
}
