import type { SqlClient, Statement } from "effect/sql"
import type { AnalyticsQuery } from "./Analytics.ts"
import type { Bucket, TimeRange } from "./time-range.ts"
import type { RollupSums } from "./usage-totals.ts"

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

/**
 * Rollups summed per group, and the histograms of the groups on this page only. One row more than `limit` tells
 * that there is a next page. `after` compares the grouping's columns with the last row of the previous page.
 */
export const usageQuery = <Grouping extends keyof Groupings>(
  sql: SqlClient.SqlClient,
  options: {
    readonly grouping: Grouping
    readonly bucket: Bucket
    readonly range: TimeRange
    readonly filters: AnalyticsQuery
    readonly after: Statement.Fragment | undefined
    readonly limit: number
  },
): Statement.Statement<RollupSums & Groupings[Grouping]> => {
  const columns = sql.literal(columnsOf[options.grouping])
  const start = sql.literal(`date_bin('1 ${options.bucket}', hour, timestamptz '1970-01-01Z') AS start`)
  const wanted = sql.and([
    sql`hour >= ${new Date(options.range.fromMs)}`,
    sql`hour < ${new Date(options.range.toMs)}`,
    ...filterConditions(sql, options.filters),
    ...(options.after === undefined ? [] : [options.after]),
  ])
  const keyName =
    options.grouping === "key"
      ? sql`, (SELECT name FROM api_keys WHERE api_keys.id = key_id) AS key_name`
      : sql.literal("")
  return sql<RollupSums & Groupings[Grouping]>`
    WITH totals AS (
      SELECT
        ${columns}, sum(requests)::float8 AS requests, sum(errors)::float8 AS errors,
        sum(input_tokens)::float8 AS input_tokens, sum(output_tokens)::float8 AS output_tokens,
        sum(cached_tokens)::float8 AS cached_tokens, sum(reasoning_tokens)::float8 AS reasoning_tokens,
        sum(cost_nano_usd)::float8 AS cost_nano_usd, sum(unpriced_requests)::float8 AS unpriced_requests,
        sum(latency_ms)::float8 AS latency_ms
      FROM (SELECT *, ${start} FROM usage_rollups) AS usage
      WHERE ${wanted}
      GROUP BY ${columns}
      ORDER BY ${columns}
      LIMIT ${options.limit + 1}
    ), buckets AS (
      SELECT ${columns}, bucket, sum(requests) AS requests
      FROM (SELECT *, ${start} FROM latency_rollups) AS latency
      WHERE ${wanted} AND (${columns}) IN (SELECT ${columns} FROM totals)
      GROUP BY ${columns}, bucket
    ), histograms AS (
      SELECT ${columns}, jsonb_agg(jsonb_build_array(bucket, requests) ORDER BY bucket) AS histogram
      FROM buckets
      GROUP BY ${columns}
    )
    SELECT *${keyName}
    FROM totals LEFT JOIN histograms USING (${columns})
    ORDER BY ${columns}`
}

/** Equality filters, shared by rollups and requests. */
export const filterConditions = (
  sql: SqlClient.SqlClient,
  filters: Pick<AnalyticsQuery, "keyId" | "provider" | "model" | "stream">,
): ReadonlyArray<Statement.Fragment> => [
  ...(filters.keyId === undefined ? [] : [sql`key_id = ${storedText(filters.keyId)}`]),
  ...(filters.provider === undefined ? [] : [sql`provider = ${storedText(filters.provider)}`]),
  ...(filters.model === undefined ? [] : [sql`model = ${storedText(filters.model)}`]),
  ...(filters.stream === undefined ? [] : [sql`stream = ${filters.stream}`]),
]

/** As the ledger stores text: PostgreSQL refuses NUL, and no UTF-8 encodes half a surrogate pair. */
export const storedText = (text: string): string => text.toWellFormed().replaceAll("\0", "\ufffd")
