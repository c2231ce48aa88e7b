/**
 * A ledger as a busy gateway leaves it: thirty days of requests by set-based SQL, a day per statement, then what the
 * ledger itself does with the rollups. Two hundred keys and twelve models, both as uneven as they are in life; each
 * key is an application with a few models and a mode that it prefers, and most are one of forty teams'. Every request has
 * two tags, one of two and one of a thousand, and a user, one of a million: the most that there is to count. Of the last hour, which
 * upkeep has not moved yet, there are more.
 */
import { hash } from "node:crypto"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { rollUpHours } from "../src/ledger/tables/roll-up.ts"
import {
  ATTRIBUTED_CELL,
  ATTRIBUTED_USAGE,
  addedSums,
  COARSER_USAGE,
  HAS_LATENCIES,
  MEMBER,
  membersOf,
  ROLLUP_SUMS,
  USAGE,
} from "../src/ledger/tables/rollups.ts"

export const DAYS = 30
const KEYS = 200
const TEAMS = 40
const TAGS = 1_000
const USERS = 1_000_000
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
export const teamNames = Array.from({ length: TEAMS }, (_, i) => `team-${i}`)
export const tagNames = ["prod", "staging", ...Array.from({ length: TAGS }, (_, i) => `tag-${i}`)]
/** The name of a user as the database makes it, as long as that of a chat that names its users by UUID. */
const userName = (n: number): string => {
  const digest = hash("md5", String(n))
  return [8, 12, 16, 20, 32].map((end, i) => digest.slice([0, 8, 12, 16, 20][i], end)).join("-")
}
export const anyUser = (): string => userName(Math.floor(USERS * Math.random() ** 2))

export const modelNames = models.map(([, model]) => model)
export const providerNames = [...new Set(models.map(([provider]) => provider))]

interface Cell {
  readonly key: string
  readonly team: string | null
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
const makeCells = (): ReadonlyArray<Cell> => {
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
    const team = rank % 5 === 4 ? null : (teamNames[rank % TEAMS] ?? null)
    const chosen = models.filter(([, , share]) => random() < Math.min(0.6, 0.05 + share / 40))
    const used = chosen.length > 0 ? chosen : [models[0]]
    const total = used.reduce((sum, [, , share]) => sum + share, 0)
    for (const [provider, model, share, median, input, output] of used) {
      const embedding = model.includes("embedding")
      for (const stream of embedding ? [false] : [true, false]) {
        const ofMode = embedding ? 1 : stream ? streamed : 1 - streamed
        const endpoint = embedding ? "/v1/embeddings" : legacy ? "/infer" : "/v1/chat/completions"
        const weight = (ofKey * ofMode * share) / total
        if (weight > 0)
          found.push({ key, team, provider, model, stream, endpoint, median, input, output, weight })
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
  /** Of the day that it is, or is part of. */
  readonly midnight: Date
  /** The part of the day that is filled. */
  readonly from: Date
  readonly to: Date
  /** As many at one time of it as at any other. */
  readonly isEven?: true
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
  keptDays: number,
  lastHour: number,
) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO api_keys (id, name, secret_hash)
    SELECT id, 'Application ' || ordinality, 'none' FROM unnest(${keyIds}::text[]) WITH ORDINALITY AS keys (id)`
  yield* sql`
    CREATE UNLOGGED TABLE bench_cells AS
    SELECT row_number() OVER ()::int AS cell, record.*
    FROM jsonb_to_recordset(${JSON.stringify(makeCells())}::jsonb) AS record (
      key text, team text, provider text, model text, stream boolean, endpoint text, median float8, input bigint,
      output bigint, slots int
    )`
  yield* sql`
    CREATE UNLOGGED TABLE bench_slots AS
    SELECT row_number() OVER ()::int - 1 AS slot, cell FROM bench_cells CROSS JOIN generate_series(1, slots)`
  yield* sql`ANALYZE bench_cells, bench_slots`
  yield* sql`
    CREATE TABLE bench_truth (
      dimension text, stream boolean, requests bigint, input_tokens bigint, output_tokens bigint, cost_nano_usd bigint
    )`
  const days = daysUntil(nowMs)
  for (const [i, day] of days.entries()) {
    const made = yield* drawDay(sql, day, Math.ceil(rows / DAYS))
    if (days.length - i <= keptDays) {
      yield* fillDay(sql, day)
      yield* noteKinds(sql, day)
    }
    yield* countUsage(sql)
    yield* countLatencies(sql)
    yield* countAttributed(sql)
    yield* countFirstTokens(sql)
    if (i >= days.length - 2) yield* countMinutes(sql)
    yield* noteTruth(sql)
    const midnightMs = day.midnight.getTime()
    const toMs = Math.min(midnightMs + DAY_MS, Math.floor(nowMs / HOUR_MS) * HOUR_MS)
    yield* rollUpHours(sql, { fromMs: midnightMs, toMs })
    if (i % 5 === 4) yield* sql`VACUUM ANALYZE usage_recent, latency_recent, usage, attributed_recent`
    progress(`day ${i + 1} of ${days.length}: ${made} requests`)
  }
  const busy: Day = {
    midnight: new Date(Math.floor(nowMs / DAY_MS) * DAY_MS),
    ...{ from: new Date(nowMs - HOUR_MS), to: new Date(nowMs), isEven: true },
  }
  const made = yield* drawDay(sql, busy, lastHour)
  yield* fillDay(sql, busy)
  yield* noteKinds(sql, busy)
  for (const count of [
    countUsage,
    countLatencies,
    countAttributed,
    countFirstTokens,
    countMinutes,
    noteTruth,
  ])
    yield* count(sql)
  progress(`the last hour: ${made} requests more`)
  yield* sql`DROP TABLE bench_cells, bench_slots, bench_day`
  progress("vacuum and statistics")
  yield* sql`VACUUM ANALYZE`
})

/** Draws the requests of a day into a table of their own, without what only a row of the ledger has. */
const drawDay = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  { midnight, from, to, isEven }: Day,
  perDay: number,
) {
  yield* sql`DROP TABLE IF EXISTS bench_day`
  // At noon 2.5 times the mean, at midnight little.
  yield* sql`
    CREATE UNLOGGED TABLE bench_day AS
    WITH draws AS MATERIALIZED (
      SELECT
        ${
          isEven
            ? sql`${from}::timestamptz + u * (${to}::timestamptz - ${from}::timestamptz)`
            : sql`${midnight}::timestamptz + (u + 0.095 * sin(2 * pi() * u)) * interval '24 hours'`
        } AS started_at,
        floor(random() * slots)::int AS slot, random() AS luck, random_normal() AS pace, random_normal() AS size,
        md5(floor(${USERS}::int * random() ^ 2)::int::text)::uuid::text AS end_user,
        ARRAY[
          CASE WHEN random() < 0.9 THEN 'prod' ELSE 'staging' END, 'tag-' || floor(${TAGS}::int * random() ^ 2)::int
        ] AS tags
      FROM (SELECT count(*) AS slots FROM bench_slots) AS counted, (
        SELECT random() AS u FROM generate_series(1, ${perDay}::int)
      ) AS times
    )
    SELECT
      date_trunc('milliseconds', started_at) AS started_at, luck, key AS key_id, team, endpoint, stream,
      CASE WHEN luck >= 0.006 THEN provider END AS provider, CASE WHEN luck >= 0.006 THEN model END AS model,
      greatest(1, (median * exp(0.45 * pace) * CASE WHEN stream THEN 2.5 ELSE 1 END))::int AS latency_ms,
      CASE WHEN luck >= 0.014 THEN used.input_tokens END AS input_tokens,
      CASE WHEN luck >= 0.014 THEN used.output_tokens END AS output_tokens,
      CASE
        WHEN luck BETWEEN 0.014 AND 0.995
        THEN used.input_tokens * input + coalesce(used.output_tokens, 0) * output
      END AS cost_nano_usd,
      CASE
        WHEN luck < 0.00001 THEN 'deadline_exceeded' WHEN luck < 0.002 THEN 'all_providers_failed'
        WHEN luck < 0.006 THEN 'rate_limited' WHEN luck < 0.014 THEN 'invalid_request'
        WHEN luck < 0.02 THEN 'stream_interrupted'
      END AS error_code,
      luck >= 0.02 AS success, end_user, tags
    FROM draws JOIN bench_slots USING (slot) JOIN bench_cells AS cells USING (cell) CROSS JOIN LATERAL (
      SELECT
        greatest(1, 700 * exp(0.9 * size))::bigint AS input_tokens,
        CASE WHEN output > 0 THEN greatest(1, 220 * exp(0.7 * pace))::bigint END AS output_tokens
    ) AS used
    WHERE started_at >= ${from}::timestamptz AND started_at < ${to}::timestamptz`
  yield* sql`ANALYZE bench_day`
  const [made] = yield* sql<{ requests: number }>`SELECT count(*)::int AS requests FROM bench_day`
  return made?.requests ?? 0
})

/** Makes rows of a day's requests, with ids in order of time, as the gateway's are. */
const fillDay = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, { midnight }: Day) {
  yield* sql`SELECT create_ledger_day((${midnight}::timestamptz AT TIME ZONE 'UTC')::date)`
  yield* sql`
    WITH inserted AS (
      INSERT INTO requests (
        id, started_at, latency_ms, key_id, endpoint, route, requested_model, provider, model, status, error_code,
        stream, first_token_ms, finish_reason, input_tokens, output_tokens, cached_tokens, reasoning_tokens,
        raw_usage, cost_nano_usd, cost_reason, price_version, decision, attempts, team, end_user, tags
      )
      SELECT
        uuidv7(started_at - clock_timestamp()), started_at, latency_ms, key_id, endpoint, 'auto', 'auto', provider,
        model,
        CASE error_code
          WHEN 'deadline_exceeded' THEN 504 WHEN 'all_providers_failed' THEN 503 WHEN 'rate_limited' THEN 429
          WHEN 'invalid_request' THEN 400 ELSE 200
        END,
        error_code, stream, CASE WHEN stream THEN latency_ms / 5 END,
        CASE WHEN error_code IS NULL THEN 'stop' END, input_tokens, output_tokens,
        CASE WHEN luck >= 0.014 THEN 0 END, CASE WHEN luck >= 0.014 THEN 0 END,
        CASE WHEN luck >= 0.014 THEN jsonb_build_object(
          'prompt_tokens', input_tokens, 'completion_tokens', output_tokens, 'total_tokens',
          input_tokens + output_tokens, 'prompt_tokens_details', '{"cached_tokens": 0}'::jsonb
        ) END,
        cost_nano_usd, CASE WHEN luck > 0.995 THEN 'missing_usage' END, 'list@2026-11-23', ${decision}::jsonb,
        CASE WHEN luck < 0.006 THEN 0 WHEN luck > 0.97 THEN 2 ELSE 1 END, team, end_user, tags
      FROM bench_day
      ORDER BY started_at
      RETURNING id, started_at, latency_ms, provider, model, attempts, input_tokens, output_tokens, cost_nano_usd
    )
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
    FROM inserted CROSS JOIN generate_series(1, attempts) AS ordinal`
})

const noteKinds = (sql: SqlClient.SqlClient, { midnight }: Day) => sql`
  INSERT INTO request_kinds (day, key_id, endpoint, provider, model, stream, team)
  SELECT DISTINCT
    (${midnight}::timestamptz AT TIME ZONE 'UTC')::date, key_id, endpoint, coalesce(provider, ''), coalesce(model, ''),
    stream, coalesce(team, '')
  FROM bench_day
  ON CONFLICT DO NOTHING`

/** The sums over requests, as the ledger makes them while it writes rows, see `writeBatch`. */
const SUMS = `
  count(*), count(*) FILTER (WHERE NOT success), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), 0, 0,
  coalesce(sum(cost_nano_usd), 0), count(*) FILTER (WHERE success AND cost_nano_usd IS NULL),
  coalesce(sum(latency_ms) FILTER (WHERE success), 0), 0, 0`

/** The bucket is that of `latencyBucket`, with room for what logarithms of powers of two are off. */
const BUCKET = "CASE WHEN latency_ms <= 1 THEN 0 ELSE ceil(20 * ln(latency_ms) / ln(2) - 1e-9) END::smallint"

const CELL = "hour, key_id, provider, model, stream"

const cells = `
  SELECT *, date_trunc('hour', started_at, 'UTC') AS hour, coalesce(provider, '') AS by_provider,
    coalesce(model, '') AS by_model
  FROM bench_day`

const countUsage = (sql: SqlClient.SqlClient) =>
  sql.unsafe(`
    INSERT INTO usage_recent AS rollup (${CELL}, ${ROLLUP_SUMS.join(", ")})
    SELECT hour, key_id, by_provider, by_model, stream, ${SUMS} FROM (${cells}) AS cells GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (${CELL}) DO UPDATE SET ${addedSums("rollup")}`)

const countLatencies = (sql: SqlClient.SqlClient) =>
  sql.unsafe(`
    INSERT INTO latency_recent AS rollup (${CELL}, bucket, requests)
    SELECT hour, key_id, by_provider, by_model, stream, ${BUCKET}, count(*)
    FROM (${cells}) AS cells
    WHERE success
    GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (${CELL}, bucket) DO UPDATE SET requests = rollup.requests + excluded.requests`)

const FIRST_TOKEN_BUCKET = BUCKET.replaceAll("latency_ms", "(latency_ms / 5)")

const HISTOGRAM = "string_agg(int2send(bucket) || int4send(counted), '')"

/** The first tokens of streams, as `fillDay` has them. */
const countFirstTokens = (sql: SqlClient.SqlClient) =>
  sql.unsafe(`
    INSERT INTO first_token_usage AS kept (hours, start, provider, model, first_tokens)
    SELECT hours, start, by_provider, by_model, ${HISTOGRAM}
    FROM (
      SELECT hours, start, by_provider, by_model, ${FIRST_TOKEN_BUCKET} AS bucket, count(*)::int AS counted
      FROM (${cells}) AS cells CROSS JOIN unnest('{1,24}'::int[]) AS hours
        CROSS JOIN date_bin(make_interval(hours => hours), hour, timestamptz '1970-01-01Z') AS start
      WHERE success AND stream
      GROUP BY hours, start, by_provider, by_model, bucket
    ) AS buckets
    GROUP BY hours, start, by_provider, by_model
    ON CONFLICT (hours, start, provider, model) DO UPDATE SET first_tokens = kept.first_tokens || excluded.first_tokens`)

const countMinutes = (sql: SqlClient.SqlClient) => {
  const histogram = (bucket: string, name: string, which: string) => `
    SELECT minute, stream, ${HISTOGRAM} AS ${name}
    FROM (
      SELECT minute, stream, ${bucket} AS bucket, count(*)::int AS counted FROM timed WHERE ${which}
      GROUP BY minute, stream, bucket
    ) AS buckets
    GROUP BY minute, stream`
  return sql.unsafe(`
    WITH timed AS MATERIALIZED (SELECT *, date_trunc('minute', started_at) AS minute FROM bench_day)
    INSERT INTO minute_usage AS kept (minute, stream, ${ROLLUP_SUMS.join(", ")}, latencies, first_tokens)
    SELECT
      minute, stream, ${ROLLUP_SUMS.join(", ")}, coalesce(latencies, ''), coalesce(first_tokens, '')
    FROM (SELECT minute, stream, ${SUMS} FROM timed GROUP BY minute, stream)
        AS summed (minute, stream, ${ROLLUP_SUMS.join(", ")})
      LEFT JOIN (${histogram(BUCKET, "latencies", "success")}) AS latency USING (minute, stream)
      LEFT JOIN (${histogram(FIRST_TOKEN_BUCKET, "first_tokens", "success AND stream")}) AS first USING (minute, stream)
    ON CONFLICT (minute, stream) DO UPDATE SET
      ${addedSums("kept")}, latencies = kept.latencies || excluded.latencies,
      first_tokens = kept.first_tokens || excluded.first_tokens`)
}

/** The same for what requests belong to. */
const countAttributed = (sql: SqlClient.SqlClient) => {
  const belonging = `
    SELECT hour, ${MEMBER}, stream, latency_ms, input_tokens, output_tokens, cost_nano_usd, success
    FROM (${cells}) AS cells CROSS JOIN LATERAL ${membersOf("cells", "by_provider", "by_model")}`
  return Effect.andThen(
    sql.unsafe(`
      INSERT INTO attributed_recent AS rollup (${ATTRIBUTED_CELL}, ${ROLLUP_SUMS.join(", ")})
      SELECT ${ATTRIBUTED_CELL}, ${SUMS} FROM (${belonging}) AS belonging GROUP BY ${ATTRIBUTED_CELL}
      ON CONFLICT (${ATTRIBUTED_CELL}) DO UPDATE SET ${addedSums("rollup")}`),
    sql.unsafe(`
      INSERT INTO attributed_latency_recent AS rollup (${ATTRIBUTED_CELL}, bucket, requests)
      SELECT ${ATTRIBUTED_CELL}, ${BUCKET}, count(*)
      FROM (${belonging}) AS belonging
      WHERE success AND ${HAS_LATENCIES}
      GROUP BY ${ATTRIBUTED_CELL}, 8
      ON CONFLICT (${ATTRIBUTED_CELL}, bucket) DO UPDATE SET requests = rollup.requests + excluded.requests`),
  )
}

/** What the requests of the day add up to, in all and as often as they belong to something. */
const noteTruth = (sql: SqlClient.SqlClient) => sql`
  INSERT INTO bench_truth
  SELECT
    dimension, stream, count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
    coalesce(sum(cost_nano_usd), 0)
  FROM bench_day CROSS JOIN LATERAL (
    VALUES ('all', 1), ('endpoint', 1), ('team', (team IS NOT NULL)::int), ('user', 1), ('tag', cardinality(tags))
  ) AS member (dimension, times) CROSS JOIN LATERAL generate_series(1, times)
  GROUP BY 1, 2`

/** Whether the rollups, per mode, are not what the requests add up to. */
export const sumsDiffer = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = "stream, requests, input_tokens, output_tokens, cost_nano_usd"
  const perMode = (from: string) =>
    Effect.map(
      sql.unsafe(`
        SELECT stream, ${["requests", "input_tokens", "output_tokens", "cost_nano_usd"].map((name) => `sum(${name})::text AS ${name}`).join(", ")}
        FROM ${from} GROUP BY 1 ORDER BY 1`),
      (rows) => JSON.stringify(rows),
    )
  const tables = [
    ...[USAGE, ...COARSER_USAGE].map((table) => ({ ...table, dimension: "all" })),
    ...ATTRIBUTED_USAGE,
  ]
  for (const { dimension, hours: sizes, name } of tables) {
    const truth = yield* perMode(`bench_truth WHERE dimension = '${dimension}'`)
    const recent = dimension === "all" ? "usage_recent" : `attributed_recent WHERE dimension = '${dimension}'`
    for (const hours of sizes) {
      const both = `(
        SELECT ${columns} FROM ${name} WHERE hours = ${hours} UNION ALL SELECT ${columns} FROM ${recent}
      ) AS both_levels`
      if ((yield* perMode(both)) !== truth) return true
    }
  }
  return false
})
