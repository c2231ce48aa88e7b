import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Rollups get what attempts cost whose answer was not the request's, in the row of the attempt's provider and model.
 * Gateways of the version before, which say nothing about it, add 0.
 */
export default Effect.gen(function* () {
  yield* addColumn
  yield* countPast
})

const addColumn = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (const table of ["usage_recent", "usage", "key_usage", "model_usage", "total_usage"])
    yield* sql`ALTER TABLE ${sql(table)} ADD COLUMN wasted_nano_usd bigint NOT NULL DEFAULT 0`
  yield* sql`
    CREATE OR REPLACE VIEW usage_rollups AS
    SELECT
      hour, key_id, provider, model, stream, sum(requests)::bigint AS requests, sum(errors)::bigint AS errors,
      sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
      sum(cached_tokens)::bigint AS cached_tokens, sum(reasoning_tokens)::bigint AS reasoning_tokens,
      sum(cost_nano_usd)::bigint AS cost_nano_usd, sum(unpriced_requests)::bigint AS unpriced_requests,
      sum(latency_ms)::bigint AS latency_ms, sum(wasted_nano_usd)::bigint AS wasted_nano_usd
    FROM (
      SELECT
        hour, key_id, provider, model, stream, requests, errors, input_tokens, output_tokens, cached_tokens,
        reasoning_tokens, cost_nano_usd, unpriced_requests, latency_ms, wasted_nano_usd
      FROM usage_recent
      UNION ALL
      SELECT
        start, key_id, provider, model, stream, requests, errors, input_tokens, output_tokens, cached_tokens,
        reasoning_tokens, cost_nano_usd, unpriced_requests, latency_ms, wasted_nano_usd
      FROM usage WHERE hours = 1
    ) AS both_levels
    GROUP BY hour, key_id, provider, model, stream`
})

/**
 * Counts the attempts that are still there, as recent ones: upkeep moves them on. Only requests with a failure that cost
 * something, and those that nobody answered, are looked at: tokens of failures were hardly ever known before.
 */
const countPast = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const days = yield* sql<{ requests: string; attempts: string }>`
    SELECT requests, attempts FROM ledger_partitions WHERE to_regclass(attempts) IS NOT NULL`
  for (const { requests, attempts } of days) {
    yield* sql`
      WITH candidate AS (
        SELECT request_id AS id FROM ${sql(attempts)} WHERE cost_nano_usd > 0 AND outcome <> 'success'
        UNION
        SELECT id FROM ${sql(requests)} WHERE provider IS NULL AND attempts > 0
      )
      INSERT INTO usage_recent AS rollup (
        hour, key_id, provider, model, stream, requests, errors, input_tokens, output_tokens, cached_tokens,
        reasoning_tokens, cost_nano_usd, unpriced_requests, latency_ms, wasted_nano_usd
      )
      SELECT
        date_trunc('hour', request.started_at, 'UTC'), request.key_id, attempt.provider, attempt.model, request.stream,
        0, 0, 0, 0, 0, 0, 0, 0, 0, sum(attempt.cost_nano_usd)
      FROM candidate
        JOIN ${sql(requests)} AS request USING (id)
        JOIN ${sql(attempts)} AS attempt ON attempt.request_id = id
      WHERE attempt.cost_nano_usd > 0
        AND (attempt.ordinal, attempt.provider, attempt.model)
          IS DISTINCT FROM (request.attempts, request.provider, request.model)
      GROUP BY 1, 2, 3, 4, 5
      ON CONFLICT (hour, key_id, provider, model, stream) DO UPDATE SET
        wasted_nano_usd = rollup.wasted_nano_usd + excluded.wasted_nano_usd`
  }
})
