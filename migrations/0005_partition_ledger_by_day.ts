import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * `requests` and `attempts` get a partition for each UTC day, so that old days can be dropped whole. What was there
 * becomes the first partition of each, up to the end of today and without being copied.
 *
 * Uniqueness is each partition's own primary key. A repeated record has the same time, so it meets itself there; a key
 * of the whole table would have to contain the time, and old rows would need a second, larger index.
 *
 * Rollups get two levels. The ledger writes the `recent` tables, which are the rollups of the versions before under
 * another name. What is in them moves, an hour at a time, into four tables: by key and model, by either and by neither,
 * each with rows of one hour, six hours, a day and a week that have their histogram in one value. Every count is either
 * recent or moved, so sums over both are right at any moment. The views show both together under the old names.
 */
export default Effect.gen(function* () {
  yield* partitionTables
  yield* describePartitions
  yield* createKinds
  yield* adoptRows
  yield* addRollupLevels
})

const partitionTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE requests RENAME TO requests_before`
  yield* sql`ALTER TABLE attempts RENAME TO attempts_before`
  for (const index of [
    ...["requests_pkey", "requests_started", "requests_key_started", "requests_provider_started"],
    ...["requests_failed", "attempts_pkey"],
  ]) {
    yield* sql.unsafe(`ALTER INDEX ${index} RENAME TO ${index.replace("_", "_before_")}`)
  }
  yield* sql`CREATE TABLE requests (LIKE requests_before INCLUDING DEFAULTS) PARTITION BY RANGE (started_at)`
  yield* sql`CREATE INDEX requests_started ON requests (started_at DESC, id DESC)`
  yield* sql`CREATE INDEX requests_key_started ON requests (key_id, started_at DESC, id DESC)`
  yield* sql`CREATE INDEX requests_provider_started ON requests (provider, started_at DESC, id DESC)`
  yield* sql`
    CREATE INDEX requests_failed ON requests (started_at DESC, id DESC)
    WHERE status >= 400 OR error_code IS NOT NULL`
  // The day of the request, not of the attempt: both are dropped together. It is not looked up for every old attempt:
  // they all get the last day of their partition.
  const { day } = yield* today
  yield* sql.unsafe(`ALTER TABLE attempts_before ADD COLUMN day date NOT NULL DEFAULT '${day}'`)
  yield* sql`CREATE TABLE attempts (LIKE attempts_before) PARTITION BY RANGE (day)`
  yield* sql`ALTER TABLE attempts ALTER COLUMN usage_estimated SET DEFAULT false`
})

/** The current UTC day and where it ends, the same ones throughout the migration's transaction. */
const today = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ day: string; next: string; ends: string }>`
    SELECT day::text, (day + 1)::text AS next, ((day + 1)::timestamp AT TIME ZONE 'UTC')::text AS ends
    FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS day) AS today`
  return rows[0] ?? { day: "", next: "", ends: "" }
})

const describePartitions = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // `lower` is null for the partition of all that was before there were days.
  yield* sql`
    CREATE VIEW ledger_partitions AS
    SELECT
      partition.relname::text AS requests,
      overlay(partition.relname::text PLACING 'attempts' FROM 1 FOR length('requests')) AS attempts,
      substring(bounds FROM $$FROM \\('(.*?)'\\)$$)::timestamptz AS lower,
      substring(bounds FROM $$TO \\('(.*?)'\\)$$)::timestamptz AS upper
    FROM pg_inherits
      JOIN pg_class AS partition ON partition.oid = inhrelid
      CROSS JOIN pg_get_expr(relpartbound, partition.oid) AS bounds
    WHERE inhparent = 'requests'::regclass`
  // In a day every filter of the listing finds its rows in order, also one that few rows pass. The indexes for that are
  // made here and not for the whole table, which would build them over all the old rows now.
  // Attaching takes this lock in any case. Taken first, two who want the same day make it once; readers and writers of
  // other days go on.
  yield* sql`
    CREATE FUNCTION create_ledger_day(day date) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
      suffix text := to_char(day, 'YYYYMMDD');
      starts timestamptz := day::timestamp AT TIME ZONE 'UTC';
      ends timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
      found text;
    BEGIN
      LOCK TABLE requests IN SHARE UPDATE EXCLUSIVE MODE;
      SELECT attempts INTO found FROM ledger_partitions
      WHERE starts >= coalesce(lower, '-infinity') AND starts < upper;
      IF found IS NULL THEN
        EXECUTE format('CREATE TABLE requests_%s (LIKE requests INCLUDING ALL, PRIMARY KEY (id))', suffix);
        EXECUTE format('CREATE INDEX ON requests_%s (model, started_at DESC, id DESC)', suffix);
        EXECUTE format('CREATE INDEX ON requests_%s (endpoint, started_at DESC, id DESC)', suffix);
        EXECUTE format('CREATE INDEX ON requests_%s (stream, started_at DESC, id DESC)', suffix);
        EXECUTE format(
          'CREATE INDEX ON requests_%s (error_code, started_at DESC, id DESC) WHERE error_code IS NOT NULL', suffix
        );
        EXECUTE format(
          'ALTER TABLE requests ATTACH PARTITION requests_%s FOR VALUES FROM (%L) TO (%L)', suffix, starts, ends
        );
      END IF;
      -- Somebody may have dropped one of the two by hand.
      IF to_regclass(coalesce(found, 'attempts_' || suffix)) IS NULL THEN
        EXECUTE format(
          'CREATE TABLE attempts_%s (LIKE attempts INCLUDING ALL, PRIMARY KEY (request_id, ordinal))', suffix
        );
        EXECUTE format(
          'ALTER TABLE attempts ATTACH PARTITION attempts_%s FOR VALUES FROM (%L) TO (%L)', suffix, day, day + 1
        );
      END IF;
    END $$`
})

/**
 * The combinations that occur on a day, so that a listing with several filters, each common and hardly ever together,
 * need not look for them on every day. Nobody is '', as in the rollups. Of the partition from before there are none.
 */
const createKinds = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE request_kinds (
      day date NOT NULL,
      key_id text NOT NULL,
      endpoint text NOT NULL,
      provider text NOT NULL,
      model text NOT NULL,
      stream boolean NOT NULL,
      PRIMARY KEY (day, key_id, endpoint, provider, model, stream)
    )`
})

const adoptRows = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* sql<{ any: boolean }>`
    SELECT EXISTS (SELECT FROM requests_before) OR EXISTS (SELECT FROM attempts_before) AS any`
  if (found?.any !== true) {
    yield* sql`DROP TABLE requests_before, attempts_before`
    return
  }
  const { next, ends } = yield* today
  // A clock that was ahead may have left rows of days to come. They are few, and move.
  const ahead = sql.literal(`requests_before WHERE started_at >= '${ends}'`)
  const days = yield* sql`
    SELECT create_ledger_day(day)
    FROM (SELECT DISTINCT (started_at AT TIME ZONE 'UTC')::date AS day FROM ${ahead}) AS days`
  if (days.length > 0) {
    yield* sql`
      UPDATE attempts_before SET day = (ahead.started_at AT TIME ZONE 'UTC')::date
      FROM (SELECT id, started_at FROM ${ahead}) AS ahead WHERE request_id = id`
    yield* sql.unsafe(`
      WITH moved AS (DELETE FROM attempts_before WHERE day >= '${next}' RETURNING *)
      INSERT INTO attempts SELECT * FROM moved`)
    yield* sql`
      WITH moved AS (DELETE FROM ${ahead} RETURNING *), kinds AS (
        INSERT INTO request_kinds
        SELECT DISTINCT
          (started_at AT TIME ZONE 'UTC')::date, key_id, endpoint, coalesce(provider, ''), coalesce(model, ''), stream
        FROM moved
      )
      INSERT INTO requests SELECT * FROM moved`
  }
  yield* sql.unsafe(
    `ALTER TABLE requests ATTACH PARTITION requests_before FOR VALUES FROM (MINVALUE) TO ('${ends}')`,
  )
  yield* sql.unsafe(
    `ALTER TABLE attempts ATTACH PARTITION attempts_before FOR VALUES FROM (MINVALUE) TO ('${next}')`,
  )
})

const addRollupLevels = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE usage_rollups RENAME TO usage_recent`
  yield* sql`ALTER TABLE latency_rollups RENAME TO latency_recent`
  yield* sql`ALTER INDEX usage_rollups_pkey RENAME TO usage_recent_pkey`
  yield* sql`ALTER INDEX latency_rollups_pkey RENAME TO latency_recent_pkey`
  // A row counts the `hours` hours from `start`, which is a multiple of them since 1970. Sizes are apart on the disk,
  // so that a reader of few large rows does not turn the pages of many small ones. In `latencies` every bucket that is
  // not empty has six bytes, its number and its count, in network order; two such values in a row are their sum.
  for (const [table, ...groups] of [
    ["usage", "key_id", "provider", "model"],
    ["key_usage", "key_id"],
    ["model_usage", "provider", "model"],
    ["total_usage"],
  ]) {
    yield* sql.unsafe(`
      CREATE TABLE ${table} (
        hours smallint NOT NULL,
        start timestamptz NOT NULL,
        ${groups.map((column) => `${column} text NOT NULL,`).join(" ")}
        stream boolean NOT NULL,
        requests bigint NOT NULL,
        errors bigint NOT NULL,
        input_tokens bigint NOT NULL,
        output_tokens bigint NOT NULL,
        cached_tokens bigint NOT NULL,
        reasoning_tokens bigint NOT NULL,
        cost_nano_usd bigint NOT NULL,
        unpriced_requests bigint NOT NULL,
        latency_ms bigint NOT NULL,
        latencies bytea NOT NULL,
        PRIMARY KEY (${["hours", "start", ...groups, "stream"].join(", ")})
      ) PARTITION BY LIST (hours)`)
    for (const hours of [1, 6, 24, 168]) {
      yield* sql.unsafe(`
        CREATE TABLE ${table}_${hours}h PARTITION OF ${table} FOR VALUES IN (${hours}) WITH (fillfactor = 70)`)
    }
  }
  yield* sql`
    CREATE FUNCTION latency_buckets(latencies bytea) RETURNS TABLE (bucket smallint, requests bigint)
    LANGUAGE sql IMMUTABLE AS $$
      SELECT
        (get_byte(latencies, at) << 8 | get_byte(latencies, at + 1))::smallint,
        get_byte(latencies, at + 2)::bigint << 24 | get_byte(latencies, at + 3)::bigint << 16
          | get_byte(latencies, at + 4)::bigint << 8 | get_byte(latencies, at + 5)::bigint
      FROM generate_series(0, length(latencies) - 6, 6) AS at
    $$`
  // One entry per bucket again.
  yield* sql`
    CREATE FUNCTION compact_latencies(latencies bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
      SELECT coalesce(string_agg(int2send(bucket) || int4send(requests), '' ORDER BY bucket), '')
      FROM (
        SELECT bucket, sum(requests)::int AS requests FROM latency_buckets(latencies) GROUP BY bucket
      ) AS buckets
    $$`
  yield* sql`
    CREATE VIEW usage_rollups AS
    SELECT
      hour, key_id, provider, model, stream, sum(requests)::bigint AS requests, sum(errors)::bigint AS errors,
      sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
      sum(cached_tokens)::bigint AS cached_tokens, sum(reasoning_tokens)::bigint AS reasoning_tokens,
      sum(cost_nano_usd)::bigint AS cost_nano_usd, sum(unpriced_requests)::bigint AS unpriced_requests,
      sum(latency_ms)::bigint AS latency_ms
    FROM (
      SELECT
        hour, key_id, provider, model, stream, requests, errors, input_tokens, output_tokens, cached_tokens,
        reasoning_tokens, cost_nano_usd, unpriced_requests, latency_ms
      FROM usage_recent
      UNION ALL
      SELECT
        start, key_id, provider, model, stream, requests, errors, input_tokens, output_tokens, cached_tokens,
        reasoning_tokens, cost_nano_usd, unpriced_requests, latency_ms
      FROM usage WHERE hours = 1
    ) AS both_levels
    GROUP BY hour, key_id, provider, model, stream`
  yield* sql`
    CREATE VIEW latency_rollups AS
    SELECT hour, key_id, provider, model, stream, bucket, sum(requests)::bigint AS requests
    FROM (
      SELECT hour, key_id, provider, model, stream, bucket, requests FROM latency_recent
      UNION ALL
      SELECT start, key_id, provider, model, stream, bucket, counted.requests
      FROM usage CROSS JOIN latency_buckets(latencies) AS counted
      WHERE hours = 1
    ) AS both_levels
    GROUP BY hour, key_id, provider, model, stream, bucket`
})
