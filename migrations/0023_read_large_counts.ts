import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Entries of histograms with more than 65,535 requests were read as others: PostgreSQL gives `<<` and `|` the same precedence, so
 * that of a count's four bytes the second was shifted by 24 bits and the first by 48. A sum of such entries was written with that,
 * and the next one had no room, so that what fed it failed.
 */
export default Effect.gen(function* () {
  yield* readCounts
  yield* repairCounts
})

const readCounts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE OR REPLACE FUNCTION latency_buckets(latencies bytea) RETURNS TABLE (bucket smallint, requests bigint)
    LANGUAGE sql IMMUTABLE AS $$
      SELECT
        ((get_byte(latencies, at) << 8) | get_byte(latencies, at + 1))::smallint,
        (get_byte(latencies, at + 2)::bigint << 24) | (get_byte(latencies, at + 3)::bigint << 16)
          | (get_byte(latencies, at + 4)::bigint << 8) | get_byte(latencies, at + 5)::bigint
      FROM generate_series(0, length(latencies) - 6, 6) AS at
    $$`
  // A count that no entry holds takes several: any entries in a row are their sum.
  yield* sql`
    CREATE OR REPLACE FUNCTION compact_latencies(latencies bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
      SELECT coalesce(
        string_agg(int2send(bucket) || int4send(least(requests - part * 2147483647, 2147483647)::int), '' ORDER BY bucket),
        ''
      )
      FROM (
        SELECT bucket, sum(requests)::bigint AS requests FROM latency_buckets(latencies) GROUP BY bucket
      ) AS buckets CROSS JOIN LATERAL generate_series(0, (requests - 1) / 2147483647) AS part
    $$`
})

/** Tables of sums with a histogram of their successes. */
const TABLES = [
  ...["usage", "key_usage", "model_usage", "total_usage"],
  ...["endpoint_usage", "team_usage", "team_cell_usage", "tag_usage", "minute_usage"],
]

/** Writes counts as they were before they were summed wrongly: what the second byte had was added to the first. */
const REPAIRED = (column: string) => `(
  SELECT string_agg(
    int2send(entry.bucket) || int4send((
      CASE WHEN entry.requests >= 16777216 THEN ((entry.requests >> 24) << 16) + (entry.requests & 16777215)
      ELSE entry.requests END
    )::int), '' ORDER BY entry.bucket
  )
  FROM latency_buckets(${column}) AS entry
)`

/** Of no more requests nothing was read wrongly. */
const LARGE = 65_536

const repairCounts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (const table of TABLES) {
    yield* sql.unsafe(`
      UPDATE ${table} AS known SET latencies = ${REPAIRED("known.latencies")}
      WHERE known.requests >= ${LARGE} AND known.requests - known.errors < (
        SELECT sum(entry.requests) FROM latency_buckets(known.latencies) AS entry
      )`)
  }
  // Of how many answers these are is known nowhere else, and no model has so many in an hour.
  for (const table of ["minute_usage", "first_token_usage"]) {
    yield* sql.unsafe(`
      UPDATE ${table} AS known SET first_tokens = ${REPAIRED("known.first_tokens")}
      WHERE EXISTS (SELECT FROM latency_buckets(known.first_tokens) AS entry WHERE entry.requests >= 16777216)`)
  }
})
