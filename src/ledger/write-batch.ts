import { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import { failureCode } from "../database/failure-code.ts"
import type { LedgerEntry } from "./ledger-entry.ts"
import { createDaysOf } from "./tables/partitions.ts"

/**
 * Turns a batch into rows, whatever days its records are of: a late one may be of a day that has no partition yet, or
 * none any more. Then the statement has written nothing, and is repeated once the days are there.
 */
export const writeBatch = (
  sql: SqlClient.SqlClient,
  entries: ReadonlyArray<LedgerEntry>,
): Effect.Effect<void, SqlError.SqlError> => {
  // Text, not a typed array per column: the line is what the journal holds, and sending it on costs no re-encoding.
  const batch = `[${entries.map((entry) => entry.line).join(",")}]`
  const insert = insertBatch(sql, batch)
  return insert.pipe(
    Effect.catchIf(isWithoutPartition, () => Effect.andThen(createDaysOf(sql, batch), insert)),
    Effect.asVoid,
  )
}

/**
 * Requests that are already there are left alone, and attempts, rollups and histogram are fed only from the rows that
 * were really inserted: repeating a batch whose outcome is unknown counts nothing twice. One statement is one
 * transaction. Rollups are locked in key order, so replicas that write at the same time wait for each other instead of
 * deadlocking.
 */
const insertBatch = (sql: SqlClient.SqlClient, batch: string): Statement.Statement<unknown> =>
  sql`
    WITH input AS MATERIALIZED (
      SELECT DISTINCT ON (id) *, date_trunc('hour', to_timestamp(started_at_ms / 1000), 'UTC') AS hour
      FROM jsonb_to_recordset(${batch}::jsonb) AS record (
        id uuid, started_at_ms double precision, latency_ms integer, latency_bucket smallint, key_id text,
        endpoint text, route text, requested_model text, provider text, model text, status smallint,
        error_code text, stream boolean, first_token_ms integer, finish_reason text, input_tokens bigint,
        output_tokens bigint, cached_tokens bigint, reasoning_tokens bigint, usage_estimated boolean,
        raw_usage jsonb, cost_nano_usd bigint, cost_reason text, price_version text, decision jsonb,
        attempts jsonb
      )
      ORDER BY id
    ), inserted AS (
      INSERT INTO requests (
        id, started_at, latency_ms, key_id, endpoint, route, requested_model, provider, model, status,
        error_code, stream, first_token_ms, finish_reason, input_tokens, output_tokens, cached_tokens,
        reasoning_tokens, usage_estimated, raw_usage, cost_nano_usd, cost_reason, price_version, decision,
        attempts
      )
      SELECT
        id, to_timestamp(started_at_ms / 1000), latency_ms, key_id, endpoint, route, requested_model, provider,
        model, status, error_code, stream, first_token_ms, finish_reason, input_tokens, output_tokens,
        cached_tokens, reasoning_tokens, coalesce(usage_estimated, false), raw_usage, cost_nano_usd, cost_reason,
        price_version, decision, jsonb_array_length(attempts)
      FROM input
      ORDER BY id
      ON CONFLICT DO NOTHING
      RETURNING id
    ), counted AS (
      SELECT
        input.*, (hour AT TIME ZONE 'UTC')::date AS day, coalesce(provider, '') AS answered_by,
        coalesce(model, '') AS answering_model
      FROM input JOIN inserted USING (id)
    ), inserted_kinds AS (
      INSERT INTO request_kinds (day, key_id, endpoint, provider, model, stream)
      SELECT DISTINCT day, key_id, endpoint, answered_by, answering_model, stream
      FROM counted
      ORDER BY day, key_id, endpoint, answered_by, answering_model, stream
      ON CONFLICT DO NOTHING
    ), inserted_attempts AS (
      INSERT INTO attempts (
        request_id, day, ordinal, provider, model, started_at, latency_ms, outcome, upstream_status,
        input_tokens, output_tokens, cached_tokens, usage_estimated, cost_nano_usd
      )
      SELECT
        counted.id, counted.day, attempt.ordinality, attempt.provider, attempt.model,
        to_timestamp(attempt.started_at_ms / 1000), attempt.latency_ms, attempt.outcome,
        attempt.upstream_status, attempt.input_tokens, attempt.output_tokens, attempt.cached_tokens,
        coalesce(attempt.usage_estimated, false), attempt.cost_nano_usd
      FROM counted CROSS JOIN ROWS FROM (
        jsonb_to_recordset(counted.attempts) AS (
          provider text, model text, started_at_ms double precision, latency_ms integer, outcome text,
          upstream_status smallint, input_tokens bigint, output_tokens bigint, cached_tokens bigint,
          usage_estimated boolean, cost_nano_usd bigint
        )
      ) WITH ORDINALITY AS attempt
    ), updated_usage AS (
      INSERT INTO usage_recent AS rollup (
        hour, key_id, provider, model, stream, requests, errors, input_tokens, output_tokens, cached_tokens,
        reasoning_tokens, cost_nano_usd, unpriced_requests, latency_ms
      )
      SELECT
        hour, key_id, answered_by, answering_model, stream, count(*),
        count(*) FILTER (WHERE latency_bucket IS NULL),
        coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(cached_tokens), 0),
        coalesce(sum(reasoning_tokens), 0), coalesce(sum(cost_nano_usd), 0),
        count(*) FILTER (WHERE latency_bucket IS NOT NULL AND cost_nano_usd IS NULL),
        coalesce(sum(latency_ms) FILTER (WHERE latency_bucket IS NOT NULL), 0)
      FROM counted
      GROUP BY hour, key_id, answered_by, answering_model, stream
      ORDER BY hour, key_id, answered_by, answering_model, stream
      ON CONFLICT (hour, key_id, provider, model, stream) DO UPDATE SET
        requests = rollup.requests + excluded.requests,
        errors = rollup.errors + excluded.errors,
        input_tokens = rollup.input_tokens + excluded.input_tokens,
        output_tokens = rollup.output_tokens + excluded.output_tokens,
        cached_tokens = rollup.cached_tokens + excluded.cached_tokens,
        reasoning_tokens = rollup.reasoning_tokens + excluded.reasoning_tokens,
        cost_nano_usd = rollup.cost_nano_usd + excluded.cost_nano_usd,
        unpriced_requests = rollup.unpriced_requests + excluded.unpriced_requests,
        latency_ms = rollup.latency_ms + excluded.latency_ms
    )
    INSERT INTO latency_recent AS rollup (hour, key_id, provider, model, stream, bucket, requests)
    SELECT hour, key_id, answered_by, answering_model, stream, latency_bucket, count(*)
    FROM counted
    WHERE latency_bucket IS NOT NULL
    GROUP BY hour, key_id, answered_by, answering_model, stream, latency_bucket
    ORDER BY hour, key_id, answered_by, answering_model, stream, latency_bucket
    ON CONFLICT (hour, key_id, provider, model, stream, bucket) DO UPDATE SET
      requests = rollup.requests + excluded.requests`

/** The tables have no constraint of their own that fails with this code. */
const isWithoutPartition = (error: SqlError.SqlError): boolean => failureCode(error) === "23514"

/**
 * Whether some record of the batch is at fault: data exceptions (22), violated constraints (23) and program limits
 * (54, such as an index entry too large). Everything else is the database's trouble and passes, or stays until an
 * operator ends it; records must survive both. A day that was dropped again before it was written to is trouble.
 */
export const isRecordAtFault = (error: SqlError.SqlError): boolean => {
  const code = failureCode(error)
  return code !== undefined && /^(22|23|54)...$/.test(code) && !isWithoutPartition(error)
}
