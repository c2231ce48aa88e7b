import { Effect, Schema } from "effect"
import { SqlClient, type SqlError, type Statement } from "effect/sql"
import { decodeRows } from "../../database/decode-rows.ts"
import { addedColumns } from "../../database/schema-differences.ts"
import { HOUR_MS, type TimeRange } from "../../domain/TimeRange.ts"
import {
  ATTRIBUTED_USAGE,
  addedSums,
  COARSER_USAGE,
  histogramOf,
  joinedHistograms,
  ROLLUP_SUMS,
  type RollupTable,
  recentColumn,
  USAGE,
} from "./rollups.ts"

const decodeHours = decodeRows(Schema.Struct({ hour: Schema.Date }))
const decodeCount = decodeRows(Schema.Struct({ count: Schema.Finite }))

const RECENT = ["usage_recent", "latency_recent", "attributed_recent", "attributed_latency_recent"]

/** SQL for whether a row is of a kind that this version moves. */
const IS_KNOWN = `dimension IN (${[...new Set(ATTRIBUTED_USAGE.map(({ dimension }) => `'${dimension}'`))].join(", ")})`

/**
 * Moves the rollups of hours that are over from the tables that the ledger writes to those that analytics read. One
 * statement takes an hour's counts away and adds them there, so nobody ever sees them twice or not at all, and it does
 * not matter when it runs, how often, or that a late record adds to an hour that was moved before: that count moves the
 * next time. What a newer version counts is left to it: here it would get lost on the way.
 */
export const rollUp = (sql: SqlClient.SqlClient): Effect.Effect<number, SqlError.SqlError> =>
  Effect.gen(function* () {
    const known = sql.literal(IS_KNOWN)
    const hours = yield* decodeHours(sql`
      SELECT DISTINCT hour
      FROM (
        SELECT hour FROM usage_recent UNION ALL SELECT hour FROM latency_recent
        UNION ALL SELECT hour FROM attributed_recent WHERE ${known}
        UNION ALL SELECT hour FROM attributed_latency_recent WHERE ${known}
      ) AS recent
      WHERE hour < date_trunc('hour', now(), 'UTC')
      ORDER BY hour`)
    if (hours.length === 0) return 0
    const added = yield* Effect.provideService(addedColumns(RECENT), SqlClient.SqlClient, sql)
    if (added.length > 0) return 0
    yield* Effect.forEach(
      hours,
      ({ hour }) => rollUpHours(sql, { fromMs: hour.getTime(), toMs: hour.getTime() + HOUR_MS }),
      { discard: true },
    )
    return hours.length
  })

/** Moves the rollups of whole hours, however many. */
export const rollUpHours = (
  sql: SqlClient.SqlClient,
  span: TimeRange,
): Effect.Effect<void, SqlError.SqlError> => Effect.asVoid(moveHours(sql, span))

/** SQL that makes a histogram of the buckets of a group. */
const HISTOGRAM = `coalesce(${histogramOf("measured::int")} FILTER (WHERE bucket IS NOT NULL), '')`

const moveHours = (sql: SqlClient.SqlClient, { fromMs, toMs }: TimeRange): Statement.Statement<unknown> => {
  const within = sql`hour >= ${new Date(fromMs)} AND hour < ${new Date(toMs)}`
  const known = sql.literal(IS_KNOWN)
  const cell = sql.literal("hour, key_id, provider, model, stream")
  const columns = sql.literal(ROLLUP_SUMS.join(", "))
  const summed = sql.literal(ROLLUP_SUMS.map((column) => `sum(${column})::bigint AS ${column}`).join(", "))
  const nothing = sql.literal(ROLLUP_SUMS.map((column) => `0 AS ${column}`).join(", "))
  const added = sql.literal(addedSums("kept"))
  const joined = `, ${joinedHistograms("kept", "latencies", 600)}`
  // Rows are locked in key order: replicas that move the same hour wait instead of deadlocking.
  const addition = (table: RollupTable, keys: ReadonlyArray<string>, from: Statement.Fragment) => {
    const key = sql.literal(keys.join(", "))
    const { hours, name } = table
    const only = (text: string) => sql.literal(table.hasLatencies ? text : "")
    return sql`${sql.literal(`added_to_${name}`)} AS (
      INSERT INTO ${sql.literal(name)} AS kept (${key}, ${columns}${only(", latencies")})
      SELECT ${key}, ${summed}${only(`, ${HISTOGRAM}`)}
      FROM (
        SELECT ${key}, bucket, ${summed}, sum(measured) AS measured
        FROM unnest(${hours}::int[]) AS hours CROSS JOIN (${from}) AS moved
          CROSS JOIN date_bin(make_interval(hours => hours), hour, timestamptz '1970-01-01Z') AS start
        GROUP BY ${key}, bucket
      ) AS buckets
      GROUP BY ${key}
      ORDER BY ${key}
      ON CONFLICT (${key}) DO UPDATE SET ${added}${only(joined)}
    )`
  }
  const additions = [
    ...[USAGE, ...COARSER_USAGE].map((table) =>
      addition(table, ["hours", "start", ...table.groups, "stream"], sql`TABLE moved`),
    ),
    ...ATTRIBUTED_USAGE.map((table) => {
      const groups = table.groups.map((group) => `${recentColumn(group)} AS ${group}`).join(", ")
      const from = sql`
        SELECT hour, ${sql.literal(groups)}, stream, ${columns}, bucket, measured FROM moved_members
        WHERE dimension = ${sql.literal(`'${table.dimension}'`)}`
      return addition(table, ["hours", "start", "stream", ...table.groups], from)
    }),
  ]
  return sql`
    WITH recent_usage AS (
      DELETE FROM usage_recent WHERE ${within} RETURNING *
    ), recent_latency AS (
      DELETE FROM latency_recent WHERE ${within} RETURNING *
    ), recent_members AS (
      DELETE FROM attributed_recent WHERE ${within} AND ${known} RETURNING *
    ), recent_member_latency AS (
      DELETE FROM attributed_latency_recent WHERE ${within} AND ${known} RETURNING *
    ), moved AS MATERIALIZED (
      SELECT ${cell}, ${nothing}, bucket, requests AS measured FROM recent_latency
      UNION ALL
      SELECT ${cell}, ${columns}, NULL, 0 FROM recent_usage
    ), moved_members AS MATERIALIZED (
      SELECT dimension, name, ${cell}, ${nothing}, bucket, requests AS measured FROM recent_member_latency
      UNION ALL
      SELECT dimension, name, ${cell}, ${columns}, NULL, 0 FROM recent_members
    ), ${sql.join(", ", false)(additions)}
    SELECT 1`
}

/** Forgets minutes of more than a day and an hour ago. */
export const forgetMinutes = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError.SqlError> =>
  Effect.asVoid(
    sql`DELETE FROM minute_usage WHERE minute < date_trunc('hour', now(), 'UTC') - interval '25 hours'`,
  )

/**
 * Drops the usage of users of one day whose time is over, the oldest: who used what is kept no longer than the requests
 * that say it. Returns whether there was one.
 */
export const dropUserDay = (
  sql: SqlClient.SqlClient,
  days: number,
): Effect.Effect<boolean, SqlError.SqlError> =>
  Effect.map(
    decodeCount(sql`
      WITH dropped AS (
        DELETE FROM user_usage
        WHERE hours = 24 AND start = (SELECT min(start) FROM user_usage WHERE hours = 24)
          AND start + interval '1 day' <= date_trunc('day', now(), 'UTC') - make_interval(hours => ${days * 24}::int)
        RETURNING start
      )
      SELECT count(*)::float8 AS count FROM dropped`),
    ([row]) => row !== undefined && row.count > 0,
  )
