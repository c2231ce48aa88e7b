/**
 * How long analytics take over a full ledger: fills thirty days of requests (10 million by default, about 12 GB), then
 * asks every listing through the real service, one call at a time, with the filters and spans that people use.
 *
 *   node bench/analytics.ts [--rows 10000000] [--calls 40] [--days 31] [--last-hour 400000] [--only overview] [--url postgres://…]
 *
 * `--calls` is for each filter and span. With fewer `--days` older requests are in rollups alone, as if `RETENTION_DAYS` had
 * dropped their rows, which saves most of the time that filling takes; listings of requests then say less. `--last-hour` is how many
 * more requests the last hour has, and `--only` the listing that is asked alone. Without `--url` a PostgreSQL of its own is started and removed (its fsync is off,
 * which reads do not notice). A given database must be empty, or filled by an earlier run: then it is used as it is, and
 * nothing is removed. Exits 1 when a 95th percentile is above 50 ms or sums and rows differ.
 */
import { parseArgs } from "node:util"
import { PgClient } from "@effect/sql-pg"
import { Clock, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { Analytics } from "../src/analytics/Analytics.ts"
import { migrate } from "../src/database/migrations.ts"
import { createPostgresServer } from "../test/support/postgres-server.ts"
import { steppedClock } from "../test/support/stepped-clock.ts"
import { type Call, callsOf, spans } from "./analytics-calls.ts"
import { fill, sumsDiffer } from "./analytics-fill.ts"

const usage =
  "node bench/analytics.ts [--rows 10000000] [--calls 40] [--days 31] [--last-hour 400000] [--only overview] [--url postgres://…]"
const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "10000000" },
    calls: { type: "string", default: "40" },
    days: { type: "string", default: "31" },
    "last-hour": { type: "string", default: "400000" },
    only: { type: "string" },
    url: { type: "string" },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  console.log(usage)
  process.exit(0)
}
const GOAL_MS = 50

const startedMs = performance.now()
const progress = (line: string) =>
  console.error(`${((performance.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${line}`)

const prepare = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* migrate
  const [{ newest } = { newest: null }] = yield* sql<{ newest: Date | null }>`
    SELECT max(started_at) AS newest FROM requests`
  if (newest !== null) {
    progress("the database is filled already")
    return newest.getTime() + 1
  }
  const nowMs = Date.now()
  yield* fill(Number(values.rows), nowMs, progress, Number(values.days), Number(values["last-hour"]))
  return nowMs
})

const size = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ name: string; bytes: number; rows: number }>`
    SELECT
      regexp_replace(relname, '_(\\d{8}|before)$', '') AS name,
      sum(pg_total_relation_size(oid))::float8 AS bytes, sum(greatest(reltuples, 0))::float8 AS rows
    FROM pg_class
    WHERE relkind = 'r' AND relname ~ '^(requests|attempts|request_kinds|([a-z]+_)*usage|(attributed_)?latency|attributed)_?'
    GROUP BY 1 ORDER BY 1`
  for (const { name, bytes, rows: held } of rows) {
    console.log(
      `${name.padEnd(18)}${(bytes / 1e6).toFixed(0).padStart(8)} MB${held.toFixed(0).padStart(12)} rows`,
    )
  }
})

const timed = (call: Call) =>
  Effect.gen(function* () {
    const started = performance.now()
    yield* call
    return performance.now() - started
  })

const quantile = (sorted: ReadonlyArray<number>, q: number) =>
  sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN
const ms = (value: number) => value.toFixed(1).padStart(8)

const measure = Effect.fnUntraced(function* (endMs: number) {
  const perSpan = Number(values.calls)
  console.log(
    `${"listing".padEnd(18)}${"filter".padEnd(24)}     p50     p95     p99   p95 per span: ${spans.map(({ name }) => name).join(", ")}`,
  )
  let missed = 0
  let listing = ""
  const all: Array<number> = []
  const summary = () => {
    if (all.length === 0) return
    all.sort((a, b) => a - b)
    const figures = [0.5, 0.95, 0.99].map((q) => ms(quantile(all, q))).join("")
    console.log(`${listing.padEnd(18)}${`all ${all.length} calls`.padEnd(24)}${figures}`)
    all.length = 0
  }
  const calls = callsOf(endMs).filter(({ name }) => values.only === undefined || name === values.only)
  for (const { name, filter, call } of calls) {
    if (name !== listing) summary()
    listing = name
    const perSpanTimes: Array<ReadonlyArray<number>> = []
    for (const span of spans) {
      // The first ones read from disk what the fill has pushed out of memory, and are not counted.
      for (let i = 0; i < 3; i++) yield* call(span.ms)
      const times: Array<number> = []
      for (let i = 0; i < perSpan; i++) times.push(yield* timed(call(span.ms)))
      perSpanTimes.push(times.toSorted((a, b) => a - b))
    }
    const times = perSpanTimes.flat().toSorted((a, b) => a - b)
    all.push(...times)
    const figures = [0.5, 0.95, 0.99].map((q) => ms(quantile(times, q))).join("")
    const worst = perSpanTimes.map((of) => quantile(of, 0.95))
    if (worst.some((p95) => p95 > GOAL_MS)) missed += 1
    console.log(`${name.padEnd(18)}${filter.padEnd(24)}${figures}  ${worst.map(ms).join("")}`)
  }
  summary()
  console.log(
    missed === 0 ? `Every p95 is within ${GOAL_MS} ms.` : `${missed} filters have a p95 above ${GOAL_MS} ms.`,
  )
  return missed === 0
})

const run = Effect.gen(function* () {
  const endMs = yield* prepare
  yield* size
  progress("comparing sums with rows")
  const differ = yield* sumsDiffer
  console.log(differ ? "SUMS AND ROWS DIFFER" : "Sums equal rows, to the token and the nano-dollar.")
  progress("asking")
  // As if it had just been filled.
  const { clock, step } = yield* steppedClock
  step(endMs - Date.now())
  const good = yield* Effect.provideService(measure(endMs), Clock.Clock, clock)
  return good && !differ
})

const server = values.url === undefined ? await createPostgresServer() : undefined
await server?.start()
try {
  const url = values.url ?? server?.url ?? ""
  // As the gateway connects for analytics.
  const pool = PgClient.layer({ url: Redacted.make(url), maxConnections: 2 })
  process.exitCode = (await run.pipe(
    Effect.provide(Analytics.layer.pipe(Layer.provideMerge(pool))),
    Effect.runPromise,
  ))
    ? 0
    : 1
} finally {
  await server?.remove()
}
