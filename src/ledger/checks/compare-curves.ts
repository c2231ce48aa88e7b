import { Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { ROLLUP_SUMS } from "../tables/rollups.ts"
import type { While } from "./compare-attributed.ts"
import { decodeDifferences, differences } from "./differences.ts"
import { measuredIn, ROW_SUMS, SUCCESS, WASTED_SUMS, wastedAttempts } from "./row-sums.ts"

/** Compares what curves are read from with the rows of a while: the minutes of the last day, and how long first tokens took. */

const decodeMinutes = decodeDifferences({ minute: Schema.String })
const decodeModels = decodeDifferences({ provider: Schema.String, model: Schema.String })

/** Returns SQL for the minute of a time, as it is shown. */
const minuteOf = (column: string): string =>
  `to_char(date_trunc('minute', ${column}) AT TIME ZONE 'UTC', 'HH24:MI') AS minute`

/** Whether the first token of a row was measured. */
const HAS_FIRST_TOKEN = "success AND stream AND first_token_ms IS NOT NULL"

export const compareMinutes = (sql: SqlClient.SqlClient, { fromMs, attemptsDay }: Omit<While, "hours">) => {
  const hour = sql`to_timestamp(${fromMs}::float8 / 1000)`
  const group = sql.literal("minute, stream")
  const wasted = wastedAttempts(sql, attemptsDay)
  const columns = sql.literal(ROLLUP_SUMS.join(", "))
  return decodeMinutes(sql`
    WITH counted AS (
      SELECT *, ${sql.literal(minuteOf("started_at"))}, ${sql.literal(SUCCESS)} AS success
      FROM requests
      WHERE started_at >= ${hour} AND started_at < ${hour} + interval '1 hour'
    ), answered AS (
      SELECT ${group}, ${sql.literal(ROW_SUMS)}, count(*) FILTER (WHERE ${sql.literal(HAS_FIRST_TOKEN)}) AS first_tokens
      FROM counted
      GROUP BY ${group}
    ), wasted AS (
      SELECT ${group}, ${sql.literal(WASTED_SUMS)}
      FROM ${wasted.joined} WHERE ${wasted.condition}
      GROUP BY ${group}
    ), summed AS (
      SELECT * FROM answered FULL JOIN wasted USING (${group})
    ), stored AS (
      SELECT
        ${sql.literal(minuteOf("minute"))}, stream, ${columns}, ${sql.literal(measuredIn("latencies"))} AS measured,
        ${sql.literal(measuredIn("first_tokens"))} AS first_tokens
      FROM minute_usage
      WHERE minute_usage.minute >= ${hour} AND minute_usage.minute < ${hour} + interval '1 hour'
    ), ${differences(sql, group, [...ROLLUP_SUMS, "measured", "first_tokens"])}`)
}

export const compareFirstTokens = (
  sql: SqlClient.SqlClient,
  { fromMs, hours }: Omit<While, "attemptsDay">,
) => {
  const from = sql`to_timestamp(${fromMs}::float8 / 1000)`
  const group = sql.literal("provider, model, stream")
  return decodeModels(sql`
    WITH counted AS (
      SELECT *, ${sql.literal(SUCCESS)} AS success
      FROM requests
      WHERE started_at >= ${from} AND started_at < ${from} + make_interval(hours => ${hours}::int)
    ), summed AS (
      SELECT ${group}, count(*) AS first_tokens
      FROM counted
      WHERE ${sql.literal(HAS_FIRST_TOKEN)}
      GROUP BY ${group}
    ), stored AS (
      SELECT provider, model, true AS stream, ${sql.literal(measuredIn("first_tokens"))} AS first_tokens
      FROM first_token_usage
      WHERE hours = ${hours} AND start = ${from}
    ), ${differences(sql, group, ["first_tokens"])}`)
}
