import { join } from "node:path"
import { Clock, Context, Effect, Latch, Layer, Metric, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { Settings } from "../config/Settings.ts"
import { type FileJournalOptions, openFileJournal } from "../journal/file-journal.ts"
import type { EntryQueue, Inheritance, Journal, Refusal } from "../journal/Journal.ts"
import { type MemoryJournal, makeMemoryJournal } from "../journal/memory-journal.ts"
import type { JournalUnusable } from "../journal/process-directory.ts"
import {
  ledgerCallsNotNoted,
  ledgerDropped,
  ledgerJournalBytes,
  ledgerOldestAge,
  ledgerOverflow,
  ledgerQueue,
  observe,
  upstreamAttempts,
} from "../observability/Metrics.ts"
import { deliverBatch } from "./deliver-batch.ts"
import type { AttemptIntent, LedgerRecord } from "./LedgerRecord.ts"
import { type LedgerEntry, ledgerEntry } from "./ledger-entry.ts"

/** About 50,000 records of the usual size. */
const MEMORY_CHARACTERS = 64 * 1024 * 1024

/** A batch leaves when it is full or this old, whichever comes first. */
const BATCH_RECORDS = 500
const BATCH_AGE = "200 millis"

const DRAIN_TIMEOUT_MS = 5_000

const REFUSAL_LOG_INTERVAL_MS = 10_000

/** A process that shares the journal may die at any time and not come back. */
const INHERIT_INTERVAL = "1 minute"

/** The journal leaves a disk with a fault alone for as long. */
const SAVE_INTERVAL = "1 second"

/** Takes finished requests off the request path and gets each into PostgreSQL exactly once. */
export class Ledger extends Context.Service<
  Ledger,
  {
    /**
     * The record is in the journal when this ends: it survives the death of the process. Never waits for the database
     * and never fails. What the journal does not take waits in memory; what does not fit there is dropped and counted.
     */
    readonly record: (record: LedgerRecord) => Effect.Effect<void>
    /**
     * For each upstream call, right before it leaves: should the process die before the request's `record`, the next
     * one records the request as `gateway_crashed` and each of its calls as `lost`. Never fails.
     */
    readonly attempting: (intent: AttemptIntent) => Effect.Effect<void>
    /** Resolves when everything taken in so far is in the database, or fails to within `timeoutMs` (false). */
    readonly flush: (timeoutMs: number) => Effect.Effect<boolean>
  }
>()("gateway/ledger/Ledger") {
  static readonly layerMemory = (
    maxCharacters = MEMORY_CHARACTERS,
  ): Layer.Layer<Ledger, never, SqlClient.SqlClient> =>
    Layer.effect(
      Ledger,
      Effect.suspend(() => make(makeMemoryJournal(maxCharacters), makeMemoryJournal(0))),
    )

  static readonly layerFile = (
    options: FileJournalOptions,
    overflowCharacters = MEMORY_CHARACTERS,
  ): Layer.Layer<Ledger, JournalUnusable, SqlClient.SqlClient> =>
    Layer.effect(
      Ledger,
      Effect.flatMap(openFileJournal(options), (journal) =>
        make(journal, makeMemoryJournal(overflowCharacters)),
      ),
    )

  static readonly layer: Layer.Layer<Ledger, JournalUnusable, SqlClient.SqlClient | Settings> = Layer.unwrap(
    Effect.map(Settings, ({ dataDir, gateway: { ledger } }) =>
      ledger.journal === "memory"
        ? Ledger.layerMemory()
        : Ledger.layerFile({ directory: join(dataDir, "journal"), maxBytes: ledger.journalMaxBytes }),
    ),
  )
}

/** `overflow` holds what the journal does not take. */
const make = Effect.fnUntraced(function* (journal: Journal, overflow: MemoryJournal) {
  const sql = yield* SqlClient.SqlClient
  const clock = yield* Clock.Clock
  const filled = Latch.makeUnsafe()
  const batchReady = Latch.makeUnsafe()
  const inheritances: Array<Inheritance> = []
  const inherited = Latch.makeUnsafe()
  const flushes = new Set<Flush>()
  const refused = { kept: 0, dropped: 0, calls: 0, loggedAtMs: Number.NEGATIVE_INFINITY }

  /** In the order they are shipped: what would be lost with the process first, then the oldest. */
  const queues = (): ReadonlyArray<EntryQueue> => [
    overflow,
    ...inheritances.map(({ queue }) => queue),
    journal,
  ]
  const waiting = () => queues().reduce((sum, queue) => sum + sizeOf(queue), 0)

  const wake = () => {
    filled.openUnsafe()
    if (sizeOf(journal) + sizeOf(overflow) >= BATCH_RECORDS) batchReady.openUnsafe()
  }

  const record = (record: LedgerRecord): Effect.Effect<void> =>
    Effect.suspend(() => {
      const entry = ledgerEntry(record)
      const refusal = journal.append(entry)
      if (refusal === undefined) {
        wake()
        return Effect.void
      }
      if (overflow.append(entry) === undefined) {
        refused.kept += 1
        wake()
        return reportRefusals(refusal)
      }
      refused.dropped += 1
      journal.release(entry.id)
      return Effect.andThen(Metric.update(ledgerDropped(refusal), 1), reportRefusals(refusal))
    })

  const attempting = (intent: AttemptIntent): Effect.Effect<void> =>
    Effect.suspend(() => {
      const refusal = journal.attempting(intent)
      if (refusal === undefined) return Effect.void
      refused.calls += 1
      return Effect.andThen(Metric.update(ledgerCallsNotNoted(refusal), 1), reportRefusals(refusal))
    })

  /** One line per interval: trouble must be visible in the log, not fill it. */
  const reportRefusals = (reason: Refusal): Effect.Effect<void> =>
    Effect.suspend(() => {
      const nowMs = clock.currentTimeMillisUnsafe()
      if (Math.abs(nowMs - refused.loggedAtMs) < REFUSAL_LOG_INTERVAL_MS) return Effect.void
      const { kept, dropped, calls } = refused
      Object.assign(refused, { kept: 0, dropped: 0, calls: 0, loggedAtMs: nowMs })
      const details = { reason, code: journal.fault(), kept, dropped, calls, waiting: waiting() }
      return dropped > 0
        ? Effect.logError("ledger full, records dropped", details)
        : Effect.logWarning("the ledger's journal takes no records, they are kept in memory", details)
    })

  /** Memory dies with the process, also at a clean stop: what waits there goes to the journal when that takes it. */
  const save = Effect.fnUntraced(function* (append: Journal["append"]) {
    const take = (entry: LedgerEntry) => append(entry) === undefined
    let moved = BATCH_RECORDS
    // Requests go on between.
    for (; moved === BATCH_RECORDS; yield* Effect.yieldNow) {
      moved = overflow.moveTo(take, BATCH_RECORDS)
      if (moved > 0) for (const { targets } of flushes) targets.set(journal, journal.taken())
    }
  })

  const settle = () => {
    for (const flush of flushes) {
      if ([...flush.targets].some(([queue, taken]) => queue.settled() < taken)) continue
      flushes.delete(flush)
      flush.resume()
    }
  }

  /** The first batch that can be had. One queue that cannot be read at the moment does not hold up the others. */
  const ship = Effect.gen(function* () {
    for (const queue of queues()) {
      if (sizeOf(queue) === 0) continue
      const entries = yield* queue.peek(BATCH_RECORDS)
      if (entries.length === 0) continue
      yield* deliverBatch(sql, entries)
      yield* queue.acknowledge
      if (queue === overflow) for (const { id } of entries) journal.release(id)
      return
    }
    yield* Effect.sleep(BATCH_AGE)
  })

  const removeEmpty = Effect.gen(function* () {
    for (const done of inheritances.filter(({ queue }) => sizeOf(queue) === 0)) {
      yield* done.remove
      inheritances.splice(inheritances.indexOf(done), 1)
    }
  })

  const writer = Effect.gen(function* () {
    while (true) {
      yield* removeEmpty
      settle()
      if (waiting() === 0) {
        filled.closeUnsafe()
        yield* filled.await
        continue
      }
      if (waiting() < BATCH_RECORDS && flushes.size === 0) batchReady.closeUnsafe()
      yield* Effect.timeoutOption(batchReady.await, BATCH_AGE)
      yield* ship
    }
  }).pipe(
    Effect.catchDefect((defect) =>
      Effect.andThen(Effect.logError("the ledger's writer failed", { defect }), Effect.sleep("1 second")),
    ),
    Effect.forever,
  )

  /** The dead first: what they left is shipped in one piece with what their requests have lost. */
  const adopt = Effect.gen(function* () {
    while (true) {
      const inheritance = yield* journal.inherit
      if (inheritance === undefined) break
      const { lost, queue } = inheritance
      for (const request of lost) {
        yield* record(request)
        for (const { provider, model } of request.attempts)
          yield* Metric.update(upstreamAttempts(provider, model, "lost"), 1)
      }
      inheritances.push(inheritance)
      filled.openUnsafe()
      batchReady.openUnsafe()
      if (sizeOf(queue) + lost.length > 0) {
        yield* Effect.logWarning("took over the journal of a process that died", {
          records: sizeOf(queue),
          requestsCutOff: lost.length,
        })
      }
    }
    inherited.openUnsafe()
  })

  const flush = (timeoutMs: number): Effect.Effect<boolean> =>
    inherited.await.pipe(
      Effect.andThen(
        Effect.callback<void>((resume) => {
          const targets = new Map(queues().map((queue) => [queue, queue.taken()]))
          const waiting: Flush = { targets, resume: () => resume(Effect.void) }
          flushes.add(waiting)
          settle()
          batchReady.openUnsafe()
          return Effect.sync(() => flushes.delete(waiting))
        }),
      ),
      Effect.as(true),
      Effect.timeoutOrElse({ duration: timeoutMs, orElse: () => Effect.succeed(false) }),
    )

  const oldestAgeSeconds = (): number => {
    const ended = queues().flatMap((queue) => (sizeOf(queue) === 0 ? [] : (queue.oldestMs() ?? [])))
    return ended.length === 0 ? 0 : Math.max(0, clock.currentTimeMillisUnsafe() - Math.min(...ended)) / 1000
  }

  yield* observe(ledgerQueue, waiting)
  yield* observe(ledgerOverflow, () => sizeOf(overflow))
  yield* observe(ledgerJournalBytes, journal.bytes)
  yield* observe(ledgerOldestAge, oldestAgeSeconds)
  yield* Effect.forkScoped(writer)
  yield* adopt.pipe(Effect.repeat(Schedule.spaced(INHERIT_INTERVAL)), Effect.forkScoped)
  yield* save(journal.append).pipe(Effect.repeat(Schedule.spaced(SAVE_INTERVAL)), Effect.forkScoped)
  // Registered after the forks, so that it runs before they are interrupted.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      if (yield* flush(DRAIN_TIMEOUT_MS)) return
      yield* save(journal.insist)
      const lost = sizeOf(overflow) + (journal.durable ? 0 : sizeOf(journal))
      if (lost > 0) yield* Metric.update(ledgerDropped("stopped"), lost)
      yield* Effect.logError("stopped before every record was in the database", {
        records: waiting(),
        lost,
      })
    }),
  )

  return Ledger.of({ record, attempting, flush })
})

interface Flush {
  /** Queues, and what they had taken when the flush was asked for. */
  readonly targets: Map<EntryQueue, number>
  readonly resume: () => void
}

const sizeOf = (queue: EntryQueue): number => queue.taken() - queue.settled()
