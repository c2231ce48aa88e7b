import { type FileHandle, open, unlink } from "node:fs/promises"
import { Clock, Effect, Metric } from "effect"
import { RequestId } from "../domain/Ids.ts"
import { endedAtMs, type LedgerEntry } from "../ledger/ledger-entry.ts"
import { ledgerDropped, ledgerReadFailures } from "../observability/Metrics.ts"
import { codeOf } from "../platform/error-code.ts"
import { payloadId, payloadLine, RECORD } from "./frame.ts"
import type { EntryQueue } from "./Journal.ts"
import { makeWindow, readFrames } from "./read-frames.ts"
import type { Segment } from "./SegmentWriter.ts"

/** Records differ in size: a batch also ends here, so that a large one does not fill the memory. */
const BATCH_CHARACTERS = 4 * 1024 * 1024

const FAILURE_LOG_INTERVAL_MS = 10_000

interface Batch {
  readonly segment: Segment
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
 * last of its records is acknowledged, so that a crash repeats a segment at most. One that cannot be read for the
 * moment (no file descriptor left, a fault of the disk) is tried again for ever, and does not hold up the others.
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
  /** Could not be read. Their turn comes again when the others have been read. */
  const unreadable = new Set<Segment>()
  let loggedAtMs = Number.NEGATIVE_INFINITY
  let file: { readonly of: Segment; readonly handle: FileHandle } | undefined
  let settled = 0
  let batch: Batch | undefined

  const closeFile = () => {
    const closing = file
    file = undefined
    // Nothing was written through it.
    closing?.handle.close().catch(() => {})
  }

  const nextBatch = async (segment: Segment, max: number): Promise<Batch> => {
    if (file?.of !== segment) {
      closeFile()
      file = { of: segment, handle: await open(segment.path) }
    }
    const entries: Array<LedgerEntry> = []
    let characters = 0
    const reading = await readFrames(file.handle, window, segment.position, segment.size, (frame) => {
      if (frame.kind !== RECORD) return true
      if (entries.length === max || characters > BATCH_CHARACTERS) return false
      const line = payloadLine(window, frame)
      characters += line.length
      entries.push({ id: RequestId.make(payloadId(window, frame)), line })
      return true
    })
    return { segment, entries, position: reading.position }
  }

  /** It is done with. What was counted into it and not read is lost. */
  const leave = (segment: Segment): Effect.Effect<void> =>
    Effect.suspend(() => {
      const damaged = segment.records - segment.read
      closeFile()
      segments.splice(segments.indexOf(segment), 1)
      options.left(segment)
      if (damaged <= 0) return Effect.void
      settled += damaged
      return Effect.andThen(
        Metric.update(ledgerDropped("damaged"), damaged),
        Effect.logError("ledger records lost: a journal file is damaged or gone", {
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
      if (batch !== undefined) return Effect.succeed(batch.entries)
      const segment = segments.find((each) => !unreadable.has(each))
      if (segment === undefined) return nothingElse
      return Effect.tryPromise(() => nextBatch(segment, max)).pipe(
        Effect.flatMap((next) => {
          if (next.entries.length > 0) {
            batch = next
            return Effect.succeed(next.entries)
          }
          segment.position = next.position
          if (segment === options.active()) return nothingElse
          return Effect.andThen(finish(segment), peek(max))
        }),
        Effect.catch(({ cause }) =>
          codeOf(cause) === "ENOENT"
            ? Effect.andThen(leave(segment), peek(max))
            : Effect.as(putOff(segment, codeOf(cause)), []),
        ),
      )
    })

  const nothingElse = Effect.sync((): ReadonlyArray<LedgerEntry> => {
    unreadable.clear()
    return []
  })

  const putOff = Effect.fnUntraced(function* (segment: Segment, code: string) {
    closeFile()
    unreadable.add(segment)
    yield* Metric.update(ledgerReadFailures, 1)
    const nowMs = yield* Clock.currentTimeMillis
    if (Math.abs(nowMs - loggedAtMs) < FAILURE_LOG_INTERVAL_MS) return
    loggedAtMs = nowMs
    const records = segment.records - segment.read
    yield* Effect.logError("a journal file cannot be read and is tried again", {
      file: segment.path,
      code,
      records,
    })
  })

  const finish = (segment: Segment): Effect.Effect<void> =>
    segment.position < segment.size ? Effect.void : Effect.andThen(leave(segment), deleteFile(segment))

  const acknowledge = Effect.suspend(() => {
    if (batch === undefined) return Effect.void
    const { segment, entries, position } = batch
    batch = undefined
    segment.position = position
    segment.read += entries.length
    settled += entries.length
    // That of the next record is not known yet and not older.
    segment.oldestMs = segment.read < segment.records ? endedAtMs(entries.at(-1)?.line ?? "") : undefined
    if (segment !== options.active()) return finish(segment)
    if (position >= segment.size) options.drained()
    return Effect.void
  })

  const oldestMs = () => {
    const known = segments.flatMap((segment) => segment.oldestMs ?? [])
    return known.length === 0 ? undefined : Math.min(...known)
  }

  return { peek, acknowledge, taken: options.taken, settled: () => settled, oldestMs, closeFile }
}
