import type { SqlClient, Statement } from "effect/sql"
import { isWasted, wastedSums } from "../tables/rollups.ts"

/** SQL for whether a row of `requests` is of a success, as the writer of batches tells it. */
export const SUCCESS =
  "coalesce(provider IS NOT NULL AND status BETWEEN 200 AND 299 AND error_code IS NULL, false)"

/** SQL for the sums over rows, each with its `success`; the last one is of those whose latency was counted. */
export const ROW_SUMS = `
  sum(requests) AS requests, coalesce(sum(requests) FILTER (WHERE NOT success), 0) AS errors,
  coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens,
  coalesce(sum(cached_tokens), 0) AS cached_tokens, coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens,
  coalesce(sum(cost_nano_usd), 0) AS cost_nano_usd,
  count(*) FILTER (WHERE success AND cost_nano_usd IS NULL) AS unpriced_requests,
  coalesce(sum(latency_ms) FILTER (WHERE success), 0) AS latency_ms, count(*) FILTER (WHERE success) AS measured`

const WASTED = wastedSums("tried")

/** SQL for the sums over the attempts that `wastedAttempts` finds. */
export const WASTED_SUMS = WASTED.sums

/** Returns SQL for the attempts, `tried`, that cost something in vain for the requests of `counted`; they are under that day. */
export const wastedAttempts = (
  sql: SqlClient.SqlClient,
  attemptsDay: Date,
): { readonly joined: Statement.Fragment; readonly condition: Statement.Fragment } => ({
  joined: sql`counted JOIN attempts AS tried ON tried.request_id = counted.id`,
  condition: sql`
    tried.day = (${attemptsDay}::timestamptz AT TIME ZONE 'UTC')::date AND ${sql.literal(WASTED.hasAny)}
    AND ${sql.literal(isWasted("tried", "counted"))}`,
})

/** Returns SQL for how many requests a histogram has. */
export const measuredIn = (histogram: string): string =>
  `(SELECT coalesce(sum(counts.requests), 0) FROM latency_buckets(${histogram}) AS counts)`
