import { Effect, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { decodeRows } from "../../database/decode-rows.ts"
import { reading } from "../../database/reading.ts"
import { type Finding, fail, MAX_EXAMPLES, ok, several } from "../../domain/Finding.ts"
import { DAY_MS, HOUR_MS, type TimeRange, widen } from "../../domain/TimeRange.ts"
import { ATTRIBUTED_USAGE, COARSER_USAGE, ROLLUP_SUMS, type RollupTable, USAGE } from "../tables/rollups.ts"
import type { LedgerSubject } from "./LedgerSubject.ts"

const decodeStarts = decodeRows(Schema.Struct({ start: Schema.Date }))

const decodeFirst = decodeRows(Schema.Struct({ first: Schema.NullOr(Schema.Finite) }))

/**
 * Checks that the rollups that analytics read agree: each size of rows with the next smaller one, and those by key, by
 * model and in all with those by key and model; likewise what requests belong to.
 */

/** Rows of `table` that count `hours` hours are the sums of those of `source` that count `sourceHours`. */
interface Level {
  readonly table: RollupTable
  readonly hours: number
  readonly source: RollupTable
  readonly sourceHours: number
}

const sized = (hours: number, sourceHours: number): ReadonlyArray<Level> =>
  [USAGE, ...COARSER_USAGE, ...ATTRIBUTED_USAGE].flatMap((table) =>
    table.hours.includes(hours) && table.hours.includes(sourceHours)
      ? { table, hours, source: table, sourceHours }
      : [],
  )

/** Tables of a dimension whose rows are sums of another's. */
const attributed = ATTRIBUTED_USAGE.flatMap((table): ReadonlyArray<Level> => {
  const source = ATTRIBUTED_USAGE.findLast(({ dimension }) => dimension === table.dimension)
  const hours = source?.hours[0]
  return source === undefined || source === table || hours === undefined
    ? []
    : [{ table, hours, source, sourceHours: hours }]
})

const inDays = [
  ...COARSER_USAGE.map((table): Level => ({ table, hours: 1, source: USAGE, sourceHours: 1 })),
  ...attributed,
  ...sized(6, 1),
  ...sized(24, 6),
]
const inWeeks = sized(168, 24)

const differing = (sql: SqlClient.SqlClient, { fromMs, toMs }: TimeRange, level: Level) => {
  const { table, hours, source, sourceHours } = level
  const key = sql.literal(["start", ...table.groups, "stream"].join(", "))
  const others = sql.literal([...table.groups, "stream", ...ROLLUP_SUMS].join(", "))
  const hasLatencies = table.hasLatencies && source.hasLatencies
  const latencies = sql.literal(hasLatencies ? ", latencies" : "")
  const one = sql.literal(hasLatencies ? ", compact_latencies(latencies) AS latencies" : "")
  const compacted = sql.literal(
    hasLatencies ? ", compact_latencies(string_agg(latencies, '')) AS latencies" : "",
  )
  const summed = sql.literal(ROLLUP_SUMS.map((name) => `sum(${name})::bigint AS ${name}`).join(", "))
  const within = sql`
    start >= to_timestamp(${fromMs}::float8 / 1000) AND start < to_timestamp(${toMs}::float8 / 1000)`
  return decodeStarts(sql`
    WITH source AS (
      SELECT
        date_bin(make_interval(hours => ${hours}::int), start, timestamptz '1970-01-01Z') AS start, ${others}${latencies}
      FROM ${sql(source.name)}
      WHERE hours = ${sourceHours} AND ${within}
    ), expected AS (
      SELECT ${key}, ${summed}${compacted} FROM source GROUP BY ${key}
    ), stored AS (
      SELECT start, ${others}${one} FROM ${sql(table.name)} WHERE hours = ${hours} AND ${within}
    )
    SELECT start
    FROM ((TABLE expected EXCEPT TABLE stored) UNION (TABLE stored EXCEPT TABLE expected)) AS differing
    GROUP BY ${key}
    ORDER BY start`)
}

export const checkRollupLevels = ({
  sql,
  span,
  progress,
}: LedgerSubject): Effect.Effect<Finding, SqlError.SqlError> =>
  Effect.gen(function* () {
    const [row] = yield* reading(
      sql,
      decodeFirst(sql`
        SELECT (extract(epoch FROM min(start)) * 1000)::float8 AS first FROM total_usage WHERE hours = 1`),
    )
    const known = { fromMs: Math.max(span.fromMs, row?.first ?? span.toMs), toMs: span.toMs }
    const steps = [
      ...pieces(known, DAY_MS).map((piece) => ({ piece, levels: inDays })),
      ...pieces(known, 168 * HOUR_MS).map((piece) => ({ piece, levels: inWeeks })),
    ]
    const examples: Array<string> = []
    let wrong = 0
    for (const [done, { piece, levels }] of steps.entries()) {
      for (const level of levels) {
        const starts = yield* reading(sql, differing(sql, piece, level))
        const [first] = starts
        wrong += starts.length
        if (first !== undefined && examples.length < MAX_EXAMPLES) {
          examples.push(
            `${level.table.name} of ${several(level.hours, "hour")} from ${first.start.toISOString()} on: ${several(starts.length, "row")}`,
          )
        }
      }
      yield* progress(done + 1, steps.length, "days and weeks of rollups")
    }
    const numbers = { days: steps.filter(({ levels }) => levels === inDays).length, differing: wrong }
    return wrong > 0
      ? fail("rollup_levels", {
          summary: `${several(wrong, "row")} of usage are not the sums of smaller ones`,
          numbers,
          examples,
          next:
            "Something other than a gateway of this version changed these tables. All of them are made from usage " +
            "where hours = 1.",
        })
      : ok("rollup_levels", {
          summary: `usage by key, by model, in all and by what requests belong to agrees in every size over ${several(numbers.days, "day")}`,
          numbers,
        })
  })

/** Cuts a span into whole units, counted since 1970 as the rollups are. */
const pieces = (span: TimeRange, unitMs: number): ReadonlyArray<TimeRange> => {
  const { fromMs, toMs } = widen(span, unitMs)
  return Array.from({ length: Math.max(0, (toMs - fromMs) / unitMs) }, (_, i) => ({
    fromMs: fromMs + i * unitMs,
    toMs: fromMs + (i + 1) * unitMs,
  }))
}
