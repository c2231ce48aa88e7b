import { type FileHandle, open, unlink } from "node:fs/promises"
import { Clock, Effect, Metric } from "effect"
import { ledgerDropped, ledgerReadFailures } from "../observability/Metrics.ts"
import { codeOf } from "../platform/error-code.ts"
import { RECORD } from "./frame.ts"
import type { Entry, EntryQueue } from "./Journal.ts"
import { entryAt } from "./payload.ts"
import { makeWindow, readFrames } from "./read-frames.ts"
import type { Segment } from "./segment.ts"

/** Records differ in size: a batch also ends here, so that a large one does not fill the memory. */
const BATCH_CHARACTERS = 4 * 1024 * 1024

const FAILURE_LOG_INTERVAL_MS = 10_000

interface Batch {
  readonly segment: Segment
  readonly entries: ReadonlyArray<Entry>
  /** End of the last of its records in the segment. */
  readonly position: number
}

/** View of the segments and of whoever writes them. A dead process's segments have no writer. */
interface SegmentSource {
  /** Segments from the oldest on; taken off here, added by whoever writes. */
  readonly segments: Array<Segment>
  readonly appended: () => number
  /** The segment that still grows, if any. */
  readonly active: () => Segment | undefined
  /** Called when everything in the active segment is acknowledged. */
  readonly onDrained: () => void
  /** Called when a segment was taken off. */
  readonly onRemoved: (segment: Segment) => void
}

/**
 * The records in segment files, read one batch at a time: a backlog stays on the disk. A segment is deleted when the
 * last of its records is acknowledged, so that a crash repeats a segment at most. One that cannot be read for the
 * moment (no file descriptor left, a fault of the disk) is tried again for ever, and does not hold up the others.
 */
export class SegmentQueue implements EntryQueue {
  readonly #source: SegmentSource
  readonly #window = makeWindow()
  /** Segments that could not be read. Their turn comes again when the others have been read. */
  readonly #unreadable = new Set<Segment>()
  #loggedAtMs = Number.NEGATIVE_INFINITY
  #file: { readonly of: Segment; readonly handle: FileHandle } | undefined
  #acknowledged = 0
  #batch: Batch | undefined

  constructor(source: SegmentSource) {
    this.#source = source
  }

  readonly appended = (): number => this.#source.appended()

  readonly acknowledged = (): number => this.#acknowledged

  readonly oldestMs = (): number | undefined => {
    const known = this.#source.segments.flatMap((segment) => segment.oldestMs ?? [])
    return known.length === 0 ? undefined : Math.min(...known)
  }

  readonly peek = (max: number): Effect.Effect<ReadonlyArray<Entry>> =>
    Effect.suspend(() => {
      if (this.#batch !== undefined) return Effect.succeed(this.#batch.entries)
      const segment = this.#source.segments.find((each) => !this.#unreadable.has(each))
      if (segment === undefined) return this.#nothingElse
      // What is interrupted while it opens a file would leave that open.
      return Effect.uninterruptible(Effect.tryPromise(() => this.#read(segment, max))).pipe(
        Effect.flatMap((batch) => this.#take(batch, max)),
        Effect.catch(({ cause }) =>
          codeOf(cause) === "ENOENT"
            ? Effect.andThen(this.#remove(segment), this.peek(max))
            : Effect.as(this.#putOff(segment, codeOf(cause)), []),
        ),
      )
    })

  readonly acknowledge: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#batch === undefined) return Effect.void
    const { segment, entries, position } = this.#batch
    this.#batch = undefined
    segment.position = position
    segment.read += entries.length
    this.#acknowledged += entries.length
    // The next record's time is not known yet, and not older.
    segment.oldestMs = segment.read < segment.records ? entries.at(-1)?.endedMs : undefined
    if (segment !== this.#source.active()) return this.#removeIfRead(segment)
    if (position >= segment.size) this.#source.onDrained()
    return Effect.void
  })

  /** Closes the file that is being read; synchronous, for what cannot wait for an Effect. */
  readonly closeFile = (): void => {
    const closing = this.#file
    this.#file = undefined
    // Nothing was written through it.
    closing?.handle.close().catch(() => {})
  }

  async #read(segment: Segment, max: number): Promise<Batch> {
    if (this.#file?.of !== segment) {
      this.closeFile()
      this.#file = { of: segment, handle: await open(segment.path) }
    }
    const window = this.#window
    const entries: Array<Entry> = []
    let characters = 0
    const { position, size, version } = segment
    const reading = await readFrames(this.#file.handle, window, version, position, size, (frame) => {
      if (frame.kind !== RECORD) return true
      if (entries.length === max || characters > BATCH_CHARACTERS) return false
      const entry = entryAt(window, frame, version)
      characters += entry.line.length
      entries.push(entry)
      return true
    })
    return { segment, entries, position: reading.position }
  }

  #take(batch: Batch, max: number): Effect.Effect<ReadonlyArray<Entry>> {
    const { segment, entries, position } = batch
    if (entries.length > 0) {
      this.#batch = batch
      return Effect.succeed(entries)
    }
    segment.position = position
    if (segment === this.#source.active()) return this.#nothingElse
    return Effect.andThen(this.#removeIfRead(segment), this.peek(max))
  }

  readonly #nothingElse = Effect.sync((): ReadonlyArray<Entry> => {
    this.#unreadable.clear()
    return []
  })

  readonly #putOff = Effect.fnUntraced({ self: this }, function* (segment: Segment, code: string) {
    this.closeFile()
    this.#unreadable.add(segment)
    yield* Metric.update(ledgerReadFailures, 1)
    const nowMs = yield* Clock.currentTimeMillis
    if (Math.abs(nowMs - this.#loggedAtMs) < FAILURE_LOG_INTERVAL_MS) return
    this.#loggedAtMs = nowMs
    const records = segment.records - segment.read
    yield* Effect.logError("a journal file cannot be read and is tried again", {
      file: segment.path,
      code,
      records,
    })
  })

  /** Deletes a segment that has been read to its end. */
  #removeIfRead(segment: Segment): Effect.Effect<void> {
    if (segment.position < segment.size) return Effect.void
    // A file that stays is shipped again after a restart, which changes nothing.
    const deleted = Effect.promise(() => unlink(segment.path).catch(() => {}))
    return Effect.andThen(this.#remove(segment), deleted)
  }

  /** Takes a segment off. What was counted into it and not read is lost. */
  #remove(segment: Segment): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { segments, onRemoved } = this.#source
      const damaged = segment.records - segment.read
      this.closeFile()
      segments.splice(segments.indexOf(segment), 1)
      onRemoved(segment)
      if (damaged <= 0) return Effect.void
      this.#acknowledged += damaged
      return Effect.andThen(
        Metric.update(ledgerDropped("damaged"), damaged),
        Effect.logError("ledger records lost: a journal file is damaged or gone", {
          file: segment.path,
          records: damaged,
        }),
      )
    })
  }
}
