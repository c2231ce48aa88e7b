import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, Context, Effect, Layer, Metric } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { TestClock } from "effect/testing"
import { type JournalDisk, realDisk } from "../../src/journal/SegmentWriter.ts"
import { Ledger } from "../../src/ledger/Ledger.ts"
import { WriterHealth } from "../../src/ledger/WriterHealth.ts"
import { ledgerUnwritable, ledgerWriteFailures } from "../../src/observability/Metrics.ts"
import { layerEmbedded, layerPostgres, temporaryDirectory } from "../support/Databases.ts"
import { scaled } from "../support/slowness.ts"
import { onLiveClock } from "./eventually.ts"
import { logged } from "./logged.ts"
import { record } from "./records.ts"
import { emptyTables } from "./rows.ts"

const openLedger = (disk: JournalDisk = realDisk) =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const services = yield* Layer.build(Layer.fresh(Ledger.layerFile({ directory, maxBytes: 1e9, disk })))
    return Context.get(services, Ledger)
  })

const level = (part: "database" | "journal") =>
  Effect.map(Metric.value(ledgerUnwritable(part)), ({ value }) => value)

/** Lets virtual seconds pass, and real moments for the database to answer in. */
const secondsUntil = (holds: () => boolean) =>
  TestClock.adjust("1 second").pipe(
    Effect.andThen(onLiveClock(Effect.sleep("20 millis"))),
    Effect.repeat({ until: holds, times: scaled(250) }),
  )

const failure = (code: string) =>
  new SqlError.SqlError({
    reason: new SqlError.UnknownError({
      message: "s3cret",
      cause: Object.assign(new Error("s3cret"), { code }),
    }),
  })

describe.each([
  { name: "PostgreSQL", database: layerPostgres },
  { name: "the embedded database", database: layerEmbedded },
])("a ledger whose batches $name refuses", ({ database }) => {
  layer(database)((it) => {
    it.effect("says so after ten seconds, with the reason, and no longer than that lasts", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        yield* sql`ALTER TABLE attempts RENAME COLUMN cached_tokens TO hidden`
        const { lines } = yield* logged(
          Effect.gen(function* () {
            const ledger = yield* openLedger()
            const failures = Effect.map(Metric.value(ledgerWriteFailures), ({ count }) => Number(count))
            const before = yield* failures
            yield* ledger.record(record())
            yield* TestClock.adjust("1 second")
            // Virtual time must not run ahead of the database's first answer.
            yield* onLiveClock(Effect.sleep("20 millis")).pipe(
              Effect.andThen(failures),
              Effect.repeat({ until: (count) => count > before, times: scaled(250) }),
            )
            yield* TestClock.adjust("8 seconds")
            assert.isUndefined(ledger.databaseFault())
            assert.strictEqual(yield* level("database"), 0)
            // The batch left up to 0.2 s later, and each try takes real time.
            yield* secondsUntil(() => ledger.databaseFault() !== undefined)
            assert.strictEqual(ledger.databaseFault(), "a column is missing (SQLSTATE 42703)")
            assert.strictEqual(yield* level("database"), 1)
            assert.isUndefined(ledger.journalFault())
            yield* sql`ALTER TABLE attempts RENAME COLUMN hidden TO cached_tokens`
            yield* secondsUntil(() => ledger.databaseFault() === undefined)
            assert.strictEqual(yield* level("database"), 0)
            yield* TestClock.adjust("1 second")
          }),
        )
        const told = lines.filter((line) => line.includes("the ledger"))
        assert.deepStrictEqual(told, [
          '["the ledger cannot write to the database: a column is missing (SQLSTATE 42703)"]',
          '["the ledger writes to the database again"]',
        ])
      }),
    )
  })
})

layer(layerPostgres)("a ledger whose journal the disk refuses", (it) => {
  it.effect("says so at once, with the reason, until the disk takes records again", () =>
    Effect.gen(function* () {
      yield* emptyTables
      let full = true
      const disk: JournalDisk = {
        ...realDisk,
        create: (path) => {
          if (full) throw Object.assign(new Error("s3cret"), { code: "ENOSPC" })
          return realDisk.create(path)
        },
      }
      const { lines } = yield* logged(
        Effect.gen(function* () {
          const ledger = yield* openLedger(disk)
          assert.isUndefined(ledger.journalFault())
          yield* ledger.record(record())
          assert.strictEqual(ledger.journalFault(), "the disk is full (ENOSPC)")
          assert.strictEqual(yield* level("journal"), 1)
          full = false
          yield* TestClock.adjust("2 seconds")
          yield* ledger.record(record())
          assert.isUndefined(ledger.journalFault())
          assert.strictEqual(yield* level("journal"), 0)
          yield* TestClock.adjust("1 second")
        }),
      )
      const told = lines.filter((line) => line.includes("the ledger"))
      assert.lengthOf(told, 2)
      assert.include(told[0], '"why":"the disk is full (ENOSPC)"')
      assert.include(told[1], "takes records again")
    }),
  )
})

describe("the health of the ledger's writer", () => {
  const made = (overflowing = 0) =>
    Effect.map(Clock.Clock, (clock) => new WriterHealth(clock, () => overflowing))

  it.effect("is bad when a batch gets no answer at all, and good between two that take their time", () =>
    Effect.gen(function* () {
      const health = yield* made()
      health.began()
      yield* TestClock.adjust("9 seconds")
      // A part of the batch.
      health.answered()
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(health.databaseFault())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(health.databaseFault(), "no batch gets through")
      health.ended()
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(health.databaseFault())
    }),
  )

  it.effect("tells the last failure, in words and by its code alone", () =>
    Effect.gen(function* () {
      const health = yield* made()
      health.began()
      yield* TestClock.adjust("10 seconds")
      for (const [code, words] of [
        ["53100", "the database's disk is full (SQLSTATE 53100)"],
        ["42501", "the database's user may not do that (SQLSTATE 42501)"],
        ["0A000", "the database refuses it (SQLSTATE 0A000)"],
        ["ECONNREFUSED", "nothing listens where the database should be (ECONNREFUSED)"],
      ] as const) {
        health.failed(failure(code))
        assert.strictEqual(health.databaseFault(), words)
      }
    }),
  )

  it.effect("forgets a refusal after a minute, but not what waits in memory", () =>
    Effect.gen(function* () {
      const [empty, waiting] = [yield* made(0), yield* made(1)]
      for (const health of [empty, waiting]) health.refused("disk", "EIO")
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(empty.journalFault(), "the disk fails (EIO)")
      yield* TestClock.adjust("1 second")
      assert.isUndefined(empty.journalFault())
      assert.strictEqual(waiting.journalFault(), "the disk fails (EIO)")
      waiting.refused("journal_full", undefined)
      assert.strictEqual(waiting.journalFault(), "as many wait as ledger.journal_max_bytes allows")
    }),
  )
})
