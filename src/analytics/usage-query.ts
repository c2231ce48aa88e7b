import { Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"
import type { TimeRange } from "../domain/TimeRange.ts"
import { ROLLUP_HOURS, ROLLUP_SUMS, RollupSums } from "../ledger/tables/rollups.ts"
import { rowFilters } from "./filters.ts"
import type { AnalyticsQuery } from "./query.ts"
import { type Bucket, inUnits, type Piece } from "./time-range.ts"

/** Sums of one group as the database gives them. */
const StoredSums = { ...RollupSums.fields, latencies: Schema.Uint8Array }
export type StoredSums = typeof RollupSums.Type & { readonly latencies: Uint8Array }

/** Decoders of a listing's rows: the columns that it groups and sorts by, and the sums. */
export const decodeUsage = {
  key: decodeRows(
    Schema.Struct({ key_id: Schema.String, key_name: Schema.NullOr(Schema.String), ...StoredSums }),
  ),
  provider: decodeRows(Schema.Struct({ provider: Schema.String, model: Schema.String, ...StoredSums })),
  time: decodeRows(Schema.Struct({ start: Schema.Date, ...StoredSums })),
}

type Grouping = keyof typeof decodeUsage

const columnsOf: Readonly<Record<Grouping, string>> = {
  key: "key_id",
  provider: "provider, model",
  time: "start",
}

interface UsageOptions {
  readonly grouping: Grouping
  readonly bucket: Bucket
  /** Whole buckets. */
  readonly range: TimeRange
  readonly filters: AnalyticsQuery
  readonly after: Statement.Fragment | undefined
  readonly limit: number
}

/**
 * Sums rollups per group. Recent ones have a row per hour and another per latency bucket; the rest is read in the
 * largest units that fit into the span. One row more than `limit` tells that there is a next page. `after`
 * compares the grouping's columns with the last row of the previous page.
 */
export const usageQuery = (sql: SqlClient.SqlClient, options: UsageOptions): Statement.Statement<unknown> => {
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
  // A listing over time groups by bucket.
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
  // The table is auth's; the name is the one column of it that is read here, by its primary key.
  const keyName =
    grouping === "key"
      ? sql`, (SELECT name FROM api_keys WHERE api_keys.id = key_id) AS key_name`
      : sql.literal("")
  return sql`
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

/** Returns the smallest of the tables that tell apart what is grouped or filtered by; all of them tell modes apart. */
const tableOf = ({ grouping, filters }: UsageOptions) => {
  const keys = grouping === "key" || filters.keyId !== undefined
  const models = grouping === "provider" || filters.provider !== undefined || filters.model !== undefined
  return keys ? (models ? "usage" : "key_usage") : models ? "model_usage" : "total_usage"
}

/** Returns the parts to read; a listing over time keeps to rows of its own bucket. */
const piecesOf = ({ grouping, bucket, range }: UsageOptions): ReadonlyArray<Piece> =>
  grouping === "time"
    ? [{ ...range, hours: bucket === "day" ? 24 : 1 }]
    : inUnits(range, ROLLUP_HOURS.toReversed())
