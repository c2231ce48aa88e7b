import { readdirSync } from "node:fs"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, layer } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer, Metric, Redacted, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import type { FileJournalOptions } from "../../src/journal/FileJournal.ts"
import { type JournalDisk, realDisk } from "../../src/journal/SegmentWriter.ts"
import { Ledger } from "../../src/ledger/Ledger.ts"
import type { AttemptIntent, LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import {
  ledgerCallsNotNoted,
  ledgerDropped,
  ledgerJournalBytes,
  ledgerOldestAge,
  ledgerOverflow,
  ledgerQueue,
} from "../../src/observability/Metrics.ts"
import { afterCrash } from "../journal/files.ts"
import { layerPostgres, temporaryDirectory } from "../support/Databases.ts"
import { logged, quiet } from "./logged.ts"
import { numberedRecord, record } from "./records.ts"
import { assertHoldsExactly, emptyTables, requestCount } from "./rows.ts"

/** A ledger whose journal has no room, and what it says of that. */

const MINUTE_MS = 60_000

const numbered = (count: number) => Array.from({ length: count }, (_, n) => numberedRecord(n))

const openLedger = (options: Partial<FileJournalOptions>, overflowCharacters?: number) =>
  Effect.gen(function* () {
    const directory = options.directory ?? (yield* temporaryDirectory)
    const built = Ledger.layerFile({ maxBytes: 1e9, ...options, directory }, overflowCharacters)
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

const asking = ({ id, startedAt, keyId, stream }: LedgerRecord): AttemptIntent => ({
  ...{ id, requestStartedAt: startedAt, keyId, endpoint: "/infer", route: "auto", requestedModel: "auto" },
  ...{ stream, provider: "openai", model: "gpt-5-mini", startedAt },
})

const level = (gauge: Metric.Gauge<number>) => Effect.map(Metric.value(gauge), ({ value }) => value)
const dropped = (reason: "disk" | "journal_full" | "stopped") =>
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

  it.effect("does not call a record written that went back to the journal", () =>
    Effect.gen(function* () {
      yield* emptyTables
      const { disk, state } = makeDisk(0)
      const given = numbered(3_000)
      yield* Effect.gen(function* () {
        const ledger = yield* openLedger({ disk })
        yield* Effect.forEach(given, ledger.record, { discard: true })
        const flushed = yield* Effect.forkChild(ledger.flush(MINUTE_MS), { startImmediately: true })
        state.room = 1e9
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* level(ledgerOverflow), 0)
        assert.isUndefined(flushed.pollUnsafe())
        assert.isTrue(yield* Fiber.join(flushed))
        assert.strictEqual(yield* requestCount, 3_000)
      }).pipe(quiet)
      yield* assertHoldsExactly(given)
    }),
  )

  it.effect("leaves no trace of calls whose records were written from memory", () =>
    Effect.gen(function* () {
      yield* emptyTables
      const { disk, state } = makeDisk(1e9)
      const directory = yield* temporaryDirectory
      const scope = yield* Scope.make()
      const given = numbered(2)
      yield* Effect.gen(function* () {
        const ledger = yield* openLedger({ disk, directory })
        for (const request of given) yield* ledger.recordIntent(asking(request))
        state.room = 0
        yield* ledger.record(given[0] ?? numberedRecord(0))
        assert.isTrue(yield* ledger.flush(MINUTE_MS))
        state.room = 1e9
        yield* TestClock.adjust("1 second")
        yield* ledger.record(given[1] ?? numberedRecord(1))
        assert.isTrue(yield* ledger.flush(MINUTE_MS))
      }).pipe(Scope.provide(scope), quiet)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(readdirSync(directory), [])
      yield* assertHoldsExactly(given)
    }),
  )

  it.effect("accepts the lines of a version that knew less", () =>
    Effect.gen(function* () {
      yield* emptyTables
      const sql = yield* SqlClient.SqlClient
      const { line, ...entry } = ledgerEntry(record())
      yield* writeBatch(sql, [{ ...entry, line: line.replaceAll(/"usage_estimated":(true|false),/g, "") }])
      const rows = yield* sql`SELECT usage_estimated FROM requests`
      const attempts = yield* sql`SELECT usage_estimated FROM attempts`
      assert.deepStrictEqual([...rows, ...attempts], [{ usage_estimated: false }, { usage_estimated: false }])
    }),
  )
})

/** Each ledger takes five seconds to give up. */
const closeWithoutDatabase = Effect.fnUntraced(function* (
  scope: Scope.Closeable,
  beforeTheEnd: () => void = () => {},
) {
  const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
  yield* TestClock.adjust("4999 millis")
  beforeTheEnd()
  yield* TestClock.adjust("1 millis").pipe(
    Effect.repeat({ while: () => closing.pollUnsafe() === undefined, times: 20_000 }),
  )
  yield* Fiber.join(closing)
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

    it.effect("puts what waits in memory into the journal when the disk takes it again", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { disk, state } = makeDisk(0)
        const directory = yield* temporaryDirectory
        const given = numbered(1_200).map(ledgerEntry)
        const ledger = yield* openLedger({ disk, directory }).pipe(Scope.provide(scope))
        yield* Effect.forEach(numbered(1_200), ledger.record, { discard: true })
        assert.strictEqual(yield* level(ledgerOverflow), 1_200)
        // By now the writer holds the first batch.
        yield* TestClock.adjust("5 seconds")
        state.room = 1e9
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(yield* level(ledgerOverflow), 0)
        assert.strictEqual(yield* level(ledgerQueue), 1_200)
        assert.deepStrictEqual((yield* afterCrash(directory)).entries, given)
        yield* closeWithoutDatabase(scope)
      }).pipe(quiet),
    )

    it.effect("loses nothing at a stop for which the journal has room, above its cap if need be", () =>
      Effect.gen(function* () {
        const before = yield* dropped("stopped")
        const { disk, state } = makeDisk(1e9)
        for (const options of [{ maxBytes: 20_000 }, { disk }]) {
          const scope = yield* Scope.make()
          const directory = yield* temporaryDirectory
          const ledger = yield* openLedger({ directory, ...options }).pipe(Scope.provide(scope))
          for (const request of numbered(100)) {
            yield* ledger.recordIntent(asking(request))
            if (request.id === numberedRecord(50).id) state.room = 0
            yield* ledger.record(request)
          }
          assert.isAbove(yield* level(ledgerOverflow), 40)
          // So that the last attempt at the disk fails half a second before the end.
          yield* TestClock.adjust("500 millis")
          yield* closeWithoutDatabase(scope, () => {
            if (state.room === 0) state.room = 1e9
          })
          const { entries, lost } = yield* afterCrash(directory)
          assert.sameMembers(
            entries.map(({ id }): string => id),
            numbered(100).map(({ id }): string => id),
          )
          assert.deepStrictEqual(lost, [])
        }
        assert.strictEqual(yield* dropped("stopped"), before)
      }).pipe(quiet),
    )

    it.effect("counts what a stop loses", () =>
      Effect.gen(function* () {
        const before = yield* dropped("stopped")
        const { lines } = yield* logged(
          Effect.gen(function* () {
            const full = yield* Scope.make()
            const ledger = yield* openLedger({ disk: makeDisk(0).disk }).pipe(Scope.provide(full))
            yield* Effect.forEach(numbered(7), ledger.record, { discard: true })
            yield* closeWithoutDatabase(full)
            assert.strictEqual((yield* dropped("stopped")) - before, 7)
            const memory = yield* Scope.make()
            const layerMemory = Layer.fresh(Ledger.layerMemory())
            const other = Context.get(yield* Layer.buildWithScope(layerMemory, memory), Ledger)
            yield* Effect.forEach(numbered(3), other.record, { discard: true })
            yield* closeWithoutDatabase(memory)
          }),
        )
        assert.strictEqual((yield* dropped("stopped")) - before, 10)
        assert.include(lines.join(), '"lost":7')
      }),
    )

    it.effect("counts the calls that the journal did not take", () =>
      Effect.gen(function* () {
        const notNoted = Effect.map(Metric.value(ledgerCallsNotNoted("disk")), ({ count }) => Number(count))
        const before = yield* notNoted
        const { lines } = yield* logged(
          Effect.scoped(
            Effect.gen(function* () {
              const ledger = yield* openLedger({ disk: makeDisk(0).disk })
              for (const request of numbered(3)) yield* ledger.recordIntent(asking(request))
            }),
          ),
        )
        assert.strictEqual((yield* notNoted) - before, 3)
        assert.include(lines.join(), '"calls":1')
      }),
    )

    it.effect("tells the age of the oldest record that waits, wherever it waits", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { disk, state } = makeDisk(1e9)
        const ledger = yield* openLedger({ disk }).pipe(Scope.provide(scope))
        assert.strictEqual(yield* level(ledgerOldestAge), 0)
        const now = yield* Clock.currentTimeMillis
        yield* ledger.record(record({ startedAt: now, latencyMs: 5_000 }))
        yield* TestClock.adjust("300 seconds")
        assert.strictEqual(yield* level(ledgerOldestAge), 295)
        state.room = 0
        // Shipped before what is in the journal.
        yield* ledger.record(record({ startedAt: now + 299_000, latencyMs: 1_000 }))
        yield* TestClock.adjust("100 seconds")
        assert.strictEqual(yield* level(ledgerOverflow), 1)
        assert.strictEqual(yield* level(ledgerOldestAge), 395)
        yield* closeWithoutDatabase(scope)
      }).pipe(quiet),
    )
  })
})
