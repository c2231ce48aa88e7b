import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { LedgerRecord } from "../../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../../src/ledger/ledger-entry.ts"
import { createDaysAhead, dropPartition, ledgerPartitions } from "../../../src/ledger/tables/partitions.ts"
import { isRecordAtFault, writeBatch } from "../../../src/ledger/write-batch.ts"
import { layerPostgres } from "../../support/Databases.ts"
import { attempt, DAY, record } from "../records.ts"
import { assertHoldsExactly, emptyTables } from "../rows.ts"

const DAY_MS = 24 * 3_600_000

const write = (records: ReadonlyArray<LedgerRecord>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => writeBatch(sql, records.map(ledgerEntry)))

const dropAll = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* emptyTables
  for (const partition of yield* ledgerPartitions(sql)) yield* dropPartition(sql, partition)
})

const days = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return (yield* ledgerPartitions(sql)).map(({ fromMs, toMs }) => [fromMs, toMs])
})

const day = (start: number) => [start, start + DAY_MS]

describe("the ledger's days", () => {
  layer(layerPostgres)((it) => {
    it.effect("are made for whatever records arrive, each once by many who need them at the same time", () =>
      Effect.gen(function* () {
        yield* dropAll
        // Every batch has its own records of the same five days, from the first that can be to the last.
        const starts = [0, DAY - 40 * DAY_MS, DAY, DAY + DAY_MS - 1, Date.UTC(9999, 11, 31)]
        const batches = Array.from({ length: 8 }, () => starts.map((startedAt) => record({ startedAt })))
        yield* Effect.forEach([...batches, ...batches], write, { concurrency: "unbounded" })
        yield* assertHoldsExactly(batches.flat())
        assert.deepStrictEqual(yield* days, [0, DAY - 40 * DAY_MS, DAY, Date.UTC(9999, 11, 31)].map(day))
      }),
    )

    it.effect("come back when they are dropped while batches arrive", () =>
      Effect.gen(function* () {
        yield* dropAll
        const sql = yield* SqlClient.SqlClient
        const batches = Array.from({ length: 20 }, () => [record(), record({ startedAt: DAY - 1 })])
        const drop = Effect.flatMap(ledgerPartitions(sql), (partitions) =>
          Effect.forEach(partitions, (partition) => dropPartition(sql, partition)),
        )
        // A day may go again between its making and the record; that passes.
        const insist = (batch: ReadonlyArray<LedgerRecord>) =>
          write(batch).pipe(Effect.retry({ while: (error) => !isRecordAtFault(error) }))
        yield* Effect.all([Effect.forEach(batches, insist), Effect.forEach([1, 2, 3, 4, 5], () => drop)], {
          concurrency: "unbounded",
        })
        yield* write([record(), record({ startedAt: DAY - 1 })])
        assert.deepStrictEqual(yield* days, [day(DAY - DAY_MS), day(DAY)])
      }),
    )

    it.effect("are whole UTC days, whatever the session's time zone", () =>
      Effect.gen(function* () {
        yield* dropAll
        const sql = yield* SqlClient.SqlClient
        const made = Effect.gen(function* () {
          yield* sql`SET LOCAL TIME ZONE 'America/New_York'`
          yield* sql`SELECT create_ledger_day('2026-11-22'), create_ledger_day('2026-11-23')`
          yield* write([record({ startedAt: DAY - 1 }), record({ startedAt: DAY })])
          return yield* days
        }).pipe(sql.withTransaction)
        assert.deepStrictEqual(yield* made, [day(DAY - DAY_MS), day(DAY)])
        assert.deepStrictEqual(yield* days, [day(DAY - DAY_MS), day(DAY)])
      }),
    )

    it.effect(
      "end at midnight UTC, at the ends of months, years and Februaries and after a leap second too",
      () =>
        Effect.gen(function* () {
          yield* dropAll
          const sql = yield* SqlClient.SqlClient
          const midnights = [
            // 2016-12-31T23:59:60 is this one in POSIX time, as is the second after it.
            Date.UTC(2017, 0, 1),
            Date.UTC(2024, 1, 29),
            Date.UTC(2024, 2, 1),
            Date.UTC(2026, 2, 1),
            Date.UTC(2027, 0, 1),
            Date.UTC(2100, 2, 1),
          ]
          const records = midnights.flatMap((at) => [
            record({ startedAt: at - 1 }),
            record({ startedAt: at }),
          ])
          yield* write(records)
          const starts = new Set(midnights.flatMap((at) => [at - DAY_MS, at]))
          assert.deepStrictEqual(yield* days, [...starts].map(day))
          for (const { id, startedAt } of records) {
            const table = `requests_${new Date(startedAt).toISOString().slice(0, 10).replaceAll("-", "")}`
            assert.lengthOf(yield* sql`SELECT 1 FROM ${sql(table)} WHERE id = ${id}`, 1, table)
          }
        }),
    )

    it.effect("are there ahead of need", () =>
      Effect.gen(function* () {
        yield* dropAll
        const sql = yield* SqlClient.SqlClient
        yield* Effect.all([createDaysAhead(sql, 2), createDaysAhead(sql, 2)], { concurrency: "unbounded" })
        const [{ today } = { today: 0 }] = yield* sql<{ today: number }>`
          SELECT (extract(epoch FROM date_trunc('day', now(), 'UTC')) * 1000)::float8 AS today`
        assert.deepStrictEqual(
          yield* days,
          [0, 1, 2].map((ahead) => day(today + ahead * DAY_MS)),
        )
      }),
    )

    it.effect("are whole again when one of a day's two tables was dropped by hand", () =>
      Effect.gen(function* () {
        yield* dropAll
        const sql = yield* SqlClient.SqlClient
        yield* write([record({ startedAt: DAY - 1 }), record()])
        yield* sql`DROP TABLE attempts_20261123, requests_20261122`
        const records = [record({ startedAt: DAY - 1 }), record()]
        yield* write(records)
        const held = yield* sql<{ id: string }>`SELECT request_id AS id FROM attempts_20261123`
        assert.deepStrictEqual(
          held.map(({ id }) => id),
          records.slice(1).map(({ id }) => id),
        )
        yield* sql`DROP TABLE attempts_20261122`
        for (const partition of yield* ledgerPartitions(sql)) {
          assert.isTrue(yield* dropPartition(sql, partition))
        }
      }),
    )

    it.effect("hold a request's attempts with it, those after midnight too", () =>
      Effect.gen(function* () {
        yield* dropAll
        const sql = yield* SqlClient.SqlClient
        const late = record({
          startedAt: DAY - 10,
          attempts: [attempt, { ...attempt, startedAt: DAY + 20_000 }],
        })
        yield* write([late])
        const [partition, ...others] = yield* ledgerPartitions(sql)
        assert(partition !== undefined && others.length === 0)
        const held = yield* sql`SELECT request_id, ordinal FROM ${sql(partition.attempts)} ORDER BY ordinal`
        assert.deepStrictEqual(held, [
          { request_id: late.id, ordinal: 1 },
          { request_id: late.id, ordinal: 2 },
        ])
        assert.isTrue(yield* dropPartition(sql, partition))
        assert.isFalse(yield* dropPartition(sql, partition))
        assert.deepStrictEqual(yield* sql`SELECT 1 FROM requests UNION ALL SELECT 1 FROM attempts`, [])
      }),
    )
  })
})
