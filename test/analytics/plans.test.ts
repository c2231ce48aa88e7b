import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { requestsQuery } from "../../src/analytics/requests-query.ts"
import { DAY, HOUR_MS } from "../ledger/records.ts"
import { layerPostgres } from "../support/Databases.ts"

const ROWS = 60_000
const range = { fromMs: DAY, toMs: DAY + 24 * HOUR_MS }

/** A day of requests: three providers and a rare one, one failure in two hundred. */
const fill = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO requests (
      id, started_at, latency_ms, key_id, endpoint, requested_model, provider, model, status, error_code, stream,
      attempts
    )
    SELECT
      gen_random_uuid(), ${new Date(DAY)} + i * interval '1.4 seconds', 500, 'key' || i % 50, '/infer', 'auto',
      CASE WHEN i % 10000 = 0 THEN 'rare' ELSE 'provider' || i % 3 END, 'model',
      CASE WHEN i % 200 = 0 THEN 503 ELSE 200 END, CASE WHEN i % 200 = 0 THEN 'failed' END, false, 1
    FROM generate_series(1, ${ROWS}) AS i`
  yield* sql`ANALYZE requests`
})

/** Pages of 8 kB that a query touches. A full scan of the rows above is about 800. */
const pagesRead = (query: Statement.Statement<unknown>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ "QUERY PLAN": string }>`EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) ${query}`
    const plan = rows.map((row) => row["QUERY PLAN"]).join("\n")
    const [, hit = "0", read = "0"] = plan.match(/shared hit=(\d+)(?: read=(\d+))?/) ?? []
    return Number(hit) + Number(read)
  })

layer(layerPostgres)("listing requests", (it) => {
  it.effect("reads about a page's worth of rows, whatever the filter and however deep the page", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* fill
      const last = { range, after: undefined, limit: 50 }
      const deep = { ...last, after: [DAY + HOUR_MS, "00000000-0000-4000-8000-000000000000"] as const }
      for (const [name, query] of Object.entries({
        newest: requestsQuery(sql, last, {}),
        deep: requestsQuery(sql, deep, {}),
        key: requestsQuery(sql, last, { keyId: "key7" }),
        rareProvider: requestsQuery(sql, last, { provider: "rare" }),
        noProvider: requestsQuery(sql, last, { provider: "none" }),
        failed: requestsQuery(sql, last, { statusClass: 5 }),
        failedOtherwise: requestsQuery(sql, last, { errorCode: "failed" }),
        deepFailed: requestsQuery(sql, deep, { errorCode: "failed" }),
      })) {
        assert.isBelow(yield* pagesRead(query), 100, name)
      }
    }),
  )
})
