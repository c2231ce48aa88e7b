import { Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"
import type { TimeRange } from "../domain/TimeRange.ts"
import { FIRST_TOKEN_HOURS, ROLLUP_SUMS, RollupSums, recentColumn } from "../ledger/tables/rollups.ts"
import { rowFilters, usageFilters } from "./filters.ts"
import type { AttributedQuery } from "./query.ts"
import { type Bucket, hoursOf, inUnits } from "./time-range.ts"
import { columnsOf, inBucket, storedGroups, type Table } from "./usage-query.ts"

/** What the largest spenders are listed by. */
export type TopGrouping = "key" | "team" | "provider" | "model"

const TOP_ROWS = 10

const StoredTop = Schema.Struct({ ...storedGroups, ...RollupSums.fields })
export type StoredTop = typeof StoredTop.Type

export const decodeTop = decodeRows(StoredTop)

export const decodeSums = decodeRows(RollupSums)

interface SumsOptions {
  readonly table: Table
  readonly filters: AttributedQuery
  /** Whole units of the table's smallest rows; absent: all that was ever counted. */
  readonly range?: TimeRange
}

const SUMMED = ROLLUP_SUMS.map((column) => `coalesce(sum(${column}), 0)::float8 AS ${column}`).join(", ")

/** Sums the groups that spent most, the one that spent most first; requests decide where nothing is known of that. */
export const topQuery = (
  sql: SqlClient.SqlClient,
  options: SumsOptions & { readonly grouping: TopGrouping },
): Statement.Statement<unknown> => {
  const columns = sql.literal(columnsOf[options.grouping].join(", "))
  // What nobody answered is in no row of a provider.
  const named = options.grouping === "key" || options.grouping === "team" ? sql`true` : sql`provider <> ''`
  const keyName =
    options.grouping === "key"
      ? sql`, (SELECT name FROM api_keys WHERE api_keys.id = key_id) AS key_name`
      : sql.literal("")
  return sql`
    WITH totals AS (
      SELECT ${columns}, ${sql.literal(SUMMED)}
      FROM (${sources(sql, options)}) AS usage
      WHERE ${named}
      GROUP BY ${columns}
      ORDER BY sum(cost_nano_usd + wasted_nano_usd) DESC, sum(requests) DESC, ${columns}
      LIMIT ${TOP_ROWS}
    )
    SELECT *${keyName} FROM totals
    ORDER BY cost_nano_usd + wasted_nano_usd DESC, requests DESC, ${columns}`
}

/** Sums everything that passes the filters. */
export const sumsQuery = (
  sql: SqlClient.SqlClient,
  options: SumsOptions,
): Statement.Statement<unknown> => sql`
  SELECT ${sql.literal(SUMMED)} FROM (${sources(sql, options)}) AS usage`

const StoredMinute = { ...RollupSums.fields, latencies: Schema.Uint8Array, first_tokens: Schema.Uint8Array }

export const decodeMinutes = decodeRows(Schema.Struct({ start: Schema.Date, ...StoredMinute }))

export type MinuteBucket = "minute" | Bucket

/** Reads whole minutes of the last day in parts, in order. */
export const minutesQuery = (
  sql: SqlClient.SqlClient,
  { fromMs, toMs }: TimeRange,
  bucket: MinuteBucket,
  { stream }: AttributedQuery,
): Statement.Statement<unknown> => sql`
  SELECT
    ${sql.literal(inBucket("minute", bucket))}, ${sql.literal(SUMMED)}, string_agg(latencies, '') AS latencies,
    string_agg(first_tokens, '') AS first_tokens
  FROM minute_usage
  WHERE ${sql.and([
    sql`minute >= ${new Date(fromMs)}`,
    sql`minute < ${new Date(toMs)}`,
    ...rowFilters(sql, { stream }),
  ])}
  GROUP BY 1
  ORDER BY 1`

export const decodeFirstTokens = decodeRows(
  Schema.Struct({ start: Schema.Date, first_tokens: Schema.Uint8Array }),
)

/** Tells whether first tokens are known of what passes the filters: they are told apart by provider and model alone. */
export const knowsFirstTokens = ({ endpoint, keyId, stream, tag, team, user }: AttributedQuery): boolean =>
  stream !== false && [endpoint, keyId, tag, team, user].every((filter) => filter === undefined)

/** Reads how long first tokens took, by bucket. */
export const firstTokensQuery = (
  sql: SqlClient.SqlClient,
  range: TimeRange,
  bucket: Bucket,
  { model, provider }: AttributedQuery,
): Statement.Statement<unknown> => {
  const sizes = FIRST_TOKEN_HOURS.filter((hours) => hours <= hoursOf[bucket]).toReversed()
  const pieces = inUnits(range, sizes).map(
    ({ fromMs, hours, toMs }) =>
      sql`(hours = ${hours} AND start >= ${new Date(fromMs)} AND start < ${new Date(toMs)})`,
  )
  return sql`
    SELECT ${sql.literal(inBucket("start", bucket))}, string_agg(first_tokens, '') AS first_tokens
    FROM first_token_usage
    WHERE ${sql.and([sql.or(pieces), ...rowFilters(sql, { model, provider })])}
    GROUP BY 1`
}

/** Reads both levels of rollups, without histograms: the largest units that fit, and what is recent. */
const sources = (sql: SqlClient.SqlClient, { filters, range, table }: SumsOptions): Statement.Fragment => {
  const { dimension, groups, hours, name } = table
  const columns = [...groups, ...ROLLUP_SUMS].join(", ")
  const conditions = dimension === undefined ? rowFilters(sql, filters) : usageFilters(sql, filters)
  const within = (column: string, span: TimeRange) => [
    sql`${sql.literal(column)} >= ${new Date(span.fromMs)}`,
    sql`${sql.literal(column)} < ${new Date(span.toMs)}`,
  ]
  const sizes = hours.toReversed()
  // Each size has every count that was moved.
  const pieces =
    range === undefined
      ? [{ hours: sizes[0], span: undefined }]
      : inUnits(range, sizes).map(({ hours, ...span }) => ({ hours, span }))
  const kept = pieces.map(
    ({ hours, span }) => sql`
      SELECT ${sql.literal(columns)} FROM ${sql.literal(name)}
      WHERE ${sql.and([
        sql`hours = ${sql.literal(String(hours))}`,
        ...(span === undefined ? [] : within("start", span)),
        ...conditions,
      ])}`,
  )
  const recentColumns = groups.map((group) => `${recentColumn(group)} AS ${group}`)
  const recent =
    dimension === undefined
      ? sql`
        SELECT ${sql.literal(columns)} FROM usage_recent
        WHERE ${sql.and([sql`true`, ...(range === undefined ? [] : within("hour", range)), ...conditions])}`
      : sql`
        SELECT ${sql.literal(columns)} FROM (
          SELECT stream, ${sql.literal([...recentColumns, ...ROLLUP_SUMS].join(", "))} FROM attributed_recent
          WHERE hour = ANY (ARRAY(${recentHours(sql, range)})) AND dimension = ${sql.literal(`'${dimension}'`)}
        ) AS recent
        WHERE ${sql.and([sql`true`, ...conditions])}`
  return sql.join(" UNION ALL ", false)([...kept, recent])
}

/** Lists the hours that may have recent counts, of which each dimension has a place of its own in the index. */
const recentHours = (sql: SqlClient.SqlClient, range: TimeRange | undefined): Statement.Fragment => {
  // Of no rows there are no hours: the least and the greatest of a value and null is the value.
  const first = sql`coalesce((SELECT min(hour) FROM attributed_recent), 'infinity')`
  const last = sql`coalesce((SELECT max(hour) FROM attributed_recent), '-infinity')`
  return range === undefined
    ? sql`SELECT generate_series(${first}, ${last}, interval '1 hour')`
    : sql`
      SELECT generate_series(
        greatest(${first}, ${new Date(range.fromMs)}::timestamptz),
        least(${last}, ${new Date(range.toMs)}::timestamptz - interval '1 hour'), interval '1 hour'
      )`
}
