import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Requests say whom they were for and what they belong to, and usage is known by that. Rollups of it are tables of their own,
 * which have rows only where a request had a team, a user or a tag; only the endpoint has every request.
 *
 * `attributed_recent` has what the ledger writes, of all kinds. A kind has as many columns as its tables tell apart, and ''
 * in the others, so that a user has one row an hour whatever models they use. From there it moves like other usage. The
 * keys of the tables begin with what a query fixes, so that a page of groups is read from each start without the rest.
 * Tables of many groups have fewer sizes, and no histogram.
 */
export default Effect.gen(function* () {
  yield* addColumns
  yield* addIndexes
  yield* addRollups
  yield* countPast
})

const addColumns = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    ALTER TABLE requests
      ADD COLUMN team text,
      ADD COLUMN end_user text,
      ADD COLUMN tags text[] NOT NULL DEFAULT '{}'`
  // A gateway of the version before says no team, and names no key in its ON CONFLICT.
  yield* sql`
    ALTER TABLE request_kinds
      ADD COLUMN team text NOT NULL DEFAULT '',
      DROP CONSTRAINT request_kinds_pkey,
      ADD PRIMARY KEY (day, key_id, endpoint, provider, model, stream, team)`
})

/** Days to come get these with the others; of those that are there only the ones that still get rows. */
const addIndexes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE FUNCTION index_attribution(requests text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      EXECUTE format('CREATE INDEX ON %I (team, started_at DESC, id DESC) WHERE team IS NOT NULL', requests);
      EXECUTE format('CREATE INDEX ON %I (end_user, started_at DESC, id DESC) WHERE end_user IS NOT NULL', requests);
      EXECUTE format('CREATE INDEX ON %I USING gin (tags) WHERE tags <> ''{}''', requests);
    END $$`
  yield* sql`
    CREATE OR REPLACE FUNCTION create_ledger_day(day date) RETURNS void LANGUAGE plpgsql AS $$
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
        PERFORM index_attribution('requests_' || suffix);
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
  yield* sql`SELECT index_attribution(requests) FROM ledger_partitions WHERE upper > now()`
})

const SUMS = [
  ...["requests", "errors", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"],
  ...["cost_nano_usd", "unpriced_requests", "latency_ms", "wasted_nano_usd", "unpriced_attempts"],
]

const addRollups = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const cell =
    "hour timestamptz NOT NULL, dimension text NOT NULL, name text NOT NULL, key_id text NOT NULL, provider text NOT NULL, " +
    "model text NOT NULL, stream boolean NOT NULL"
  const sums = SUMS.map((column) => `${column} bigint NOT NULL`).join(", ")
  const key = "hour, dimension, name, key_id, provider, model, stream"
  yield* sql.unsafe(`CREATE TABLE attributed_recent (${cell}, ${sums}, PRIMARY KEY (${key}))`)
  yield* sql.unsafe(`
    CREATE TABLE attributed_latency_recent (
      ${cell}, bucket smallint NOT NULL, requests bigint NOT NULL, PRIMARY KEY (${key}, bucket)
    )`)
  const all = [1, 6, 24, 168]
  for (const { table, groups, sizes, latencies } of [
    { table: "endpoint_usage", groups: ["endpoint"], sizes: all, latencies: true },
    { table: "team_usage", groups: ["team"], sizes: all, latencies: true },
    {
      table: "team_cell_usage",
      groups: ["team", "key_id", "provider", "model"],
      sizes: all,
      latencies: true,
    },
    { table: "tag_usage", groups: ["tag"], sizes: all, latencies: true },
    { table: "tag_model_usage", groups: ["tag", "provider", "model"], sizes: [24, 168], latencies: false },
    { table: "user_usage", groups: ["end_user"], sizes: [24], latencies: false },
  ]) {
    yield* sql.unsafe(`
      CREATE TABLE ${table} (
        hours smallint NOT NULL, start timestamptz NOT NULL, stream boolean NOT NULL,
        ${groups.map((column) => `${column} text NOT NULL`).join(", ")}, ${sums},
        ${latencies ? "latencies bytea NOT NULL," : ""}
        PRIMARY KEY (${["hours", "start", "stream", ...groups].join(", ")})
      ) PARTITION BY LIST (hours)`)
    for (const hours of sizes) {
      // Most rows of many groups are never updated.
      yield* sql.unsafe(`
        CREATE TABLE ${table}_${hours}h PARTITION OF ${table} FOR VALUES IN (${hours})
        WITH (fillfactor = ${latencies ? 70 : 100})`)
    }
  }
})

/** Counts the endpoints of the requests that are still there, as recent ones: upkeep moves them on. */
const countPast = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const cell = sql.literal("hour, dimension, name, key_id, provider, model, stream")
  const success = sql.literal("provider IS NOT NULL AND status BETWEEN 200 AND 299 AND error_code IS NULL")
  yield* sql`
    INSERT INTO attributed_recent (${cell}, ${sql.literal(SUMS.join(", "))})
    SELECT
      date_trunc('hour', started_at, 'UTC'), 'endpoint', endpoint, '', '', '', stream, sum(requests),
      coalesce(sum(requests) FILTER (WHERE ${success} IS NOT TRUE), 0), coalesce(sum(input_tokens), 0),
      coalesce(sum(output_tokens), 0), coalesce(sum(cached_tokens), 0), coalesce(sum(reasoning_tokens), 0),
      coalesce(sum(cost_nano_usd), 0), count(*) FILTER (WHERE ${success} AND cost_nano_usd IS NULL),
      coalesce(sum(latency_ms) FILTER (WHERE ${success}), 0), 0, 0
    FROM requests
    GROUP BY 1, 3, 7`
  // The bucket is that of `latencyBucket`, with room for what logarithms of powers of two are off.
  yield* sql`
    INSERT INTO attributed_latency_recent (${cell}, bucket, requests)
    SELECT
      date_trunc('hour', started_at, 'UTC'), 'endpoint', endpoint, '', '', '', stream,
      CASE WHEN latency_ms <= 1 THEN 0 ELSE ceil(20 * ln(latency_ms) / ln(2) - 1e-9) END::smallint, count(*)
    FROM requests
    WHERE ${success}
    GROUP BY 1, 3, 7, 8`
  const days = yield* sql<{ requests: string; attempts: string }>`
    SELECT requests, attempts FROM ledger_partitions WHERE to_regclass(attempts) IS NOT NULL`
  for (const { requests, attempts } of days) {
    yield* sql`
      UPDATE attributed_recent AS rollup
      SET wasted_nano_usd = rollup.wasted_nano_usd + wasted.cost,
        unpriced_attempts = rollup.unpriced_attempts + wasted.unpriced
      FROM (
        SELECT
          date_trunc('hour', request.started_at, 'UTC') AS hour, request.endpoint, request.stream,
          coalesce(sum(attempt.cost_nano_usd), 0) AS cost,
          count(*) FILTER (WHERE attempt.cost_nano_usd IS NULL) AS unpriced
        FROM ${sql(attempts)} AS attempt JOIN ${sql(requests)} AS request ON request.id = attempt.request_id
        WHERE (attempt.cost_nano_usd > 0 OR (attempt.cost_nano_usd IS NULL AND attempt.input_tokens IS NOT NULL))
          AND (attempt.ordinal, attempt.provider, attempt.model)
            IS DISTINCT FROM (request.attempts, request.provider, request.model)
        GROUP BY 1, 2, 3
      ) AS wasted
      WHERE rollup.hour = wasted.hour AND rollup.dimension = 'endpoint' AND rollup.name = wasted.endpoint
        AND rollup.stream = wasted.stream`
  }
})
