import { Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { ATTRIBUTED_USAGE, membersOf, ROLLUP_SUMS } from "../tables/rollups.ts"
import { decodeDifferences, differences } from "./differences.ts"
import { measuredIn, ROW_SUMS, SUCCESS, WASTED_SUMS, wastedAttempts } from "./row-sums.ts"

/** Compares the usage of endpoints, teams, tags and users with the rows of a while. */

/** An hour of everything but users, of whom there are days alone. */
export interface While {
  readonly fromMs: number
  readonly hours: 1 | 24
  /** The day that the attempts of its requests are under. */
  readonly attemptsDay: Date
}

const decodeComparison = decodeDifferences({ dimension: Schema.String, name: Schema.String })

/** The smallest table of each dimension that has rows of so many hours. */
const tablesOf = (hours: number) =>
  ATTRIBUTED_USAGE.filter(
    (table, i) =>
      table.hours[0] === hours &&
      ATTRIBUTED_USAGE.findIndex(({ dimension }) => dimension === table.dimension) === i,
  )

export const compareAttributed = (sql: SqlClient.SqlClient, { fromMs, hours, attemptsDay }: While) => {
  const tables = tablesOf(hours)
  const dimensions = sql.literal(tables.map(({ dimension }) => `'${dimension}'`).join(", "))
  const hasLatencies = tables.every((table) => table.hasLatencies)
  const sums = [...ROLLUP_SUMS, ...(hasLatencies ? ["measured"] : [])]
  const from = sql`to_timestamp(${fromMs}::float8 / 1000)`
  const within = (column: string) =>
    sql`${sql.literal(column)} >= ${from} AND ${sql.literal(column)} < ${from} + make_interval(hours => ${hours}::int)`
  const members = sql.literal(membersOf("counted", "''", "''"))
  const group = sql.literal("dimension, name, stream")
  const wasted = wastedAttempts(sql, attemptsDay)
  const columns = sql.literal(ROLLUP_SUMS.join(", "))
  const none = sql.literal(ROLLUP_SUMS.map(() => "0").join(", "))
  const moved = tables.map(({ dimension, groups: [name = ""], name: table }) => {
    const measured = hasLatencies ? measuredIn("latencies") : "0"
    return sql`
      SELECT ${sql.literal(`'${dimension}' AS dimension, ${name} AS name`)}, stream, ${columns}, ${sql.literal(measured)} AS measured
      FROM ${sql(table)} WHERE hours = ${sql.literal(String(hours))} AND start = ${from}`
  })
  return decodeComparison(sql`
    WITH counted AS (
      SELECT *, ${sql.literal(SUCCESS)} AS success FROM requests WHERE ${within("started_at")}
    ), answered AS (
      SELECT dimension, name, stream, ${sql.literal(ROW_SUMS)}
      FROM counted CROSS JOIN LATERAL ${members}
      WHERE dimension IN (${dimensions})
      GROUP BY 1, 2, 3
    ), wasted AS (
      SELECT dimension, name, stream, ${sql.literal(WASTED_SUMS)}
      FROM ${wasted.joined} CROSS JOIN LATERAL ${members}
      WHERE ${wasted.condition} AND dimension IN (${dimensions})
      GROUP BY 1, 2, 3
    ), summed AS (
      SELECT * FROM answered FULL JOIN wasted USING (${group})
    ), stored AS (
      SELECT
        ${group}, ${sql.literal(ROLLUP_SUMS.map((name) => `sum(${name}) AS ${name}`).join(", "))},
        sum(measured) AS measured
      FROM (
        ${sql.join(" UNION ALL ", false)(moved)}
        UNION ALL
        SELECT ${group}, ${columns}, 0 FROM attributed_recent
        WHERE ${within("hour")} AND dimension IN (${dimensions})
        UNION ALL
        SELECT ${group}, ${none}, requests FROM attributed_latency_recent
        WHERE ${within("hour")} AND dimension IN (${dimensions})
      ) AS both_levels
      GROUP BY ${group}
    ), ${differences(sql, group, sums)}`)
}
