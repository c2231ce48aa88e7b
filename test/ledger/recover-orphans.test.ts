import { mkdirSync, readdirSync, renameSync, rmdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Latch, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { Ledger } from "../../src/ledger/Ledger.ts"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { frame, segmentOf } from "../journal/files.ts"
import { layerPostgres, temporaryDirectory } from "../support/Databases.ts"
import { eventually, onLiveClock } from "./eventually.ts"
import { quiet } from "./logged.ts"
import { numberedRecord } from "./records.ts"
import { assertHoldsExactly, emptyTables, requestCount } from "./rows.ts"

/** What a living gateway does with the journals of processes that died beside it. */

const MINUTE_MS = 60_000

const openLedger = (directory: string) =>
  Effect.map(Layer.build(Layer.fresh(Ledger.layerFile({ directory, maxBytes: 1e9 }))), (services) =>
    Context.get(services, Ledger),
  )

/** The directory of a dead process, with a segment for each list. */
const orphan = (directory: string, name: string, ...segments: ReadonlyArray<ReadonlyArray<LedgerRecord>>) => {
  mkdirSync(join(directory, name))
  return segments.map((records, i) => {
    const path = join(directory, name, `0000000${i + 1}.gwj3`)
    const frames = records.map(ledgerEntry).map((entry) => frame(entry))
    writeFileSync(path, segmentOf(frames))
    return path
  })
}

/** A file that cannot be read, until it is given back. */
const withhold = (path = "") => {
  renameSync(path, `${path}.kept`)
  mkdirSync(path)
  return () => {
    rmdirSync(path)
    renameSync(`${path}.kept`, path)
  }
}

const rows = (count: number) => eventually(Effect.map(requestCount, (found) => found === count))

/** Asks again and again for a number, while virtual time goes on. */
const inTime = <E, R>(expected: number, found: Effect.Effect<number, E, R>) =>
  TestClock.adjust("1 second").pipe(
    Effect.andThen(onLiveClock(Effect.sleep("5 millis"))),
    Effect.andThen(found),
    Effect.repeat({ until: (number) => number === expected, times: 500 }),
  )

const rowsInTime = (count: number) => inTime(count, requestCount)

layer(layerPostgres)("a gateway that lives on", (it) => {
  it.effect("takes over within a minute what others leave, and tries again what it could not read", () =>
    Effect.gen(function* () {
      yield* emptyTables
      const directory = yield* temporaryDirectory
      const ledger = yield* openLedger(directory)
      assert.isTrue(yield* ledger.flush(MINUTE_MS))
      const given = [1, 2, 3].map(numberedRecord)
      const [unreadable] = orphan(directory, "a", given.slice(0, 2))
      const giveBack = withhold(unreadable)
      orphan(directory, "b", given.slice(2))
      yield* TestClock.adjust("1 minute")
      yield* rows(1)
      giveBack()
      yield* TestClock.adjust("1 minute")
      yield* rows(3)
      yield* assertHoldsExactly(given)
      yield* TestClock.adjust("1 second")
      yield* eventually(Effect.sync(() => readdirSync(directory).length === 1))
    }).pipe(quiet),
  )

  it.effect(
    "gives back what a process that has stopped held of budgets, and could not give back itself",
    () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        const directory = yield* temporaryDirectory
        const unanswered = new Proxy(sql, {
          apply: (target, self, args) =>
            String(args[0]).includes("UPDATE budget_leases")
              ? Effect.fail("no answer")
              : Reflect.apply(target, self, args),
        })
        const held = (holder: string) =>
          Effect.map(
            sql`SELECT granted_nano_usd - returned_nano_usd - settled_nano_usd AS held FROM budget_leases WHERE holder = ${holder}`,
            ([lease]) => Number(lease?.held),
          )
        const holder = yield* Effect.gen(function* () {
          const ledger = yield* openLedger(directory)
          yield* sql`
          INSERT INTO budget_leases (budget_id, starts_at, holder, granted_nano_usd)
          VALUES (1, '-infinity', ${ledger.holder}, 100)`
          return ledger.holder
        }).pipe(Effect.scoped, Effect.provideService(SqlClient.SqlClient, unanswered))
        assert.strictEqual(yield* held(holder), 100)
        yield* openLedger(directory)
        assert.strictEqual(yield* inTime(0, held(holder)), 0)
        const journals = Effect.sync(() => readdirSync(directory).length)
        assert.strictEqual(yield* inTime(1, journals), 1)
      }).pipe(quiet),
  )

  it.effect("writes its own records while a journal that it took over cannot be read", () =>
    Effect.gen(function* () {
      yield* emptyTables
      const sql = yield* SqlClient.SqlClient
      const directory = yield* temporaryDirectory
      const given = [1, 2, 3].map(numberedRecord)
      const [, second] = orphan(directory, "dead", given.slice(0, 1), given.slice(1, 2))
      const asked = Latch.makeUnsafe()
      const answered = Latch.makeUnsafe()
      const held = new Proxy(sql, {
        apply: (target, self, args) =>
          Effect.andThen(
            Effect.andThen(asked.open, answered.await),
            Effect.suspend(() => Reflect.apply(target, self, args)),
          ),
      })
      yield* Effect.gen(function* () {
        const ledger = yield* openLedger(directory)
        yield* asked.await
        const giveBack = withhold(second)
        yield* ledger.record(given[2] ?? numberedRecord(3))
        yield* answered.open
        assert.strictEqual(yield* rowsInTime(2), 2)
        const flushed = yield* Effect.forkChild(ledger.flush(MINUTE_MS), { startImmediately: true })
        yield* TestClock.adjust("10 seconds")
        assert.isUndefined(flushed.pollUnsafe())
        giveBack()
        assert.strictEqual(yield* rowsInTime(3), 3)
        assert.isTrue(yield* Fiber.join(flushed))
      }).pipe(Effect.provideService(SqlClient.SqlClient, held))
      yield* assertHoldsExactly(given)
    }).pipe(quiet),
  )
})
