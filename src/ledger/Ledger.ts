import { join } from "node:path"
import { Clock, Context, Effect, Layer, Metric, Schedule, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { Settings } from "../config/Settings.ts"
import { SchemaReady } from "../database/SchemaReady.ts"
import { FileJournal, type FileJournalOptions } from "../journal/FileJournal.ts"
import { type Journal, sizeOf } from "../journal/Journal.ts"
import { MemoryJournal } from "../journal/MemoryJournal.ts"
import type { JournalUnusable } from "../journal/process-directory.ts"
import {
  ledgerDropped,
  ledgerJournalBytes,
  ledgerOldestAge,
  ledgerOverflow,
  ledgerQueue,
  ledgerUnwritable,
  observe,
} from "../observability/Metrics.ts"
import { BatchShipper } from "./BatchShipper.ts"
import type { AttemptIntent, LedgerRecord } from "./LedgerRecord.ts"
import { RecordIntake } from "./RecordIntake.ts"
import { recoverOrphans } from "./recover-orphans.ts"
import { WriterHealth } from "./WriterHealth.ts"

/** About 50,000 records of the usual size. */
const MEMORY_CHARACTERS = 64 * 1024 * 1024

const DRAIN_TIMEOUT_MS = 5_000

/** A process that shares the journal may die at any time and not come back. */
const RECOVERY_INTERVAL = "1 minute"

const LOOK_INTERVAL = "1 second"

/** The journal leaves a disk with a fault alone for as long. */
const SAVE_INTERVAL = "1 second"

/** Takes finished requests off the request path and gets each into PostgreSQL exactly once. */
export class Ledger extends Context.Service<
  Ledger,
  {
    /**
     * Ends when the record is in the journal: it survives the death of the process. Never waits for the database, never
     * fails and is not interrupted. What the journal does not take waits in memory; what does not fit there is dropped
     * and counted.
     */
    readonly record: (record: LedgerRecord) => Effect.Effect<void>
    /**
     * Notes an upstream call right before it leaves: should the process die before the request's `record`, the next one
     * records the request as `gateway_crashed` and each of its calls as `lost`. Never fails.
     */
    readonly recordIntent: (intent: AttemptIntent) => Effect.Effect<void>
    /** Names this process in what it is charged of budgets. */
    readonly holder: string
    /** Resolves when everything taken in so far is in the database, or fails to within `timeoutMs` (false). */
    readonly flush: (timeoutMs: number) => Effect.Effect<boolean>
    /** Tells in words and with the code why no batch is written, although there is one; undefined when all is well. */
    readonly databaseFault: () => string | undefined
    /** Tells likewise why the journal takes no records. */
    readonly journalFault: () => string | undefined
  }
>()("gateway/ledger/Ledger") {
  /** On a journal, and with so much memory for what that does not take. */
  static readonly layerOn = <E>(
    journal: Effect.Effect<Journal, E, Scope.Scope>,
    overflowCharacters: number,
  ): Layer.Layer<Ledger, E, SqlClient.SqlClient> =>
    Layer.effect(
      Ledger,
      Effect.flatMap(journal, (journal) => make(journal, new MemoryJournal(overflowCharacters))),
    )

  static readonly layerMemory = (
    maxCharacters = MEMORY_CHARACTERS,
  ): Layer.Layer<Ledger, never, SqlClient.SqlClient> =>
    Ledger.layerOn(
      Effect.sync(() => new MemoryJournal(maxCharacters)),
      0,
    )

  static readonly layerFile = (
    options: FileJournalOptions,
    overflowCharacters = MEMORY_CHARACTERS,
  ): Layer.Layer<Ledger, JournalUnusable, SqlClient.SqlClient> =>
    Ledger.layerOn(FileJournal.open(options), overflowCharacters)

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
  const health = new WriterHealth(clock, () => sizeOf(overflow))
  const shipper = new BatchShipper(sql, journal, overflow, health)
  const intake = new RecordIntake(journal, overflow, shipper, clock, health)

  yield* observe(ledgerQueue, () => shipper.waiting())
  yield* observe(ledgerOverflow, () => sizeOf(overflow))
  yield* observe(ledgerJournalBytes, journal.bytes)
  yield* observe(ledgerOldestAge, () => shipper.oldestAgeMs(clock.currentTimeMillisUnsafe()) / 1000)
  yield* observe(ledgerUnwritable("database"), () => (health.databaseFault() === undefined ? 0 : 1))
  yield* observe(ledgerUnwritable("journal"), () => (health.journalFault() === undefined ? 0 : 1))
  yield* reportChanges(health).pipe(Effect.repeat(Schedule.spaced(LOOK_INTERVAL)), Effect.forkScoped)
  const schemaReady = yield* SchemaReady
  let shipping = false
  yield* schemaReady.await.pipe(
    Effect.andThen(
      Effect.suspend(() => {
        shipping = true
        return shipper.run
      }),
    ),
    Effect.forkScoped,
  )
  yield* recoverOrphans(journal, intake, shipper).pipe(
    Effect.repeat(Schedule.spaced(RECOVERY_INTERVAL)),
    Effect.forkScoped,
  )
  yield* intake
    .saveOverflow(journal.appendNow)
    .pipe(Effect.repeat(Schedule.spaced(SAVE_INTERVAL)), Effect.forkScoped)
  // Registered after the forks, so that it runs before they are interrupted.
  const flushed = Effect.suspend(() =>
    shipping ? shipper.flush(DRAIN_TIMEOUT_MS) : Effect.succeed(shipper.waiting() === 0),
  )
  yield* Effect.addFinalizer(() => drain(journal, overflow, intake, shipper, flushed))

  return Ledger.of({
    holder: journal.name,
    record: intake.record,
    recordIntent: intake.recordIntent,
    flush: (timeoutMs) => shipper.flush(timeoutMs),
    databaseFault: health.databaseFault,
    journalFault: health.journalFault,
  })
})

/** Returns an effect that logs what has begun or ended since it ran last. The intake logs what the journal refuses. */
const reportChanges = (health: WriterHealth) => {
  let unwritten = false
  let refused = false
  return Effect.suspend(() => {
    const fault = health.databaseFault()
    const began = fault !== undefined && !unwritten
    const ended = fault === undefined && unwritten
    const taken = health.journalFault() === undefined && refused
    unwritten = fault !== undefined
    refused = health.journalFault() !== undefined
    return Effect.all([
      began ? Effect.logError(`the ledger cannot write to the database: ${fault}`) : Effect.void,
      ended ? Effect.logInfo("the ledger writes to the database again") : Effect.void,
      taken ? Effect.logInfo("the ledger's journal takes records again") : Effect.void,
    ])
  })
}

/** Ships what it can before the process stops, and leaves the rest to the journal. */
const drain = Effect.fnUntraced(function* (
  journal: Journal,
  overflow: MemoryJournal,
  intake: RecordIntake,
  shipper: BatchShipper,
  flushed: Effect.Effect<boolean>,
) {
  if (yield* flushed) {
    // What was dropped may have been charged.
    if (intake.lost() === 0 && !(yield* shipper.endLeases(journal.name))) journal.leave()
    return
  }
  yield* intake.saveOverflow(journal.forceAppend)
  const lost = sizeOf(overflow) + (journal.durable ? 0 : sizeOf(journal))
  if (lost > 0) yield* Metric.update(ledgerDropped("stopped"), lost)
  yield* Effect.logError("stopped before every record was in the database", {
    records: shipper.waiting(),
    lost,
  })
})
