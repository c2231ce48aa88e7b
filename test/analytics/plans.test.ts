import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import type { AttributedQuery } from "../../src/analytics/query.ts"
import { readRequests } from "../../src/analytics/read-requests.ts"
import { partsOf, requestsQuery } from "../../src/analytics/requests-query.ts"
import { tableFor, usageQuery } from "../../src/analytics/usage-query.ts"
import type { TimeRange } from "../../src/domain/TimeRange.ts"
import { DAY, HOUR_MS } from "../ledger/records.ts"
import { layerPostgres } from "../support/Databases.ts"

const DAY_MS = 24 * HOUR_MS
const DAYS = 3
const ROWS = 40_000
const range = { fromMs: DAY, toMs: DAY + DAYS * DAY_MS }

/** Some days of requests: three providers and a rare one, one failure in two hundred, few streams on the first day. */
const fill = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`SELECT create_ledger_day(date '2026-11-23' + i) FROM generate_series(0, ${DAYS - 1}) AS i`
  yield* sql`
    INSERT INTO requests (
      id, started_at, latency_ms, key_id, endpoint, requested_model, provider, model, status, error_code, stream,
      attempts
    )
    SELECT
      gen_random_uuid(), ${new Date(DAY)} + i * ${`${(DAY_MS * DAYS) / 1000 / (ROWS * DAYS)} seconds`}::interval, 500,
      'key' || i % 50, CASE WHEN i % 9000 = 0 THEN '/rare' ELSE '/infer' END, 'auto',
      CASE WHEN i % 10000 = 0 THEN 'rare' ELSE 'provider' || i % 3 END,
      CASE WHEN i % 8000 = 0 THEN 'rare' ELSE 'model' || i % 3 END, CASE WHEN i % 200 = 0 THEN 503 ELSE 200 END,
      CASE WHEN i % 200 = 0 THEN CASE WHEN i % 30000 = 0 THEN 'odd' ELSE 'failed' END END, i < 30, 1
    FROM generate_series(1, ${ROWS * DAYS - 1}) AS i`
  yield* sql`
    INSERT INTO request_kinds
    SELECT DISTINCT (started_at AT TIME ZONE 'UTC')::date, key_id, endpoint, provider, model, stream FROM requests`
  yield* sql`ANALYZE`
})

const explain = (query: Statement.Statement<unknown>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ "QUERY PLAN": string }>`EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) ${query}`
    const plan = rows.map((row) => row["QUERY PLAN"]).join("\n")
    const [, hit = "0", read = "0"] = plan.match(/shared hit=(\d+)(?: read=(\d+))?/) ?? []
    /** Pages of 8 kB that the query touches. */
    return { plan, pages: Number(hit) + Number(read) }
  })

const usage = (
  sql: SqlClient.SqlClient,
  grouping: Parameters<typeof usageQuery>[1]["grouping"],
  range: TimeRange,
  filters: AttributedQuery = {},
) => {
  const table = tableFor(grouping, filters)
  if (table === undefined) return assert.fail("no rollup")
  const bucket = table.hours.includes(1) ? "hour" : "day"
  return usageQuery(sql, { grouping, range, filters, table, bucket, after: undefined, limit: 100 })
}

layer(layerPostgres)("plans", (it) => {
  it.effect("listing requests reads about a page's worth of rows, whatever the filter and however deep", () =>
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
        rareModel: requestsQuery(sql, last, { model: "rare" }),
        noModel: requestsQuery(sql, last, { model: "none" }),
        rareEndpoint: requestsQuery(sql, last, { endpoint: "/rare" }),
        noEndpoint: requestsQuery(sql, last, { endpoint: "/none" }),
        rareMode: requestsQuery(sql, last, { stream: true }),
        deepRareMode: requestsQuery(sql, deep, { stream: true }),
        failed: requestsQuery(sql, last, { statusClass: 5 }),
        failedOtherwise: requestsQuery(sql, last, { errorCode: "failed" }),
        rareFailure: requestsQuery(sql, last, { errorCode: "odd" }),
        deepFailed: requestsQuery(sql, deep, { errorCode: "failed" }),
      })) {
        const { plan, pages } = yield* explain(query)
        assert.notInclude(plan, "Seq Scan", name)
        // A full scan is about 500 for each day.
        assert.isBelow(pages, 150, `${name}\n${plan}`)
      }
    }),
  )

  it.effect("listing requests touches the days of its span alone", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const hour = { fromMs: DAY + DAY_MS, toMs: DAY + DAY_MS + HOUR_MS }
      const { plan } = yield* explain(requestsQuery(sql, { range: hour, after: undefined, limit: 50 }, {}))
      assert.include(plan, "requests_20261124")
      assert.notMatch(plan, /requests_2026112[35]/)
    }),
  )

  it.effect("listing requests with several filters looks only where they meet", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const firstDay = [{ fromMs: DAY, toMs: DAY + DAY_MS }]
      assert.deepStrictEqual(yield* partsOf(sql, range, { stream: true }), [range])
      assert.deepStrictEqual(yield* partsOf(sql, range, { stream: true, keyId: "key7" }), firstDay)
      assert.deepStrictEqual(yield* partsOf(sql, range, { stream: true, keyId: "key40" }), [])
      assert.deepStrictEqual(yield* partsOf(sql, range, { stream: false, keyId: "key7" }), [range])
      assert.deepStrictEqual(yield* partsOf(sql, range, { endpoint: "/none", provider: "provider1" }), [])
    }),
  )

  it.effect("listing requests over a long span never asks for all of its days at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`SELECT create_ledger_day(date '2026-01-01' + i) FROM generate_series(0, 69) AS i`
      const start = Date.UTC(2026, 0, 1)
      yield* sql`
        INSERT INTO requests (
          id, started_at, latency_ms, key_id, endpoint, requested_model, status, stream, attempts
        )
        SELECT
          gen_random_uuid(), ${new Date(start)} + i * interval '1 day', i, 'old', '/infer', 'auto', 200, false, 1
        FROM generate_series(0, 69) AS i`
      yield* sql`INSERT INTO request_kinds VALUES ('2026-02-15', 'old', '/infer', 'p', 'm', false)`
      const all = { fromMs: 0, toMs: DAY }
      assert.deepStrictEqual(yield* partsOf(sql, all, {}), [
        { fromMs: start + 38 * DAY_MS, toMs: start + 70 * DAY_MS },
        { fromMs: start + 6 * DAY_MS, toMs: start + 38 * DAY_MS },
        { fromMs: start, toMs: start + 6 * DAY_MS },
      ])
      assert.deepStrictEqual(yield* partsOf(sql, all, { keyId: "old" }), [
        { fromMs: start + 45 * DAY_MS, toMs: start + 46 * DAY_MS },
      ])
      const { rows } = yield* readRequests(sql, { range: all, after: undefined, limit: 100 }, {})
      assert.deepStrictEqual(
        rows.map(({ latency_ms }) => latency_ms),
        Array.from({ length: 70 }, (_, i) => 69 - i),
      )
    }),
  )

  it.effect("usage of a span reads the rollups of the span", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const sums = "1, 0, 1, 1, 0, 0, 1, 0, 1, int2send(1::int2) || int4send(1)"
      for (const [table, values] of Object.entries({
        usage: "'key' || key, 'provider', 'model', false",
        key_usage: "'key' || key, false",
        model_usage: "'provider', 'model' || key, false",
        total_usage: "key = 1",
      })) {
        const keys = table === "total_usage" ? 2 : 50
        for (const [unit, count] of [
          [1, 24 * 90],
          [6, 4 * 90],
          [24, 90],
          [168, 13],
        ] as const) {
          yield* sql.unsafe(`
            INSERT INTO ${table}
            SELECT ${unit}, date_bin('${unit} hours', '2026-09-01Z', '1970-01-01Z') + i * interval '${unit} hours',
              ${values}, ${sums}
            FROM generate_series(0, ${count} - 1) AS i, generate_series(1, ${keys}) AS key
            ORDER BY i`)
        }
      }
      yield* sql`ANALYZE`
      // By key and model 108,000 rows per hour are about 3,000 pages, by key or model alone 2,500.
      const hours = (from: number, to: number) => ({ fromMs: DAY + from * HOUR_MS, toMs: DAY + to * HOUR_MS })
      for (const [name, query, most] of [
        ["keys, an hour", usage(sql, "key", hours(1, 2)), 60],
        ["keys, a day", usage(sql, "key", hours(-12, 12)), 400],
        ["models, an hour", usage(sql, "model", hours(1, 2)), 60],
        ["hours, a day", usage(sql, "time", hours(-12, 12)), 60],
        ["one key, 30 days", usage(sql, "model", hours(-700, 20), { keyId: "key7" }), 1_000],
      ] as const) {
        const { plan, pages } = yield* explain(query)
        assert.notMatch(plan, /Seq Scan on \w*usage_[16]h/, name)
        assert.isBelow(pages, most, `${name}\n${plan}`)
      }
    }),
  )

  it.effect("a page of users, tags or teams reads no more of them than it has", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const sums = "1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0"
      yield* sql.unsafe(`
        INSERT INTO user_usage
        SELECT 24, timestamptz '2026-11-01Z' + i * interval '1 day', false, 'user' || n, ${sums}
        FROM generate_series(0, 29) AS i, generate_series(1, 3000) AS n`)
      for (const [unit, count] of [
        [1, 24 * 30],
        [6, 4 * 30],
        [24, 30],
        [168, 5],
      ] as const) {
        yield* sql.unsafe(`
          INSERT INTO tag_usage
          SELECT
            ${unit}, date_bin('${unit} hours', '2026-11-01Z', '1970-01-01Z') + i * interval '${unit} hours', false,
            'tag' || tag, ${sums}, int2send(1::int2) || int4send(1)
          FROM generate_series(0, ${count - 1}) AS i, generate_series(1, 1000) AS tag`)
      }
      yield* sql.unsafe(`
        INSERT INTO attributed_recent
        SELECT timestamptz '2026-11-30T23:00Z', 'user', 'user' || n, '', '', '', false, ${sums}
        FROM generate_series(1, 20000) AS n`)
      yield* sql`ANALYZE`
      const month = { fromMs: Date.UTC(2026, 10, 1), toMs: Date.UTC(2026, 11, 1) }
      for (const [name, query, most] of [
        // Each of 30 days has 101 of its 3,000 users read, who lie on half as many pages of the 1,500 of all.
        ["users, 30 days", usage(sql, "user", month), 1_100],
        ["one user, 30 days", usage(sql, "time", month, { user: "user7" }), 260],
        // The 20,000 of the hour that is not over lie on about 350 pages, and may be read through.
        ["no streams of users", usage(sql, "user", month, { stream: true }), 500],
        ["tags, 30 days", usage(sql, "tag", month), 600],
      ] as const) {
        const { plan, pages } = yield* explain(query)
        assert.notMatch(plan, /Seq Scan on \w*(user|tag)_usage/, name)
        assert.isBelow(pages, most, `${name}\n${plan}`)
      }
    }),
  )
})
