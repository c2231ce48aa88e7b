import { type FileHandle, open, unlink } from "node:fs/promises"
import { Effect, Metric } from "effect"
import { RequestId } from "../../domain/Ids.ts"
import { ledgerDropped } from "../../observability/Metrics.ts"
import type { EntryQueue } from "../Journal.ts"
import type { LedgerEntry } from "../ledger-entry.ts"
import { payloadId, payloadLine, RECORD, SEGMENT_HEADER } from "./frame.ts"
import { makeWindow, readFrames } from "./read-frames.ts"
import type { Segment } from "./SegmentWriter.ts"

/** Records differ in size: a batch also ends here, so that a large one does not fill the memory. */
const BATCH_CHARACTERS = 4 * 1024 * 1024

interface Batch {
  readonly entries: ReadonlyArray<LedgerEntry>
  /** Of its segment, behind its last record. */
  readonly position: number
}

export interface SegmentQueue extends EntryQueue {
  /** For what cannot wait for an Effect. */
  readonly closeFile: () => void
}

/**
 * The records in segment files, read one batch at a time: a backlog stays on the disk. A segment is deleted when the
 * last of its records is acknowledged, so that a crash repeats a segment at most.
 */
export const makeSegmentQueue = (options: {
  /** Oldest first; taken off here, added by whoever writes. */
  readonly segments: Array<Segment>
  /** The segment that still grows, if any. */
  readonly active: () => Segment | undefined
  readonly taken: () => number
  /** Everything in the active segment is acknowledged. */
  readonly drained: () => void
  /** A segment was taken off. */
  readonly left: (segment: Segment) => void
}): SegmentQueue => {
  const { segments } = options
  const window = makeWindow()
  let file: FileHandle | undefined
  let position = SEGMENT_HEADER.length
  /** Records of the first segment that are behind the position. */
  let read = 0
  let settled = 0
  let batch: Batch | undefined

  const nextBatch = async (segment: Segment, max: number): Promise<Batch> => {
    file ??= await open(segment.path)
    const entries: Array<LedgerEntry> = []
    let characters = 0
    const reading = await readFrames(file, window, position, segment.size, (frame) => {
      if (frame.kind !== RECORD) return true
      if (entries.length === max || characters > BATCH_CHARACTERS) return false
      const line = payloadLine(window, frame)
      characters += line.length
      entries.push({ id: RequestId.make(payloadId(window, frame)), line })
      return true
    })
    return { entries, position: reading.position }
  }

  const closeFile = () => {
    const closing = file
    file = undefined
    // Nothing was written through it.
    closing?.close().catch(() => {})
  }

  /** The first segment is done with. What was counted into it and not read is lost. */
  const leave = (segment: Segment): Effect.Effect<void> =>
    Effect.suspend(() => {
      const damaged = segment.records - read
      closeFile()
      segments.shift()
      options.left(segment)
      position = SEGMENT_HEADER.length
      read = 0
      if (damaged <= 0) return Effect.void
      settled += damaged
      return Effect.andThen(
        Metric.update(ledgerDropped("damaged"), damaged),
        Effect.logError("ledger records lost: a journal file is damaged", {
          file: segment.path,
          records: damaged,
        }),
      )
    })

  const deleteFile = (segment: Segment) =>
    // One that stays is shipped again after a restart, which changes nothing.
    Effect.promise(() => unlink(segment.path).catch(() => {}))

  const peek = (max: number): Effect.Effect<ReadonlyArray<LedgerEntry>> =>
    Effect.suspend(() => {
      const segment = segments[0]
      if (batch !== undefined) return Effect.succeed(batch.entries)
      if (segment === undefined) return Effect.succeed([])
      return Effect.tryPromise(() => nextBatch(segment, max)).pipe(
        Effect.flatMap((next) => {
          if (next.entries.length > 0) {
            batch = next
            return Effect.succeed(next.entries)
          }
          position = next.position
          if (segment === options.active()) return Effect.succeed([])
          return Effect.andThen(finish(segment), peek(max))
        }),
        // A file that cannot be read stays where it is, for a person or the next start.
        Effect.catch(() => Effect.andThen(leave(segment), peek(max))),
      )
    })

  const finish = (segment: Segment): Effect.Effect<void> =>
    position < segment.size ? Effect.void : Effect.andThen(leave(segment), deleteFile(segment))

  const acknowledge = Effect.suspend(() => {
    const segment = segments[0]
    if (batch === undefined || segment === undefined) return Effect.void
    position = batch.position
    read += batch.entries.length
    settled += batch.entries.length
    batch = undefined
    if (segment !== options.active()) return finish(segment)
    if (position >= segment.size) {
      options.drained()
      position = Math.min(position, segment.size)
      if (segment.size === SEGMENT_HEADER.length) read = 0
    }
    return Effect.void
  })

  return {
    peek,
    acknowledge,
    taken: options.taken,
    settled: () => settled,
    head: () => batch?.entries[0],
    closeFile,
  }
}
