/**
 * A ledger as a busy gateway leaves it: thirty days of requests by set-based SQL, a day per statement, then what the
 * ledger itself does with the rollups. Two hundred keys and twelve models, both as uneven as they are in life; each
 * key is an application with a few models and a mode that it prefers.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { rollUp } from "../src/ledger/tables/roll-up.ts"

export const DAYS = 30
const KEYS = 200
/** Each request draws one of these; a cell has as many as its share of the traffic. */
const SLOTS = 200_000

/** Provider, model, share of the traffic, median milliseconds of a whole answer, nano-dollars per token in and out. */
const models = [
  ["openai", "gpt-5.4-mini", 30, 900, 250, 2000],
  ["openai", "gpt-5.4", 9, 2400, 1250, 10000],
  ["openai", "gpt-5.4-nano", 6, 500, 50, 400],
  ["openai", "text-embedding-3-small", 8, 120, 20, 0],
  ["gemini", "gemini-3.8-flash", 20, 700, 300, 2500],
  ["gemini", "gemini-3.8-pro", 5, 2900, 1250, 10000],
  ["gemini", "gemini-embedding-002", 3, 140, 150, 0],
  ["local", "llama-3.3-70b", 8, 1500, 0, 0],
  ["local", "qwen-3-32b", 5, 1100, 0, 0],
  ["other", "mistral-large", 4, 1700, 2000, 6000],
  ["other", "deepseek-v4", 2, 2100, 280, 420],
  ["other", "retired-model", 0.01, 1900, 500, 1500],
] as const

export const keyIds = Array.from({ length: KEYS }, (_, i) => `key${String(i).padStart(9, "0")}`)
export const modelNames = models.map(([, model]) => model)
export const providerNames = [...new Set(models.map(([provider]) => provider))]

interface Cell {
  readonly key: string
  readonly provider: string
  readonly model: string
  readonly stream: boolean
  readonly endpoint: string
  readonly median: number
  readonly input: number
  readonly output: number
  readonly slots: number
}

/** The same on every run. */
const cells = (): ReadonlyArray<Cell> => {
  let state = 20261123
  const random = () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32
    return state / 2 ** 32
  }
  const found: Array<Omit<Cell, "slots"> & { weight: number }> = []
  keyIds.forEach((key, rank) => {
    const ofKey = 1 / (rank + 3)
    const streamed = [0, 0.2, 0.9][Math.floor(random() * 3)] ?? 0
    const legacy = random() < 0.2
    const chosen = models.filter(([, , share]) => random() < Math.min(0.6, 0.05 + share / 40))
    const used = chosen.length > 0 ? chosen : [models[0]]
    const total = used.reduce((sum, [, , share]) => sum + share, 0)
    for (const [provider, model, share, median, input, output] of used) {
      const embedding = model.includes("embedding")
      for (const stream of embedding ? [false] : [true, false]) {
        const ofMode = embedding ? 1 : stream ? streamed : 1 - streamed
        const endpoint = embedding ? "/v1/embeddings" : legacy ? "/infer" : "/v1/chat/completions"
        const weight = (ofKey * ofMode * share) / total
        if (weight > 0) found.push({ key, provider, model, stream, endpoint, median, input, output, weight })
      }
    }
  })
  const all = found.reduce((sum, { weight }) => sum + weight, 0)
  return found.map(({ weight, ...cell }) => ({
    ...cell,
    slots: Math.max(1, Math.round((weight / all) * SLOTS)),
  }))
}

/** What a decision with three candidates looks like in the ledger. */
const decision = JSON.stringify({
  route: "auto",
  weights: { latency: 0.6, cost: 0.4 },
  candidates: [1, 2, 3].map((rank) => ({
    provider: `provider-${rank}`,
    predicted_ms: 1234 * rank,
    predicted_cost_usd: 0.00018105,
    score: rank,
    rank,
  })),
  chosen_by: "score",
  attempts: [{ provider: "provider-1", outcome: "success", latency_ms: 744, upstream_status: 200 }],
})

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

interface Day {
  readonly midnight: Date
  /** The part of the day that is filled. */
  readonly from: Date
  readonly to: Date
}

/** Thirty times 24 hours up to now: the first and the last day are parts. */
const daysUntil = (nowMs: number): ReadonlyArray<Day> =>
  Array.from({ length: DAYS + 1 }, (_, i) => {
    const midnight = Math.floor(nowMs / DAY_MS) * DAY_MS - (DAYS - i) * DAY_MS
    return {
      midnight: new Date(midnight),
      from: new Date(Math.max(midnight, nowMs - DAYS * DAY_MS)),
      to: new Date(Math.min(midnight + DAY_MS, nowMs)),
    }
  })

export const fill = Effect.fnUntraced(function* (
  rows: number,
  nowMs: number,
  progress: (line: string) => void,
) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO api_keys (id, name, secret_hash)
    SELECT id, 'Application ' || ordinality, 'none' FROM unnest(${keyIds}::text[]) WITH ORDINALITY AS keys (id)`
  yield* sql`
    CREATE UNLOGGED TABLE bench_cells AS
    SELECT row_number() OVER ()::int AS cell, record.*
    FROM jsonb_to_recordset(${JSON.stringify(cells())}::jsonb) AS record (
      key text, provider text, model text, stream boolean, endpoint text, median float8, input bigint,
      output bigint, slots int
    )`
  yield* sql`
    CREATE UNLOGGED TABLE bench_slots AS
    SELECT row_number() OVER ()::int - 1 AS slot, cell FROM bench_cells CROSS JOIN generate_series(1, slots)`
  yield* sql`ANALYZE bench_cells, bench_slots`
  const days = daysUntil(nowMs)
  for (const [i, day] of days.entries()) {
    const made = yield* fillDay(sql, day, Math.ceil(rows / DAYS))
    yield* noteKinds(sql, day)
    yield* countUsage(sql, day)
    yield* countLatencies(sql, day)
    yield* rollUp(sql)
    if (i % 5 === 4) yield* sql`VACUUM ANALYZE usage_recent, latency_recent, usage`
    progress(`day ${i + 1} of ${days.length}: ${made} requests`)
  }
  yield* sql`DROP TABLE bench_cells, bench_slots`
  progress("vacuum and statistics")
  yield* sql`VACUUM ANALYZE`
})

const fillDay = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  { midnight, from, to }: Day,
  perDay: number,
) {
  yield* sql`SELECT create_ledger_day((${midnight}::timestamptz AT TIME ZONE 'UTC')::date)`
  // At noon 2.5 times the mean, at midnight little; ids in order of time, as the gateway's are.
  const [inserted] = yield* sql<{ requests: number }>`
    WITH draws AS MATERIALIZED (
      SELECT
        ${midnight} + (u + 0.095 * sin(2 * pi() * u)) * interval '24 hours' AS started_at,
        floor(random() * slots)::int AS slot, random() AS luck, random_normal() AS pace, random_normal() AS size
      FROM (SELECT count(*) AS slots FROM bench_slots) AS counted, (
        SELECT random() AS u FROM generate_series(1, ${perDay})
      ) AS times
    ), asked AS (
      SELECT
        date_trunc('milliseconds', started_at) AS started_at, luck, cells.*,
        greatest(1, (median * exp(0.45 * pace) * CASE WHEN stream THEN 2.5 ELSE 1 END))::int AS latency_ms,
        greatest(1, 700 * exp(0.9 * size))::bigint AS input_tokens,
        CASE WHEN output > 0 THEN greatest(1, 220 * exp(0.7 * pace))::bigint END AS output_tokens,
        CASE
          WHEN luck < 0.00001 THEN 'deadline_exceeded' WHEN luck < 0.002 THEN 'all_providers_failed'
          WHEN luck < 0.006 THEN 'rate_limited' WHEN luck < 0.014 THEN 'invalid_request'
          WHEN luck < 0.02 THEN 'stream_interrupted'
        END AS error_code
      FROM draws JOIN bench_slots USING (slot) JOIN bench_cells AS cells USING (cell)
      WHERE started_at >= ${from} AND started_at < ${to}
    ), inserted AS (
      INSERT INTO requests (
        id, started_at, latency_ms, key_id, endpoint, route, requested_model, provider, model, status, error_code,
        stream, first_token_ms, finish_reason, input_tokens, output_tokens, cached_tokens, reasoning_tokens,
        raw_usage, cost_nano_usd, cost_reason, price_version, decision, attempts
      )
      SELECT
        uuidv7(started_at - clock_timestamp()), started_at, latency_ms, key, endpoint, 'auto', 'auto',
        CASE WHEN luck >= 0.006 THEN provider END, CASE WHEN luck >= 0.006 THEN model END,
        CASE error_code
          WHEN 'deadline_exceeded' THEN 504 WHEN 'all_providers_failed' THEN 503 WHEN 'rate_limited' THEN 429
          WHEN 'invalid_request' THEN 400 ELSE 200
        END,
        error_code, stream, CASE WHEN stream THEN latency_ms / 5 END,
        CASE WHEN error_code IS NULL THEN 'stop' END,
        CASE WHEN luck >= 0.014 THEN input_tokens END, CASE WHEN luck >= 0.014 THEN output_tokens END,
        CASE WHEN luck >= 0.014 THEN 0 END, CASE WHEN luck >= 0.014 THEN 0 END,
        CASE WHEN luck >= 0.014 THEN jsonb_build_object(
          'prompt_tokens', input_tokens, 'completion_tokens', output_tokens, 'total_tokens',
          input_tokens + output_tokens, 'prompt_tokens_details', '{"cached_tokens": 0}'::jsonb
        ) END,
        CASE WHEN luck BETWEEN 0.014 AND 0.995 THEN input_tokens * input + coalesce(output_tokens, 0) * output END,
        CASE WHEN luck > 0.995 THEN 'missing_usage' END, 'list@2026-11-23', ${decision}::jsonb,
        CASE WHEN luck < 0.006 THEN 0 WHEN luck > 0.97 THEN 2 ELSE 1 END
      FROM asked
      ORDER BY started_at
      RETURNING id, started_at, latency_ms, provider, model, attempts, input_tokens, output_tokens, cost_nano_usd
    ), inserted_attempts AS (
      INSERT INTO attempts (
        request_id, day, ordinal, provider, model, started_at, latency_ms, outcome, upstream_status, input_tokens,
        output_tokens, cost_nano_usd
      )
      SELECT
        id, (started_at AT TIME ZONE 'UTC')::date, ordinal, provider, model, started_at, latency_ms,
        CASE WHEN ordinal = attempts THEN 'success' ELSE 'overloaded' END,
        CASE WHEN ordinal = attempts THEN 200 ELSE 503 END,
        CASE WHEN ordinal = attempts THEN input_tokens END, CASE WHEN ordinal = attempts THEN output_tokens END,
        CASE WHEN ordinal = attempts THEN cost_nano_usd END
      FROM inserted CROSS JOIN generate_series(1, attempts) AS ordinal
    )
    SELECT count(*)::int AS requests FROM inserted`
  return inserted?.requests ?? 0
})

const success = "provider IS NOT NULL AND status BETWEEN 200 AND 299 AND error_code IS NULL"

const noteKinds = (sql: SqlClient.SqlClient, { from, to }: Day) => sql`
  INSERT INTO request_kinds (day, key_id, endpoint, provider, model, stream)
  SELECT DISTINCT
    (started_at AT TIME ZONE 'UTC')::date, key_id, endpoint, coalesce(provider, ''), coalesce(model, ''), stream
  FROM requests
  WHERE started_at >= ${from} AND started_at < ${to}`

/** What the ledger counts while it writes such rows, see `writeBatch`. */
const countUsage = (sql: SqlClient.SqlClient, { from, to }: Day) => sql`
  INSERT INTO usage_recent (
    hour, key_id, provider, model, stream, requests, errors, input_tokens, output_tokens, cached_tokens,
    reasoning_tokens, cost_nano_usd, unpriced_requests, latency_ms
  )
  SELECT
    date_trunc('hour', started_at, 'UTC'), key_id, coalesce(provider, ''), coalesce(model, ''), stream, count(*),
    count(*) FILTER (WHERE NOT (${sql.literal(success)})), coalesce(sum(input_tokens), 0),
    coalesce(sum(output_tokens), 0), coalesce(sum(cached_tokens), 0), coalesce(sum(reasoning_tokens), 0),
    coalesce(sum(cost_nano_usd), 0), count(*) FILTER (WHERE ${sql.literal(success)} AND cost_nano_usd IS NULL),
    coalesce(sum(latency_ms) FILTER (WHERE ${sql.literal(success)}), 0)
  FROM requests
  WHERE started_at >= ${from} AND started_at < ${to}
  GROUP BY 1, 2, 3, 4, 5`

/** The bucket is that of `latencyBucket`, with room for what logarithms of powers of two are off. */
const countLatencies = (sql: SqlClient.SqlClient, { from, to }: Day) => sql`
  INSERT INTO latency_recent (hour, key_id, provider, model, stream, bucket, requests)
  SELECT
    date_trunc('hour', started_at, 'UTC'), key_id, provider, model, stream,
    CASE WHEN latency_ms <= 1 THEN 0 ELSE ceil(20 * ln(latency_ms) / ln(2) - 1e-9) END::smallint, count(*)
  FROM requests
  WHERE started_at >= ${from} AND started_at < ${to} AND ${sql.literal(success)}
  GROUP BY 1, 2, 3, 4, 5, 6`

/** Whether the rollups, per mode, are not what the rows add up to. */
export const sumsDiffer = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tokens =
    "sum(input_tokens)::text AS input, sum(output_tokens)::text AS output, sum(cost_nano_usd)::text AS cost"
  const perMode = (from: string, requests: string) =>
    sql.unsafe(`SELECT stream, ${requests}::text AS requests, ${tokens} FROM ${from} GROUP BY 1 ORDER BY 1`)
  const columns = "stream, requests, input_tokens, output_tokens, cost_nano_usd"
  const rows = JSON.stringify(yield* perMode("requests", "count(*)"))
  for (const table of ["usage", "key_usage", "model_usage", "total_usage"]) {
    for (const hours of [1, 6, 24, 168]) {
      const both = `(
        SELECT ${columns} FROM ${table} WHERE hours = ${hours} UNION ALL SELECT ${columns} FROM usage_recent
      ) AS both_levels`
      if (JSON.stringify(yield* perMode(both, "sum(requests)")) !== rows) return true
    }
  }
  return false
})
