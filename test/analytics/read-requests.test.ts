import { assert, describe, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import fc from "fast-check"
import type { RequestsQuery } from "../../src/analytics/query.ts"
import { type Bounds, type RequestsRead, readRequests } from "../../src/analytics/read-requests.ts"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import { eventually } from "../ledger/eventually.ts"
import { anyRecords, DAY, HOUR_MS, record } from "../ledger/records.ts"
import { emptyTables } from "../ledger/rows.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"

const DAY_MS = 24 * HOUR_MS

const write = (records: ReadonlyArray<LedgerRecord>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => writeBatch(sql, records.map(ledgerEntry)))

/** Every page, one after the other, and how many there were. */
const walk = Effect.fnUntraced(function* (
  query: { readonly range: { fromMs: number; toMs: number }; readonly limit: number },
  filters: RequestsQuery,
  bounds?: Bounds,
) {
  const sql = yield* SqlClient.SqlClient
  const ids: Array<string> = []
  let pages = 0
  let after: RequestsRead["scannedTo"]
  while (true) {
    const { rows, scannedTo } = yield* readRequests(sql, { ...query, after }, filters, bounds)
    pages += 1
    ids.push(...rows.slice(0, query.limit).map(({ request_id }) => request_id))
    const last = rows.length > query.limit ? rows[query.limit - 1] : undefined
    after = last === undefined ? scannedTo : [last.started_at.getTime(), last.request_id]
    if (after === undefined) return { ids, pages }
    assert.isAtMost(pages, 1_000)
  }
})

const isPassed = (record: LedgerRecord, filters: RequestsQuery): boolean => {
  const { minCostNanoUsd, minLatencyMs, statusClass, tag, ...equal } = filters
  return (
    (minLatencyMs === undefined || record.latencyMs >= minLatencyMs) &&
    (minCostNanoUsd === undefined || (record.costNanoUsd !== null && record.costNanoUsd >= minCostNanoUsd)) &&
    (statusClass === undefined || Math.floor(record.status / 100) === statusClass) &&
    (tag === undefined || record.tags.includes(tag)) &&
    Object.entries(equal).every(([name, value]) =>
      Object.entries(record).some(([n, v]) => n === name && v === value),
    )
  )
}

describe.each([
  { name: "PostgreSQL", database: layerPostgres, numRuns: 20 },
  { name: "the embedded database", database: layerEmbedded, numRuns: 3 },
])("requests in $name", ({ database, numRuns }) => {
  layer(database)((it) => {
    it.effect("are on one page each, whatever the filters and however little is looked at for a page", () =>
      Effect.gen(function* () {
        const context = yield* Effect.context<SqlClient.SqlClient>()
        const given = fc.record({
          records: fc
            .tuple(anyRecords(40), fc.infiniteStream(fc.constantFrom(0, 0, 1, 40)))
            .map(([records, days]) =>
              records.map((record) => ({
                ...record,
                // Ties in time are decided by id.
                startedAt:
                  Math.floor(record.startedAt / HOUR_MS) * HOUR_MS - (days.next().value ?? 0) * DAY_MS,
              })),
            ),
          limit: fc.integer({ min: 1, max: 6 }),
          filters: fc.record(
            {
              keyId: fc.constant("AdaAdaAdaAda"),
              provider: fc.constant("openai"),
              model: fc.constant("gpt-5"),
              stream: fc.boolean(),
              endpoint: fc.constant("/infer"),
              team: fc.constant("search"),
              user: fc.constant("ada"),
              tag: fc.constant("prod"),
              statusClass: fc.constantFrom(2, 4, 5),
              status: fc.constantFrom(200, 400, 502),
              errorCode: fc.constant("failed"),
              minLatencyMs: fc.constantFrom(0, 10, 3_000, 10_000),
              minCostNanoUsd: fc.constantFrom(0, 60_000_000, 1_000_000_000),
            },
            { requiredKeys: [] },
          ),
          bounds: fc.constantFrom<Bounds | undefined>(
            undefined,
            { patienceMs: 1_000, budgetMs: -1, candidates: 3 },
            { patienceMs: 1_000, budgetMs: 1_000, candidates: 2 },
            { patienceMs: 0, budgetMs: 1_000, candidates: 1 },
            { patienceMs: 0, budgetMs: -1, candidates: 4 },
          ),
        })
        type Given = typeof given extends fc.Arbitrary<infer Value> ? Value : never
        const check = ({ bounds, filters, limit, records }: Given) =>
          Effect.gen(function* () {
            yield* emptyTables
            yield* write(records)
            const range = { fromMs: 0, toMs: DAY + DAY_MS }
            const { ids } = yield* walk({ range, limit }, filters, bounds)
            assert.deepStrictEqual(
              ids,
              records
                .filter((record) => isPassed(record, filters))
                .toSorted((a, b) => b.startedAt - a.startedAt || (a.id < b.id ? 1 : -1))
                .map(({ id }): string => id),
            )
          })
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(given, async (values) => {
              await Effect.runPromiseWith(context)(check(values))
            }),
            { numRuns },
          ),
        )
      }),
    )

    it.effect(
      "of filters that no index has in order are looked for among so many rows, and the page says how far",
      () =>
        Effect.gen(function* () {
          yield* emptyTables
          yield* write(
            Array.from({ length: 20 }, (_, i) =>
              record({ startedAt: DAY + i, latencyMs: i === 2 ? 60_000 : 5 }),
            ),
          )
          const sql = yield* SqlClient.SqlClient
          const range = { fromMs: DAY, toMs: DAY + DAY_MS }
          const bounds = { patienceMs: 0, budgetMs: -1, candidates: 8 }
          const filters = { minLatencyMs: 1_000 }
          const first = yield* readRequests(sql, { range, after: undefined, limit: 5 }, filters, bounds)
          assert.isEmpty(first.rows)
          assert.strictEqual(first.scannedTo?.[0], DAY + 12)
          assert.deepStrictEqual((yield* walk({ range, limit: 5 }, filters, bounds)).pages, 3)
          // With more time it looks at four times as many, and where they are slow in the index of those.
          assert.deepStrictEqual((yield* walk({ range, limit: 5 }, filters)).pages, 1)
          // The only filter has an index.
          assert.deepStrictEqual(
            (yield* walk({ range, limit: 50 }, { keyId: "AdaAdaAdaAda" }, bounds)).pages,
            1,
          )
        }),
    )
  })
})

layer(layerPostgres)("requests in a slow database", (it) => {
  it.effect("are looked for row by row once its own way has taken too long", () =>
    Effect.gen(function* () {
      yield* emptyTables
      const sql = yield* SqlClient.SqlClient
      yield* write(Array.from({ length: 12 }, (_, i) => record({ startedAt: DAY + i, latencyMs: 5 })))
      const released = yield* Deferred.make<void>()
      const locked = yield* Deferred.make<void>()
      yield* sql`LOCK TABLE requests IN ACCESS EXCLUSIVE MODE`.pipe(
        Effect.andThen(Deferred.succeed(locked, undefined)),
        Effect.andThen(Deferred.await(released)),
        sql.withTransaction,
        Effect.forkChild,
      )
      yield* Deferred.await(locked)
      const query = { range: { fromMs: DAY, toMs: DAY + DAY_MS }, after: undefined, limit: 20 }
      const bounds = { patienceMs: 20, budgetMs: -1, candidates: 5 }
      const filters = { keyId: "AdaAdaAdaAda", status: 200 }
      const reading = yield* Effect.forkChild(readRequests(sql, query, filters, bounds))
      const waits = sql`
        SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%OFFSET%'`
      yield* eventually(Effect.map(waits, (rows) => rows.length > 0))
      yield* Deferred.succeed(released, undefined)
      const { rows, scannedTo } = yield* Fiber.join(reading)
      assert.lengthOf(rows, 5)
      assert.strictEqual(scannedTo?.[0], DAY + 7)
    }),
  )
})
