import { rmSync } from "node:fs"
import { Clock, Effect, Schedule, type Scope } from "effect"
import type { LedgerEntry } from "../ledger/ledger-entry.ts"
import { INTENT, RECORD } from "./frame.ts"
import { inherit } from "./inheritance.ts"
import { intentLine } from "./intents.ts"
import type { Inheritance, Journal } from "./Journal.ts"
import { adoptDirectory, claimDirectory, type JournalUnusable, removeDirectory } from "./process-directory.ts"
import { type JournalDisk, realDisk, SegmentWriter } from "./SegmentWriter.ts"
import { makeSegmentQueue } from "./segment-queue.ts"

const SEGMENT_BYTES = 8 * 1024 * 1024

/** A loss of power may take what was written since; the death of the process takes nothing. */
const SYNC_INTERVAL = "1 second"

/** Above what a process can have in flight. More are not noted: their calls leave no trace if the process dies. */
const MAX_OPEN_REQUESTS = 100_000

export interface FileJournalOptions {
  /** Of all processes that share it. */
  readonly directory: string
  readonly maxBytes: number
  readonly segmentBytes?: number
  readonly disk?: JournalDisk
}

/** A journal that the death of the process does not touch. One that is empty leaves nothing behind. */
export const openFileJournal = (
  options: FileJournalOptions,
): Effect.Effect<Journal, JournalUnusable, Scope.Scope> =>
  Effect.gen(function* () {
    const { directory, maxBytes } = options
    const clock = yield* Clock.Clock
    const own = yield* claimDirectory(directory)
    /** Calls of requests that have no record yet, by request. */
    const open = new Map<string, Array<string>>()
    const inherited = new Set<() => number>()
    /** Dead processes' directories that could not be read in this round of adoption. */
    const unreadable = new Set<string>()
    let appended = 0

    const writer = new SegmentWriter({
      directory: own.path,
      segmentBytes: options.segmentBytes ?? SEGMENT_BYTES,
      // So that a segment need not wait for the requests that began in it.
      carried: function* () {
        for (const [id, lines] of open) for (const line of lines) yield { kind: INTENT, id, line }
      },
      now: () => clock.currentTimeMillisUnsafe(),
      disk: options.disk ?? realDisk,
    })
    const queue = makeSegmentQueue({
      segments: writer.segments,
      active: () => writer.active,
      taken: () => appended,
      drained: () => {
        if (open.size === 0) writer.reset()
      },
      left: ({ size }) => {
        writer.bytes -= size
      },
    })

    const take = ({ id, line }: LedgerEntry) => {
      if (!writer.append(RECORD, id, line)) return "disk"
      appended += 1
      open.delete(id)
      return undefined
    }

    const bytes = () => {
      let sum = writer.bytes
      for (const more of inherited) sum += more()
      return sum
    }

    yield* Effect.callback<void>((resume) => writer.sync(() => resume(Effect.void))).pipe(
      Effect.repeat(Schedule.spaced(SYNC_INTERVAL)),
      Effect.forkScoped,
    )
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        queue.closeFile()
        writer.close()
        if (appended > queue.settled() || open.size > 0) return own.release
        for (const { path } of writer.segments) rmSync(path, { force: true })
        return removeDirectory(own)
      }),
    )

    return {
      ...queue,
      append: (entry) => (bytes() + entry.line.length > maxBytes ? "journal_full" : take(entry)),
      insist: (entry) => {
        writer.resume()
        return take(entry)
      },
      attempting: (intent) => {
        const line = intentLine(intent)
        if (bytes() + line.length > maxBytes) return "journal_full"
        const known = open.get(intent.id)
        if (known === undefined && open.size >= MAX_OPEN_REQUESTS) return "journal_full"
        if (!writer.append(INTENT, intent.id, line)) return "disk"
        if (known === undefined) open.set(intent.id, [line])
        else known.push(line)
        return undefined
      },
      release: (id) => void open.delete(id),
      durable: true,
      bytes,
      fault: () => writer.fault,
      inherit: Effect.gen(function* () {
        let inheritance: Inheritance | undefined
        while (inheritance === undefined) {
          const dead = yield* adoptDirectory(directory, (path) => path !== own.path && !unreadable.has(path))
          if (dead === undefined) {
            unreadable.clear()
            return undefined
          }
          inheritance = yield* inherit(dead)
          if (inheritance === undefined) unreadable.add(dead.path)
        }
        const { bytes: inheritedBytes, remove } = inheritance
        inherited.add(inheritedBytes)
        return {
          ...inheritance,
          remove: Effect.andThen(
            Effect.sync(() => inherited.delete(inheritedBytes)),
            remove,
          ),
        }
      }),
    }
  })
