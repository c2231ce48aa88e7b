import { PgClient } from "@effect/sql-pg"
import { assert, describe, layer } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Layer, Metric, Redacted, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import type { FileJournalOptions } from "../../src/ledger/journal/file-journal.ts"
import { type JournalDisk, realDisk } from "../../src/ledger/journal/SegmentWriter.ts"
import { Ledger } from "../../src/ledger/Ledger.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import {
  ledgerDropped,
  ledgerJournalBytes,
  ledgerOldestAge,
  ledgerOverflow,
  ledgerQueue,
} from "../../src/observability/Metrics.ts"
import { layerPostgres, temporaryDirectory } from "../support/Databases.ts"
import { logged, quiet } from "./logged.ts"
import { numberedRecord, record } from "./records.ts"
import { assertHoldsExactly, emptyTables } from "./rows.ts"

/** A ledger whose journal has no room, and what it says of that. */

const MINUTE_MS = 60_000

const numbered = (count: number) => Array.from({ length: count }, (_, n) => numberedRecord(n))

const openLedger = (options: Partial<FileJournalOptions>, overflowCharacters?: number) =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const built = Ledger.layerFile({ directory, maxBytes: 1e9, ...options }, overflowCharacters)
    return Context.get(yield* Layer.build(Layer.fresh(built)), Ledger)
  })

/** Takes so many bytes, then none until there is room again. */
const makeDisk = (room: number) => {
  const state = { room }
  const disk: JournalDisk = {
    ...realDisk,
    write: (...args) => {
      if (args[3] > state.room) throw Object.assign(new Error("full"), { code: "ENOSPC" })
      const written = realDisk.write(...args)
      state.room -= written
      return written
    },
  }
  return { state, disk }
}

const level = (gauge: Metric.Gauge<number>) => Effect.map(Metric.value(gauge), ({ value }) => value)
const dropped = (reason: "disk" | "journal_full") =>
  Effect.map(Metric.value(ledgerDropped(reason)), ({ count }) => Number(count))

layer(layerPostgres)("a ledger on a full disk", (it) => {
  it.effect("keeps what the disk does not take in memory and writes all of it, each once", () =>
    Effect.gen(function* () {
      yield* emptyTables
      const { disk, state } = makeDisk(100_000)
      const given = numbered(900)
      const { lines } = yield* logged(
        Effect.gen(function* () {
          const ledger = yield* openLedger({ disk })
          yield* Effect.forEach(given.slice(0, 400), ledger.record, { discard: true })
          assert.isAbove(yield* level(ledgerOverflow), 200)
          assert.strictEqual(yield* level(ledgerQueue), 400)
          state.room = 1e9
          yield* TestClock.adjust("1 second")
          const before = yield* level(ledgerJournalBytes)
          yield* Effect.forEach(given.slice(400), ledger.record, { discard: true })
          assert.isAbove(yield* level(ledgerJournalBytes), before)
          assert.isTrue(yield* ledger.flush(MINUTE_MS))
          assert.strictEqual(yield* level(ledgerOverflow), 0)
        }),
      )
      yield* assertHoldsExactly(given)
      const told = lines.filter((line) => line.includes("kept in memory"))
      assert.strictEqual(told.length, 1)
      assert.include(told.join(), "ENOSPC")
    }),
  )

  it.effect("accepts the lines of a version that knew less", () =>
    Effect.gen(function* () {
      yield* emptyTables
      const sql = yield* SqlClient.SqlClient
      const { id, line } = ledgerEntry(record())
      yield* writeBatch(sql, [{ id, line: line.replaceAll(/"usage_estimated":(true|false),/g, "") }])
      const rows = yield* sql`SELECT usage_estimated FROM requests`
      const attempts = yield* sql`SELECT usage_estimated FROM attempts`
      assert.deepStrictEqual([...rows, ...attempts], [{ usage_estimated: false }, { usage_estimated: false }])
    }),
  )
})

/** Each ledger takes five seconds to give up. */
const closeWithoutDatabase = Effect.fnUntraced(function* (scope: Scope.Closeable) {
  const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
  yield* TestClock.adjust("1 second").pipe(Effect.repeat({ while: () => closing.pollUnsafe() === undefined }))
})

// Nothing listens on port 1.
const unreachable = PgClient.layer({ url: Redacted.make("postgres://nobody@127.0.0.1:1/nothing") }).pipe(
  Layer.provide(Layer.succeed(Clock.Clock, Clock.Clock.defaultValue())),
)

describe("a ledger without a database", () => {
  layer(unreachable)((it) => {
    it.effect("drops only what fits neither the journal nor the memory behind it, and counts why", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const before = yield* Effect.all([dropped("disk"), dropped("journal_full")])
        const { lines } = yield* logged(
          Effect.gen(function* () {
            const full = yield* openLedger({ disk: makeDisk(0).disk }, 20_000).pipe(Scope.provide(scope))
            yield* Effect.forEach(numbered(100), full.record, { discard: true })
            const kept = yield* level(ledgerOverflow)
            assert.isAbove(kept, 10)
            assert.strictEqual((yield* dropped("disk")) - before[0], 100 - kept)
            const capped = yield* openLedger({ maxBytes: 20_000 }, 0).pipe(Scope.provide(scope))
            yield* Effect.forEach(numbered(100), capped.record, { discard: true })
            const queued = yield* level(ledgerQueue)
            assert.isAbove(queued, 10)
            assert.strictEqual((yield* dropped("journal_full")) - before[1], 100 - queued)
            yield* closeWithoutDatabase(scope)
          }),
        )
        assert.strictEqual(lines.filter((line) => line.includes("kept in memory")).length, 1)
        assert.isAtLeast(lines.filter((line) => line.includes("records dropped")).length, 1)
      }),
    )

    it.effect("tells the age of the oldest record that waits", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const ledger = yield* Scope.provide(openLedger({}), scope)
        assert.strictEqual(yield* level(ledgerOldestAge), 0)
        const now = yield* Clock.currentTimeMillis
        yield* ledger.record(record({ startedAt: now, latencyMs: 5_000 }))
        yield* TestClock.adjust("400 seconds")
        // The first look at the disk takes real time.
        const seen = yield* Effect.gen(function* () {
          yield* TestClock.adjust("200 millis")
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
          return yield* level(ledgerOldestAge)
        }).pipe(Effect.repeat({ until: (age) => age > 0, times: 500 }))
        assert.isAtLeast(seen, 395)
        assert.isBelow(seen, 500)
        yield* closeWithoutDatabase(scope)
      }).pipe(quiet),
    )
  })
})
