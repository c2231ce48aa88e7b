import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * What a page that shows how things are asks of the ledger beside hours and days. `minute_usage` has what was counted in each
 * minute of the last day, all keys and models together. `first_token_usage` has how long streamed answers took to their first
 * token, by model, in hours and days; the writer counts in both sizes, so that nothing moves. Histograms are those of the
 * other tables of sums: entries of six bytes, of which any in a row are their sum.
 *
 * And days get indexes by which slow, expensive and failed requests are found.
 */
export default Effect.gen(function* () {
  yield* addTables
  yield* countPast
  yield* addIndexes
})

const SUMS = [
  ...["requests", "errors", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"],
  ...["cost_nano_usd", "unpriced_requests", "latency_ms", "wasted_nano_usd", "unpriced_attempts"],
]

const addTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Rows of now change with every batch: there is room for their next versions.
  yield* sql.unsafe(`
    CREATE TABLE minute_usage (
      minute timestamptz NOT NULL,
      stream boolean NOT NULL,
      ${SUMS.map((column) => `${column} bigint NOT NULL,`).join(" ")}
      latencies bytea NOT NULL,
      first_tokens bytea NOT NULL,
      PRIMARY KEY (minute, stream)
    ) WITH (fillfactor = 50)`)
  yield* sql`
    CREATE TABLE first_token_usage (
      hours smallint NOT NULL,
      start timestamptz NOT NULL,
      provider text NOT NULL,
      model text NOT NULL,
      first_tokens bytea NOT NULL,
      PRIMARY KEY (hours, start, provider, model)
    ) WITH (fillfactor = 70)`
})

/** Counts the last day, which is all that minutes are kept for. */
const countPast = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const success = "provider IS NOT NULL AND status BETWEEN 200 AND 299 AND error_code IS NULL"
  const recent = "started_at >= date_trunc('day', now() - interval '1 day', 'UTC')"
  // The bucket is that of `latencyBucket`, with room for what logarithms of powers of two are off.
  const bucket = (ms: string) =>
    `CASE WHEN ${ms} <= 1 THEN 0 ELSE ceil(20 * ln(${ms}) / ln(2) - 1e-9) END::smallint`
  const histogram = (ms: string, groups: string, name: string) => `
    SELECT ${groups}, string_agg(int2send(bucket) || int4send(counted), '' ORDER BY bucket) AS ${name}
    FROM (
      SELECT ${groups}, ${bucket(ms)} AS bucket, count(*)::int AS counted FROM answered WHERE ${ms} IS NOT NULL
      GROUP BY ${groups}, bucket
    ) AS buckets
    GROUP BY ${groups}`
  yield* sql.unsafe(`
    WITH past AS MATERIALIZED (
      SELECT *, date_trunc('minute', started_at) AS minute, ${success} AS success FROM requests WHERE ${recent}
    ), answered AS (
      SELECT minute, stream, latency_ms, first_token_ms FROM past WHERE success
    ), summed AS (
      SELECT
        minute, stream, sum(requests) AS requests, coalesce(sum(requests) FILTER (WHERE success IS NOT TRUE), 0) AS errors,
        coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens,
        coalesce(sum(cached_tokens), 0) AS cached_tokens, coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens,
        coalesce(sum(cost_nano_usd), 0) AS cost_nano_usd,
        count(*) FILTER (WHERE success AND cost_nano_usd IS NULL) AS unpriced_requests,
        coalesce(sum(latency_ms) FILTER (WHERE success), 0) AS latency_ms
      FROM past GROUP BY minute, stream
    ), wasted AS (
      SELECT
        minute, stream, coalesce(sum(attempt.cost_nano_usd), 0) AS wasted_nano_usd,
        count(*) FILTER (WHERE attempt.cost_nano_usd IS NULL) AS unpriced_attempts
      FROM attempts AS attempt JOIN past ON past.id = attempt.request_id
      WHERE attempt.day >= (now() AT TIME ZONE 'UTC')::date - 1
        AND (attempt.cost_nano_usd > 0 OR (attempt.cost_nano_usd IS NULL AND attempt.input_tokens IS NOT NULL))
        AND (attempt.ordinal, attempt.provider, attempt.model)
          IS DISTINCT FROM (past.attempts, past.provider, past.model)
      GROUP BY minute, stream
    ), latencies AS (${histogram("latency_ms", "minute, stream", "latencies")}
    ), first_tokens AS (${histogram("first_token_ms", "minute, stream", "first_tokens")}
    )
    INSERT INTO minute_usage (minute, stream, ${SUMS.join(", ")}, latencies, first_tokens)
    SELECT
      minute, stream, ${SUMS.map((column) => `coalesce(${column}, 0)`).join(", ")}, coalesce(latencies, ''),
      coalesce(first_tokens, '')
    FROM summed LEFT JOIN wasted USING (minute, stream) LEFT JOIN latencies USING (minute, stream)
      LEFT JOIN first_tokens USING (minute, stream)`)
  yield* sql.unsafe(`
    WITH answered AS (
      SELECT
        hours::smallint AS hours, date_bin(make_interval(hours => hours), started_at, timestamptz '1970-01-01Z') AS start,
        provider, model, first_token_ms
      FROM requests CROSS JOIN unnest('{1,24}'::int[]) AS hours
      WHERE ${recent} AND ${success} AND stream
    )
    INSERT INTO first_token_usage (hours, start, provider, model, first_tokens)
    ${histogram("first_token_ms", "hours, start, provider, model", "first_tokens")}`)
})

/**
 * An index of all latencies and costs would take a quarter of what a row costs to write; these have what people look for who look for the
 * slow and the expensive. Days to come get them with the others, as the function that makes a day calls this one; of those there
 * are, today and later.
 */
const addIndexes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE FUNCTION index_outcome(requests text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      EXECUTE format('CREATE INDEX ON %I (latency_ms) WHERE latency_ms >= 10000', requests);
      EXECUTE format('CREATE INDEX ON %I (cost_nano_usd) WHERE cost_nano_usd >= 50000000', requests);
      EXECUTE format('CREATE INDEX ON %I (status, started_at DESC, id DESC) WHERE status >= 400', requests);
    END $$`
  yield* sql`
    CREATE OR REPLACE FUNCTION index_attribution(requests text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      EXECUTE format('CREATE INDEX ON %I (team, started_at DESC, id DESC) WHERE team IS NOT NULL', requests);
      EXECUTE format('CREATE INDEX ON %I (end_user, started_at DESC, id DESC) WHERE end_user IS NOT NULL', requests);
      EXECUTE format('CREATE INDEX ON %I USING gin (tags) WHERE tags <> ''{}''', requests);
      PERFORM index_outcome(requests);
    END $$`
  yield* sql`SELECT index_outcome(requests) FROM ledger_partitions WHERE upper > now()`
})
