import { Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"
import { DAY_MS, type TimeRange } from "../domain/TimeRange.ts"
import { rowFilters } from "./filters.ts"
import type { AnalyticsQuery } from "./query.ts"

/** Requests that are looked at: predictions are in no rollup, and the newest say most of how good they are. */
const MAX_REQUESTS = 50_000

/** A statement locks each day that it may read. */
const MAX_DAYS = 31

const Ratio = Schema.NullOr(Schema.Finite)

const StoredCalibration = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  stream: Schema.Boolean,
  requests: Schema.Finite,
  time_bias: Ratio,
  time_p50: Ratio,
  time_p90: Ratio,
  cost_bias: Ratio,
  cost_p50: Ratio,
  cost_p90: Ratio,
})
export type StoredCalibration = typeof StoredCalibration.Type

export const decodeCalibration = decodeRows(StoredCalibration)

/** Returns the part of a span that is looked at. */
export const recentOf = ({ fromMs, toMs }: TimeRange): TimeRange => ({
  fromMs: Math.max(fromMs, toMs - MAX_DAYS * DAY_MS),
  toMs,
})

interface CalibrationOptions {
  readonly range: TimeRange
  readonly filters: AnalyticsQuery
  readonly after: readonly [provider: string, model: string, stream: boolean] | undefined
  readonly limit: number
}

/**
 * Compares what was predicted of the first candidate with what came, where its first attempt was the answer. One row more
 * than `limit` tells that there is a next page.
 */
export const calibrationQuery = (
  sql: SqlClient.SqlClient,
  { after, filters, limit, range }: CalibrationOptions,
): Statement.Statement<unknown> => {
  const predicted = (name: string) =>
    sql.literal(
      `CASE WHEN jsonb_typeof(first->'${name}') = 'number' THEN nullif((first->>'${name}')::float8, 0) END`,
    )
  const errors = (name: string) =>
    sql.literal(
      `avg(${name}) AS ${name}_bias,
      percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(${name} - 1)) AS ${name}_p50,
      percentile_cont(0.9) WITHIN GROUP (ORDER BY abs(${name} - 1)) AS ${name}_p90`,
    )
  return sql`
    WITH newest AS (
      SELECT
        provider, model, stream, decision->'candidates'->0 AS first, cost_nano_usd,
        CASE WHEN stream THEN first_token_ms ELSE latency_ms END AS ms
      FROM requests
      WHERE ${sql.and([
        sql`started_at >= ${new Date(range.fromMs)}`,
        sql`started_at < ${new Date(range.toMs)}`,
        sql`status BETWEEN 200 AND 299`,
        sql`error_code IS NULL`,
        sql`attempts = 1`,
        ...rowFilters(sql, filters),
      ])}
      ORDER BY started_at DESC, id DESC
      LIMIT ${MAX_REQUESTS}
    ), compared AS (
      SELECT
        provider, model, stream, ms / ${predicted("predicted_ms")} AS time,
        cost_nano_usd / 1e9::float8 / ${predicted("predicted_cost_usd")} AS cost
      FROM newest
      WHERE first->>'provider' = provider AND first->>'model' = model
    )
    SELECT provider, model, stream, count(*)::float8 AS requests, ${errors("time")}, ${errors("cost")}
    FROM compared
    WHERE ${after === undefined ? sql`true` : sql`(provider, model, stream) > (${after[0]}, ${after[1]}, ${after[2]})`}
    GROUP BY provider, model, stream
    ORDER BY provider, model, stream
    LIMIT ${limit + 1}`
}
