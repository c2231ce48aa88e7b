import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"

/** What the database holds when everything is over. */
export interface Books {
  readonly rows: ReadonlyArray<Row>
  readonly attempts: ReadonlyArray<Attempt>
  readonly claims: ReadonlyArray<Claim>
  /** Sums that differ between the rows and a rollup; empty is right. */
  readonly rollupFaults: ReadonlyArray<string>
}

export interface Row {
  readonly id: string
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly latencyMs: number
  readonly requestedModel: string
  readonly user: string | null
  readonly status: number
  readonly error: string | null
  readonly costNanoUsd: number | null
  readonly attempts: number
}

export interface Attempt {
  readonly requestId: string
  readonly provider: string
  readonly outcome: string
  readonly costNanoUsd: number | null
}

interface Claim {
  readonly keyHash: string
  readonly runs: number
  readonly status: number | null
}

export const readBooks = (databaseUrl: string): Promise<Books> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return {
      rows: yield* sql<Row>`
        SELECT id::text, (extract(epoch FROM started_at) * 1000)::float8 AS "startedAt", latency_ms AS "latencyMs",
          requested_model AS "requestedModel", nullif(end_user, '') AS user, status, error_code AS error,
          cost_nano_usd::float8 AS "costNanoUsd", attempts
        FROM requests`,
      attempts: yield* sql<Attempt>`
        SELECT request_id::text AS "requestId", provider, outcome, cost_nano_usd::float8 AS "costNanoUsd"
        FROM attempts ORDER BY request_id, ordinal`,
      claims: yield* sql<Claim>`
        SELECT encode(key_hash, 'hex') AS "keyHash", runs, response_status AS status FROM idempotency_claims`,
      rollupFaults: yield* rollupFaults(sql),
    }
  }).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(databaseUrl), prepare: false }), { local: true }),
    Effect.runPromise,
  )

const sums = [
  ...["requests", "errors", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"],
  ...["cost_nano_usd", "unpriced_requests", "latency_ms", "wasted_nano_usd", "unpriced_attempts"],
]

/** Rows of the rollups count so many hours each, from a multiple of them since 1970. */
const UNITS = [1, 6, 24, 168]

const TABLES: ReadonlyArray<readonly [table: string, ...groups: ReadonlyArray<string>]> = [
  ["usage", "key_id", "provider", "model"],
  ["key_usage", "key_id"],
  ["model_usage", "provider", "model"],
  ["total_usage"],
]

/**
 * Every rollup table, with what is still in the recent one, against the rows themselves: in every unit, for each of its
 * groups and each mode, in whole nano-dollars. Successes are also counted in the histograms.
 */
const rollupFaults = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  const faults: Array<string> = []
  for (const [table, ...groups] of TABLES) {
    const key = ["start", ...groups, "stream"].join(", ")
    const total = sums.map((column) => `sum(${column})::bigint`).join(", ")
    const grouped = groups.map((column) => `coalesce(requests.${column}, '') AS ${column},`).join(" ")
    const tried = groups.map((column) => (column === "key_id" ? "key_id," : `attempts.${column},`)).join(" ")
    for (const hours of UNITS) {
      const start = (column: string) =>
        `date_bin(make_interval(hours => ${hours}), ${column}, timestamptz '1970-01-01Z') AS start`
      const wrong = yield* sql.unsafe<{ at: string }>(`
        WITH truth AS (
          SELECT ${key}, coalesce(sum(asked), 0), coalesce(sum(asked) FILTER (WHERE NOT good), 0), coalesce(sum(input_tokens), 0)::bigint,
            coalesce(sum(output_tokens), 0)::bigint, coalesce(sum(cached_tokens), 0)::bigint,
            coalesce(sum(reasoning_tokens), 0)::bigint, coalesce(sum(cost_nano_usd), 0)::bigint,
            count(*) FILTER (WHERE good AND cost_nano_usd IS NULL),
            coalesce(sum(latency_ms) FILTER (WHERE good), 0)::bigint, coalesce(sum(wasted), 0)::bigint,
            coalesce(sum(unpriced), 0)::bigint,
            count(*) FILTER (WHERE good)
          FROM (
            SELECT ${start("started_at")}, ${grouped} stream, input_tokens, output_tokens, cached_tokens,
              reasoning_tokens, cost_nano_usd, latency_ms, requests.requests AS asked,
              requests.provider IS NOT NULL AND status BETWEEN 200 AND 299 AND error_code IS NULL AS good,
              NULL::bigint AS wasted, NULL::int AS unpriced
            FROM requests
            UNION ALL
            SELECT ${start("requests.started_at")}, ${tried} stream, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
              attempts.cost_nano_usd, (attempts.cost_nano_usd IS NULL)::int
            FROM requests JOIN attempts ON request_id = id
            WHERE (attempts.cost_nano_usd > 0 OR (attempts.cost_nano_usd IS NULL AND attempts.input_tokens IS NOT NULL)) AND (requests.provider IS NULL OR ordinal < requests.attempts)
          ) AS rows
          GROUP BY ${key}
        ), counted AS (
          SELECT ${start("hour")}, ${[...groups, "stream", ...sums].join(", ")}, 0::bigint AS timed
          FROM usage_recent
          UNION ALL
          SELECT ${start("hour")}, ${[...groups, "stream", ...sums.map(() => "0")].join(", ")}, requests
          FROM latency_recent
          UNION ALL
          SELECT ${[key, ...sums].join(", ")},
            (SELECT coalesce(sum(bucket.requests), 0)::bigint FROM latency_buckets(latencies) AS bucket)
          FROM ${table} WHERE hours = ${hours}
        ), stored AS (
          SELECT ${key}, ${total}, sum(timed)::bigint FROM counted GROUP BY ${key}
        )
        SELECT missing::text AS at FROM (TABLE truth EXCEPT ALL TABLE stored) AS missing
        UNION ALL
        SELECT invented::text FROM (TABLE stored EXCEPT ALL TABLE truth) AS invented`)
      faults.push(...wrong.map(({ at }) => `${table} in units of ${hours} h: ${at}`))
    }
  }
  return faults
})
