import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Latch, Layer, Logger, Metric } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { Settings } from "../../../src/config/Settings.ts"
import { failureCode } from "../../../src/database/failure-code.ts"
import { Ledger } from "../../../src/ledger/Ledger.ts"
import type { LedgerRecord } from "../../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../../src/ledger/ledger-entry.ts"
import { LedgerUpkeep } from "../../../src/ledger/tables/LedgerUpkeep.ts"
import { dropPartition, ledgerPartitions } from "../../../src/ledger/tables/partitions.ts"
import { writeBatch } from "../../../src/ledger/write-batch.ts"
import { ledgerDaysDropped } from "../../../src/observability/Metrics.ts"
import { layerEmbedded, layerPostgres } from "../../support/Databases.ts"
import { eventually } from "../eventually.ts"
import { quiet } from "../logged.ts"
import { attempt, HOUR_MS, record } from "../records.ts"
import { assertHoldsExactly, emptyTables } from "../rows.ts"

const DAY_MS = 24 * HOUR_MS

const write = (records: ReadonlyArray<LedgerRecord>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => writeBatch(sql, records.map(ledgerEntry)))

const upkeep = (options: { retentionDays?: number; flushed?: boolean } = {}) =>
  Effect.map(
    Layer.build(
      Layer.fresh(LedgerUpkeep.layer).pipe(
        Layer.provide(
          Layer.mock(Ledger, {
            holder: "one",
            flush: () => Effect.succeed(options.flushed ?? true),
            databaseFault: () => undefined,
            journalFault: () => undefined,
          }),
        ),
        Layer.provide(
          Settings.layerTest(
            options.retentionDays === undefined ? {} : { retentionDays: options.retentionDays },
          ),
        ),
      ),
    ),
    (services) => Context.get(services, LedgerUpkeep),
  )

const empty = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* emptyTables
  for (const partition of yield* ledgerPartitions(sql)) yield* dropPartition(sql, partition)
})

/** When the current UTC day began, by the database's clock. */
const today = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ today: number }>`
    SELECT (extract(epoch FROM date_trunc('day', now(), 'UTC')) * 1000)::float8 AS today`
  return row?.today ?? 0
})

const ids = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ id: string }>`SELECT id FROM requests ORDER BY started_at, id`
  return rows.map(({ id }) => id)
})

const dropped = Effect.map(Metric.value(ledgerDaysDropped), ({ count }) => Number(count))

describe.each([
  { name: "PostgreSQL", database: layerPostgres, kind: "server" },
  { name: "the embedded database", database: layerEmbedded, kind: "embedded" },
])("upkeep of the ledger in $name", ({ database, kind }) => {
  layer(database)((it) => {
    it.effect("drops the days that ended before the kept ones, with their attempts, and no sums", () =>
      Effect.gen(function* () {
        yield* empty
        const sql = yield* SqlClient.SqlClient
        const limit = (yield* today) - 7 * DAY_MS
        const at = (startedAt: number) =>
          record({ startedAt, attempts: [{ ...attempt, startedAt: startedAt + 5_000 }] })
        const old = [at(limit - 30 * DAY_MS), at(limit - 1), at(limit - 2)]
        const kept = [at(limit), at(limit + 7 * DAY_MS), at(limit + 8 * DAY_MS)]
        yield* write([...old, ...kept])
        const before = yield* dropped
        yield* (yield* upkeep({ retentionDays: 7 })).round
        assert.deepStrictEqual(
          yield* ids,
          kept.map(({ id }): string => id),
        )
        assert.sameMembers(
          (yield* sql<{ id: string }>`SELECT request_id AS id FROM attempts`).map(({ id }) => id),
          kept.map(({ id }): string => id),
        )
        const kinds = yield* sql`SELECT 1 FROM request_kinds`
        assert.lengthOf(kinds, kept.length)
        assert.deepStrictEqual(
          yield* sql`
            SELECT sum(requests)::int AS requests, sum(cost_nano_usd)::int AS cost FROM usage_rollups`,
          [{ requests: 6, cost: 6 * 140_000 }],
        )
        assert.strictEqual((yield* dropped) - before, 2)
      }),
    )

    it.effect(
      "counts a record that comes after its day was dropped, keeps it for the moment, and goes on",
      () =>
        Effect.gen(function* () {
          yield* empty
          const sql = yield* SqlClient.SqlClient
          const { round } = yield* upkeep({ retentionDays: 1 })
          const now = yield* today
          yield* write([record({ startedAt: now - 9 * DAY_MS })])
          yield* round
          const late = record({ startedAt: now - 9 * DAY_MS })
          const current = record({ startedAt: now })
          yield* write([late, current])
          assert.deepStrictEqual(yield* ids, [late.id, current.id])
          yield* write([late, current])
          yield* round
          assert.deepStrictEqual(yield* ids, [current.id])
          assert.deepStrictEqual(yield* sql`SELECT sum(requests)::int AS requests FROM usage_rollups`, [
            { requests: 3 },
          ])
        }),
    )

    it.effect("drops nothing while records wait for the database, which may be of the days to drop", () =>
      Effect.gen(function* () {
        yield* empty
        const old = record({ startedAt: (yield* today) - 9 * DAY_MS })
        yield* write([old])
        yield* (yield* upkeep({ retentionDays: 1, flushed: false })).round
        assert.deepStrictEqual(yield* ids, [old.id])
        yield* (yield* upkeep({ retentionDays: 1, flushed: true })).round
        assert.deepStrictEqual(yield* ids, [])
      }),
    )

    it.effect("keeps requests for ever when nothing else is set", () =>
      Effect.gen(function* () {
        yield* empty
        const old = record({ startedAt: 0 })
        yield* write([old])
        yield* (yield* upkeep()).round
        assert.deepStrictEqual(yield* ids, [old.id])
      }),
    )

    it.effect("is done once between replicas that run at the same time", () =>
      Effect.gen(function* () {
        yield* empty
        const sql = yield* SqlClient.SqlClient
        const now = yield* today
        const records = [2, 3, 4, 5, 6].map((days) => record({ startedAt: now - days * DAY_MS }))
        const current = record({ startedAt: now + 1 })
        yield* write([...records, current])
        const before = yield* dropped
        const replicas = yield* Effect.all(Array.from({ length: 4 }, () => upkeep({ retentionDays: 1 })))
        yield* Effect.forEach(replicas, ({ round }) => round, { concurrency: "unbounded" })
        assert.strictEqual((yield* dropped) - before, 5)
        assert.deepStrictEqual(yield* ids, [current.id])
        assert.deepStrictEqual(yield* sql`SELECT sum(requests)::int AS requests FROM usage_rollups`, [
          { requests: 6 },
        ])
      }),
    )

    it.effect("keeps the usage of users no longer than their requests", () =>
      Effect.gen(function* () {
        yield* empty
        const sql = yield* SqlClient.SqlClient
        const now = yield* today
        const of = (days: number, user: string) =>
          record({ startedAt: now - days * DAY_MS, user, tags: ["prod"] })
        yield* write([of(40, "ada"), of(9, "ada"), of(9, "bob"), of(8, "ada"), of(7, "bob"), of(1, "ada")])
        yield* (yield* upkeep()).round
        const users = sql`SELECT end_user AS user, sum(requests)::int AS requests FROM user_usage GROUP BY 1 ORDER BY 1`
        assert.deepStrictEqual(yield* users, [
          { user: "ada", requests: 4 },
          { user: "bob", requests: 2 },
        ])
        yield* (yield* upkeep({ retentionDays: 7 })).round
        assert.deepStrictEqual(yield* users, [
          { user: "ada", requests: 1 },
          { user: "bob", requests: 1 },
        ])
        assert.deepStrictEqual(
          yield* sql`SELECT sum(requests)::int AS requests FROM tag_usage WHERE hours = 24`,
          [{ requests: 6 }],
        )
      }),
    )

    it.effect("moves the rollups of past hours", () =>
      Effect.gen(function* () {
        yield* empty
        const sql = yield* SqlClient.SqlClient
        const given = [record({ startedAt: (yield* today) - 1 })]
        yield* write(given)
        yield* (yield* upkeep()).round
        assert.deepStrictEqual(yield* sql`SELECT hour FROM usage_recent`, [])
        yield* assertHoldsExactly(given)
      }),
    )

    it.effect("runs every hour, and sooner again after trouble", () =>
      Effect.gen(function* () {
        yield* empty
        const sql = yield* SqlClient.SqlClient
        const hasDays = Effect.map(ledgerPartitions(sql), (days) => days.length === 4)
        const rename = (from: string, to: string) =>
          sql.unsafe(`ALTER FUNCTION ${from}(date) RENAME TO ${to}`)
        yield* rename("create_ledger_day", "not_now")
        const lines: Array<string> = []
        const logger = Logger.make(({ message }) => lines.push(JSON.stringify(message)))
        const fiber = yield* (yield* upkeep()).run.pipe(
          Effect.provide(Logger.layer([logger])),
          Effect.forkChild({ startImmediately: true }),
        )
        yield* eventually(Effect.sync(() => lines.some((line) => line.includes("42883"))))
        yield* rename("not_now", "create_ledger_day")
        yield* TestClock.adjust("1 minute")
        yield* eventually(hasDays)
        yield* empty
        yield* TestClock.adjust("59 minutes")
        assert.isFalse(yield* hasDays)
        yield* TestClock.adjust("1 minute")
        yield* eventually(hasDays)
        yield* Fiber.interrupt(fiber)
      }),
    )

    it.effect("goes on after a fault of the driver", () =>
      Effect.gen(function* () {
        yield* empty
        const sql = yield* SqlClient.SqlClient
        let calls = 0
        const faulty = new Proxy(sql, {
          apply: (target, self, args) => {
            if (++calls === 1) throw new Error("fault")
            return Reflect.apply(target, self, args)
          },
        })
        const { run } = yield* Effect.provideService(upkeep(), SqlClient.SqlClient, faulty)
        const fiber = yield* Effect.forkChild(run, { startImmediately: true })
        assert.strictEqual(calls, 1)
        yield* TestClock.adjust("1 second")
        yield* eventually(Effect.map(ledgerPartitions(sql), (days) => days.length === 4))
        assert.isUndefined(fiber.pollUnsafe())
        yield* Fiber.interrupt(fiber)
      }).pipe(quiet),
    )

    if (kind === "server") {
      it.effect("gives way to a reader that takes long, so that nobody waits behind both", () =>
        Effect.gen(function* () {
          yield* empty
          const sql = yield* SqlClient.SqlClient
          const old = record({ startedAt: (yield* today) - 9 * DAY_MS })
          yield* write([old])
          const { round } = yield* upkeep({ retentionDays: 1 })
          const reading = yield* Latch.make()
          const done = yield* Latch.make()
          const reader = yield* sql`SELECT count(*) FROM requests`.pipe(
            Effect.andThen(reading.open),
            Effect.andThen(done.await),
            sql.withTransaction,
            Effect.forkChild,
          )
          yield* reading.await
          const refused = yield* Effect.flip(round)
          yield* done.open
          yield* Fiber.join(reader)
          assert.strictEqual(failureCode(refused), "55P03")
          assert.deepStrictEqual(yield* ids, [old.id])
          yield* round
          assert.deepStrictEqual(yield* ids, [])
        }),
      )
    }
  })
})
