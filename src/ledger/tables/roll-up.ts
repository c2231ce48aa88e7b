import { Effect, Schema } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import { decodeRows } from "../../database/decode-rows.ts"
import { addedSums, COARSER_USAGE, ROLLUP_HOURS, ROLLUP_SUMS, USAGE } from "./rollups.ts"

const decodeHours = decodeRows(Schema.Struct({ hour: Schema.Date }))

/**
 * Moves the rollups of hours that are over from the tables that the ledger writes to those that analytics read. One
 * statement takes an hour's counts away and adds them there, so nobody ever sees them twice or not at all, and it does
 * not matter when it runs, how often, or that a late record adds to an hour that was moved before: that count moves the
 * next time.
 */
export const rollUp = (sql: SqlClient.SqlClient): Effect.Effect<number, SqlError.SqlError> =>
  Effect.gen(function* () {
    const hours = yield* decodeHours(sql`
      SELECT DISTINCT hour
      FROM (SELECT hour FROM usage_recent UNION ALL SELECT hour FROM latency_recent) AS recent
      WHERE hour < date_trunc('hour', now(), 'UTC')
      ORDER BY hour`)
    yield* Effect.forEach(hours, ({ hour }) => rollUpHour(sql, hour), { discard: true })
    return hours.length
  })

const rollUpHour = (sql: SqlClient.SqlClient, hour: Date): Statement.Statement<unknown> => {
  const cell = sql.literal("key_id, provider, model, stream")
  const columns = sql.literal(ROLLUP_SUMS.join(", "))
  const summed = sql.literal(ROLLUP_SUMS.map((column) => `sum(${column})::bigint AS ${column}`).join(", "))
  const nothing = sql.literal(ROLLUP_SUMS.map((column) => `0 AS ${column}`).join(", "))
  const added = sql.literal(addedSums("kept"))
  // Rows are locked in key order: replicas that move the same hour wait instead of deadlocking.
  const additions = [USAGE, ...COARSER_USAGE].map(({ name, groups }) => {
    const key = sql.literal(["hours", "start", ...groups, "stream"].join(", "))
    return sql`${sql.literal(`added_to_${name}`)} AS (
      INSERT INTO ${sql.literal(name)} AS kept (${key}, ${columns}, latencies)
      SELECT ${key}, ${summed}, compact_latencies(string_agg(latencies, ''))
      FROM units CROSS JOIN moved
      GROUP BY ${key}
      ORDER BY ${key}
      ON CONFLICT (${key}) DO UPDATE SET
        ${added}, latencies = compact_latencies(kept.latencies || excluded.latencies)
    )`
  })
  return sql`
    WITH units AS (
      SELECT hours, date_bin(make_interval(hours => hours), ${hour}, timestamptz '1970-01-01Z') AS start
      FROM unnest(${ROLLUP_HOURS}::int[]) AS hours
    ), recent_usage AS (
      DELETE FROM usage_recent WHERE hour = ${hour} RETURNING *
    ), recent_latency AS (
      DELETE FROM latency_recent WHERE hour = ${hour} RETURNING *
    ), moved AS MATERIALIZED (
      SELECT ${cell}, ${nothing}, int2send(bucket) || int4send(requests::int) AS latencies FROM recent_latency
      UNION ALL
      SELECT ${cell}, ${columns}, '' FROM recent_usage
    ), ${sql.join(", ", false)(additions)}
    SELECT 1`
}
