import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Rollups get how many attempts used tokens at an unknown cost and were not the request's answer, in the row of the attempt's
 * provider and model. Gateways of the version before, which say nothing about it, add 0.
 */
export default Effect.gen(function* () {
  yield* addColumn
  yield* countPast
})

const addColumn = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (const table of ["usage_recent", "usage", "key_usage", "model_usage", "total_usage"])
    yield* sql`ALTER TABLE ${sql(table)} ADD COLUMN unpriced_attempts bigint NOT NULL DEFAULT 0`
  yield* sql`
    CREATE OR REPLACE VIEW usage_rollups AS
    SELECT
      hour, key_id, provider, model, stream, sum(requests)::bigint AS requests, sum(errors)::bigint AS errors,
      sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
      sum(cached_tokens)::bigint AS cached_tokens, sum(reasoning_tokens)::bigint AS reasoning_tokens,
      sum(cost_nano_usd)::bigint AS cost_nano_usd, sum(unpriced_requests)::bigint AS unpriced_requests,
      sum(latency_ms)::bigint AS latency_ms, sum(wasted_nano_usd)::bigint AS wasted_nano_usd,
      sum(unpriced_attempts)::bigint AS unpriced_attempts
    FROM (
      SELECT
        hour, key_id, provider, model, stream, requests, errors, input_tokens, output_tokens, cached_tokens,
        reasoning_tokens, cost_nano_usd, unpriced_requests, latency_ms, wasted_nano_usd, unpriced_attempts
      FROM usage_recent
      UNION ALL
      SELECT
        start, key_id, provider, model, stream, requests, errors, input_tokens, output_tokens, cached_tokens,
        reasoning_tokens, cost_nano_usd, unpriced_requests, latency_ms, wasted_nano_usd, unpriced_attempts
      FROM usage WHERE hours = 1
    ) AS both_levels
    GROUP BY hour, key_id, provider, model, stream`
})

/** Counts the attempts that are still there, as recent ones: upkeep moves them on. */
const countPast = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const days = yield* sql<{ requests: string; attempts: string }>`
    SELECT requests, attempts FROM ledger_partitions WHERE to_regclass(attempts) IS NOT NULL`
  for (const { requests, attempts } of days) {
    yield* sql`
      INSERT INTO usage_recent AS rollup (
        hour, key_id, provider, model, stream, requests, errors, input_tokens, output_tokens, cached_tokens,
        reasoning_tokens, cost_nano_usd, unpriced_requests, latency_ms, wasted_nano_usd, unpriced_attempts
      )
      SELECT
        date_trunc('hour', request.started_at, 'UTC'), request.key_id, attempt.provider, attempt.model, request.stream,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, count(*)
      FROM ${sql(attempts)} AS attempt JOIN ${sql(requests)} AS request ON request.id = attempt.request_id
      WHERE attempt.cost_nano_usd IS NULL AND attempt.input_tokens IS NOT NULL
        AND (attempt.ordinal, attempt.provider, attempt.model)
          IS DISTINCT FROM (request.attempts, request.provider, request.model)
      GROUP BY 1, 2, 3, 4, 5
      ON CONFLICT (hour, key_id, provider, model, stream) DO UPDATE SET
        unpriced_attempts = rollup.unpriced_attempts + excluded.unpriced_attempts`
  }
})
