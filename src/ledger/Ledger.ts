import { Clock, Context, Effect, Latch, Layer, Metric, Schedule } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { failureCode } from "../database/failure-code.ts"
import {
  ledgerDropped,
  ledgerQueue,
  ledgerWriteFailures,
  ledgerWritten,
  observe,
} from "../observability/Metrics.ts"
import { type Journal, makeMemoryJournal } from "./Journal.ts"
import type { LedgerRecord } from "./LedgerRecord.ts"
import { type LedgerEntry, ledgerEntry } from "./ledger-entry.ts"
import { isRecordAtFault, writeBatch } from "./write-batch.ts"

/** About 50,000 records of the usual size. */
const JOURNAL_CHARACTERS = 64 * 1024 * 1024

/** A batch leaves when it is full or this old, whichever comes first. */
const BATCH_RECORDS = 500
const BATCH_AGE = "200 millis"

/** A connection that went silent must not hold the ledger for ever; repeating the batch is harmless. */
const WRITE_TIMEOUT = "30 seconds"

const DRAIN_TIMEOUT_MS = 5_000

const DROP_LOG_INTERVAL_MS = 10_000

const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
)

/** Takes finished requests off the request path and gets each into PostgreSQL exactly once. */
export class Ledger extends Context.Service<
  Ledger,
  {
    /** Never waits for the database and never fails; a full queue drops the record and counts it. */
    readonly record: (record: LedgerRecord) => Effect.Effect<void>
    /** Resolves when everything recorded so far is in the database, or fails to within `timeoutMs` (false). */
    readonly flush: (timeoutMs: number) => Effect.Effect<boolean>
  }
>()("gateway/ledger/Ledger") {
  static readonly layerJournal = (journal: Journal): Layer.Layer<Ledger, never, SqlClient.SqlClient> =>
    Layer.effect(Ledger, make(journal))

  static readonly layer = Layer.suspend(() => Ledger.layerJournal(makeMemoryJournal(JOURNAL_CHARACTERS)))
}

const make = Effect.fnUntraced(function* (journal: Journal) {
  const sql = yield* SqlClient.SqlClient
  const filled = Latch.makeUnsafe()
  const batchReady = Latch.makeUnsafe()
  const flushes = new Set<Flush>()
  /** Entries ever taken in, and of those the ones committed or given up. */
  let recorded = journal.size()
  let settled = 0
  let droppedSinceLog = 0
  let lastDropLogMs = Number.NEGATIVE_INFINITY

  const record = (record: LedgerRecord): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (!journal.append(ledgerEntry(record))) return drop
      recorded += 1
      filled.openUnsafe()
      if (journal.size() >= BATCH_RECORDS) batchReady.openUnsafe()
      return Effect.void
    })

  const drop = Effect.gen(function* () {
    droppedSinceLog += 1
    yield* Metric.update(ledgerDropped, 1)
    const nowMs = yield* Clock.currentTimeMillis
    if (nowMs - lastDropLogMs < DROP_LOG_INTERVAL_MS) return
    const dropped = droppedSinceLog
    lastDropLogMs = nowMs
    droppedSinceLog = 0
    yield* Effect.logError("ledger full, records dropped", { dropped, waiting: journal.size() })
  })

  /** The whole batch is in the database when this ends; it never fails, it waits. */
  const write = (entries: ReadonlyArray<LedgerEntry>): Effect.Effect<void> =>
    writeBatch(sql, entries).pipe(
      Effect.timeoutOrElse({ duration: WRITE_TIMEOUT, orElse: () => Effect.fail(unanswered("timeout")) }),
      // A fault in the driver must not end the writer: nobody would notice until the journal is full.
      Effect.catchDefect((defect) => Effect.fail(unanswered(defect))),
      Effect.tapError(reportFailure),
      Effect.retry({ schedule: backoff, while: (error) => !isRecordAtFault(error) }),
      Effect.andThen(Metric.update(ledgerWritten, entries.length)),
      Effect.catch((error) => isolate(entries, error)),
    )

  /** Halves the batch until the record that the database refuses stands alone, and parks it. */
  const isolate = (entries: ReadonlyArray<LedgerEntry>, error: SqlError.SqlError): Effect.Effect<void> => {
    if (entries.length > 1) {
      const middle = entries.length >> 1
      return Effect.andThen(write(entries.slice(0, middle)), write(entries.slice(middle)))
    }
    return Effect.andThen(
      Metric.update(ledgerDropped, 1),
      Effect.logError("ledger record refused by the database", {
        requestId: entries[0]?.id,
        code: failureCode(error),
      }),
    )
  }

  const settle = (count: number) => {
    settled += count
    for (const flush of flushes) {
      if (flush.target > settled) continue
      flushes.delete(flush)
      flush.resume()
    }
  }

  const writer = Effect.gen(function* () {
    while (true) {
      if (journal.size() === 0) filled.closeUnsafe()
      yield* filled.await
      if (journal.size() < BATCH_RECORDS && flushes.size === 0) batchReady.closeUnsafe()
      yield* Effect.timeoutOption(batchReady.await, BATCH_AGE)
      const entries = yield* journal.peek(BATCH_RECORDS)
      yield* write(entries)
      yield* journal.acknowledge(entries.length)
      settle(entries.length)
    }
  })

  const flush = (timeoutMs: number): Effect.Effect<boolean> =>
    Effect.callback<void>((resume) => {
      const waiting: Flush = { target: recorded, resume: () => resume(Effect.void) }
      if (settled >= waiting.target) return waiting.resume()
      flushes.add(waiting)
      batchReady.openUnsafe()
      return Effect.sync(() => flushes.delete(waiting))
    }).pipe(
      Effect.as(true),
      Effect.timeoutOrElse({ duration: timeoutMs, orElse: () => Effect.succeed(false) }),
    )

  yield* observe(ledgerQueue, journal.size)
  if (journal.size() > 0) filled.openUnsafe()
  yield* Effect.forkScoped(writer)
  // Registered after the fork, so that it runs before the writer is interrupted.
  yield* Effect.addFinalizer(() =>
    Effect.flatMap(flush(DRAIN_TIMEOUT_MS), (drained) =>
      drained
        ? Effect.void
        : Effect.logError("stopped with records not in the database", { records: journal.size() }),
    ),
  )

  return Ledger.of({ record, flush })
})

interface Flush {
  readonly target: number
  readonly resume: () => void
}

const reportFailure = (error: SqlError.SqlError) =>
  Effect.andThen(
    Metric.update(ledgerWriteFailures, 1),
    Effect.logWarning("ledger batch not written", { reason: error.reason._tag, code: failureCode(error) }),
  )

const unanswered = (cause: unknown) =>
  new SqlError.SqlError({
    reason: new SqlError.ConnectionError({ cause, message: "batch not answered", operation: "writeBatch" }),
  })
