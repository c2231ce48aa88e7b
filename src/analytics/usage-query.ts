import type { SqlClient, Statement } from "effect/sql"
import { ROLLUP_HOURS, ROLLUP_SUMS } from "../ledger/tables/rollups.ts"
import type { AnalyticsQuery } from "./Analytics.ts"
import { rowFilters } from "./filters.ts"
import { type Bucket, inUnits, type Piece, type TimeRange } from "./time-range.ts"
import type { RollupSums } from "./usage-totals.ts"

/** Sums of one group as the database gives them. */
export interface StoredSums extends Omit<RollupSums, "histogram"> {
  /** See `storedHistogram`. */
  readonly latencies: Uint8Array
}

/** The columns a listing groups and sorts by, and how their values come back. */
interface Groupings {
  readonly key: { readonly key_id: string; readonly key_name: string | null }
  readonly provider: { readonly provider: string; readonly model: string }
  readonly time: { readonly start: Date }
}

const columnsOf: Readonly<Record<keyof Groupings, string>> = {
  key: "key_id",
  provider: "provider, model",
  time: "start",
}

interface UsageOptions<Grouping extends keyof Groupings> {
  readonly grouping: Grouping
  readonly bucket: Bucket
  /** Whole buckets. */
  readonly range: TimeRange
  readonly filters: AnalyticsQuery
  readonly after: Statement.Fragment | undefined
  readonly limit: number
}

/**
 * Rollups summed per group. What is still recent has a row per hour and another per latency bucket; the rest is read
 * in the largest units that fit into the span. One row more than `limit` tells that there is a next page. `after`
 * compares the grouping's columns with the last row of the previous page.
 */
export const usageQuery = <Grouping extends keyof Groupings>(
  sql: SqlClient.SqlClient,
  options: UsageOptions<Grouping>,
): Statement.Statement<StoredSums & Groupings[Grouping]> => {
  const { grouping, bucket, range, filters } = options
  const columns = sql.literal(columnsOf[grouping])
  const conditions = [...rowFilters(sql, filters), ...(options.after === undefined ? [] : [options.after])]
  const within = ({ fromMs, toMs }: TimeRange) => [
    sql`start >= ${new Date(fromMs)}`,
    sql`start < ${new Date(toMs)}`,
  ]
  const kept = sql.literal(tableOf(options))
  const counts = sql.literal(ROLLUP_SUMS.join(", "))
  const none = sql.literal(ROLLUP_SUMS.map((column) => `0 AS ${column}`).join(", "))
  // Of a listing over time, the bucket that the hour is in; else the hour.
  const start = sql.literal(
    grouping === "time"
      ? `date_bin('1 ${bucket}', hour, timestamptz '1970-01-01Z') AS start`
      : "hour AS start",
  )
  const sources = [
    ...piecesOf(options).map(
      (piece) => sql`
        SELECT ${columns}, ${counts}, latencies FROM ${kept}
        WHERE ${sql.and([sql`hours = ${sql.literal(String(piece.hours))}`, ...within(piece), ...conditions])}`,
    ),
    sql`
      SELECT ${columns}, ${counts}, ''::bytea AS latencies FROM (SELECT *, ${start} FROM usage_recent) AS usage
      WHERE ${sql.and([...within(range), ...conditions])}`,
    sql`
      SELECT ${columns}, ${none}, int2send(bucket) || int4send(requests::int) AS latencies
      FROM (SELECT *, ${start} FROM latency_recent) AS latency
      WHERE ${sql.and([...within(range), ...conditions])}`,
  ]
  const keyName =
    grouping === "key"
      ? sql`, (SELECT name FROM api_keys WHERE api_keys.id = key_id) AS key_name`
      : sql.literal("")
  return sql<StoredSums & Groupings[Grouping]>`
    WITH totals AS (
      SELECT
        ${columns}, ${sql.literal(ROLLUP_SUMS.map((column) => `sum(${column})::float8 AS ${column}`).join(", "))},
        string_agg(latencies, '') AS latencies
      FROM (${sql.join(" UNION ALL ", false)(sources)}) AS usage
      GROUP BY ${columns}
      ORDER BY ${columns}
      LIMIT ${options.limit + 1}
    )
    SELECT *${keyName} FROM totals ORDER BY ${columns}`
}

/** The smallest of the tables that tell apart what is grouped or filtered by; all of them tell modes apart. */
const tableOf = ({ grouping, filters }: UsageOptions<keyof Groupings>) => {
  const keys = grouping === "key" || filters.keyId !== undefined
  const models = grouping === "provider" || filters.provider !== undefined || filters.model !== undefined
  return keys ? (models ? "usage" : "key_usage") : models ? "model_usage" : "total_usage"
}

/** A listing over time keeps to rows of its own bucket. */
const piecesOf = ({ grouping, bucket, range }: UsageOptions<keyof Groupings>): ReadonlyArray<Piece> =>
  grouping === "time"
    ? [{ ...range, hours: bucket === "day" ? 24 : 1 }]
    : inUnits(range, ROLLUP_HOURS.toReversed())
