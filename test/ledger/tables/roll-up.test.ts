import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import fc from "fast-check"
import type { LedgerRecord } from "../../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../../src/ledger/ledger-entry.ts"
import { rollUp } from "../../../src/ledger/tables/roll-up.ts"
import { writeBatch } from "../../../src/ledger/write-batch.ts"
import { layerPostgres } from "../../support/Databases.ts"
import { anyRecords, DAY, HOUR_MS, record } from "../records.ts"
import { assertHoldsExactly, emptyTables } from "../rows.ts"

const move = Effect.flatMap(SqlClient.SqlClient, rollUp)

const write = (records: ReadonlyArray<LedgerRecord>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => writeBatch(sql, records.map(ledgerEntry)))

const sums = `sum(requests)::float8 AS requests, sum(errors)::float8 AS errors, sum(input_tokens)::float8 AS input,
  sum(output_tokens)::float8 AS output, sum(cost_nano_usd)::float8 AS cost, sum(latency_ms)::float8 AS latency,
  sum(wasted_nano_usd)::float8 AS wasted`

/** Every table says the same in rows of every size, as far as it tells apart; a week at a time. */
const assertLevelsAgree = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const week = "date_bin('7 days', start, timestamptz '1970-01-01Z') AS week"
  const level = (table: string, hours: number, groups: string) =>
    sql.unsafe(`
      SELECT ${week}, ${groups}, ${sums}
      FROM ${table} WHERE hours = ${hours} GROUP BY week, ${groups} ORDER BY week, ${groups}`)
  const buckets = (table: string, hours: number, groups: string) =>
    sql.unsafe(`
      SELECT ${week}, ${groups}, bucket, sum(counted.requests)::int AS requests
      FROM ${table} CROSS JOIN latency_buckets(latencies) AS counted
      WHERE hours = ${hours} GROUP BY week, ${groups}, bucket ORDER BY week, ${groups}, bucket`)
  for (const part of [level, buckets]) {
    for (const [table, groups] of [
      ["usage", "key_id, provider, model, stream"],
      ["key_usage", "key_id, stream"],
      ["model_usage", "provider, model, stream"],
      ["total_usage", "stream"],
    ] as const) {
      const expected = yield* part("usage", 1, groups)
      for (const hours of [1, 6, 24, 168]) {
        assert.deepStrictEqual(yield* part(table, hours, groups), expected)
      }
    }
  }
})

const recentRows = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql`
    SELECT hour FROM usage_recent UNION ALL SELECT hour FROM latency_recent ORDER BY hour`
  return rows.length
})

describe("moving rollups", () => {
  layer(layerPostgres)((it) => {
    it.effect("changes no sum, whenever it happens between batches", () =>
      Effect.gen(function* () {
        const context = yield* Effect.context<SqlClient.SqlClient>()
        const batches = fc.array(anyRecords(15), { minLength: 1, maxLength: 4 })
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(batches, fc.array(fc.boolean(), { minLength: 4 }), (batches, moves) =>
              Effect.gen(function* () {
                yield* emptyTables
                const written: Array<LedgerRecord> = []
                for (const [i, batch] of batches.entries()) {
                  yield* write(batch)
                  written.push(...batch)
                  if (moves[i]) yield* move
                  yield* assertHoldsExactly(written)
                }
                yield* move
                yield* assertHoldsExactly(written)
                yield* assertLevelsAgree
                assert.strictEqual(yield* recentRows, 0)
              }).pipe(Effect.runPromiseWith(context)),
            ),
            { numRuns: 8 },
          ),
        )
      }),
    )

    it.effect("loses nothing and counts nothing twice beside writers and others who move", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const batches = Array.from({ length: 30 }, (_, i) =>
          Array.from({ length: 10 }, (_, j) =>
            record({ startedAt: DAY + ((i + j) % 3) * HOUR_MS, latencyMs: j }),
          ),
        )
        // What the writers do when the database chose them as a deadlock's victim.
        const again = Effect.retry({ times: 20 })
        yield* Effect.all(
          [
            Effect.forEach(batches, (batch) => write(batch).pipe(again), { concurrency: 3 }),
            Effect.forEach(Array.from({ length: 10 }), () => move.pipe(again), { concurrency: 2 }),
          ],
          { concurrency: "unbounded" },
        )
        yield* assertHoldsExactly(batches.flat())
        yield* move
        yield* assertHoldsExactly(batches.flat())
        yield* assertLevelsAgree
      }),
    )

    it.effect("leaves what only a newer version knows to that one", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        yield* write([record()])
        yield* sql`UPDATE attributed_recent SET dimension = 'project'`
        yield* sql`UPDATE attributed_latency_recent SET dimension = 'project'`
        const ofNewer = sql`
          SELECT sum(requests)::int AS requests FROM attributed_recent
          UNION ALL SELECT sum(requests)::int FROM attributed_latency_recent`
        yield* sql`ALTER TABLE usage_recent ADD COLUMN refunded bigint NOT NULL DEFAULT 0`
        const before = yield* recentRows
        assert.strictEqual(yield* move, 0)
        assert.strictEqual(yield* recentRows, before)
        yield* sql`ALTER TABLE usage_recent DROP COLUMN refunded`
        assert.strictEqual(yield* move, 1)
        assert.strictEqual(yield* recentRows, 0)
        assert.deepStrictEqual(yield* ofNewer, [{ requests: 1 }, { requests: 1 }])
        assert.strictEqual(yield* move, 0)
      }),
    )

    it.effect("leaves the hour that is not over", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        const [{ now } = { now: 0 }] = yield* sql<{ now: number }>`
          SELECT (extract(epoch FROM now() + interval '1 hour') * 1000)::float8 AS now`
        yield* write([record({ startedAt: now })])
        assert.strictEqual(yield* move, 0)
        assert.strictEqual(yield* recentRows, 2)
      }),
    )
  })
})
