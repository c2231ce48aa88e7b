import { Clock, Effect, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { decodeRows } from "../../database/decode-rows.ts"
import { reading } from "../../database/reading.ts"
import { type Finding, fail, MAX_EXAMPLES, ok, several, warn } from "../../domain/Finding.ts"
import { DAY_MS, HOUR_MS, widen } from "../../domain/TimeRange.ts"
import { ledgerPartitions } from "../tables/partitions.ts"
import { isWasted, ROLLUP_SUMS, wastedSums } from "../tables/rollups.ts"
import type { LedgerSubject } from "./LedgerSubject.ts"
import { unfinished } from "./unfinished.ts"

/** Checks that the rollups of an hour are the sums of its rows, for every key, provider, model and mode. */

/** An hour of the ledger. */
interface Hour {
  /** Epoch milliseconds. */
  readonly startMs: number
  /** The day that the attempts of its requests are under: all from before there were days are under one. */
  readonly attemptsDay: Date
}

const WASTED = wastedSums("tried")

/** Sums that are compared; the last one is of requests whose latency was counted. */
const sums = [...ROLLUP_SUMS, "measured"]

const Sums = Schema.Record(Schema.String, Schema.Finite)

const DifferingGroup = Schema.Struct({
  key_id: Schema.String,
  provider: Schema.String,
  model: Schema.String,
  stream: Schema.Boolean,
  rows: Sums,
  rollup: Sums,
})

const decodeHour = decodeRows(
  Schema.Struct({
    groups: Schema.Finite,
    differing: Schema.Finite,
    examples: Schema.Array(DifferingGroup),
  }),
)

const decodeFirst = decodeRows(Schema.Struct({ first: Schema.NullOr(Schema.Finite) }))

/** Compares an hour in one statement, which sees one moment, so that it does not matter who writes meanwhile. */
const compareHour = (sql: SqlClient.SqlClient, { startMs, attemptsDay }: Hour) => {
  const hour = sql`to_timestamp(${startMs}::float8 / 1000)`
  const group = sql.literal("key_id, provider, model, stream")
  const objectOf = (table: string) =>
    sql.literal(
      `jsonb_build_object(${sums.map((name) => `'${name}', coalesce(${table}.${name}, 0)`).join(", ")})`,
    )
  const differs = sql.literal(
    sums.map((name) => `coalesce(stored.${name}, 0) <> coalesce(summed.${name}, 0)`).join(" OR "),
  )
  return decodeHour(sql`
    WITH counted AS (
      SELECT
        *, coalesce(provider IS NOT NULL AND status BETWEEN 200 AND 299 AND error_code IS NULL, false) AS success
      FROM requests
      WHERE started_at >= ${hour} AND started_at < ${hour} + interval '1 hour'
    ), answered AS (
      SELECT
        key_id, coalesce(provider, '') AS provider, coalesce(model, '') AS model, stream, sum(requests) AS requests,
        coalesce(sum(requests) FILTER (WHERE NOT success), 0) AS errors, coalesce(sum(input_tokens), 0) AS input_tokens,
        coalesce(sum(output_tokens), 0) AS output_tokens, coalesce(sum(cached_tokens), 0) AS cached_tokens,
        coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens, coalesce(sum(cost_nano_usd), 0) AS cost_nano_usd,
        count(*) FILTER (WHERE success AND cost_nano_usd IS NULL) AS unpriced_requests,
        coalesce(sum(latency_ms) FILTER (WHERE success), 0) AS latency_ms,
        count(*) FILTER (WHERE success) AS measured
      FROM counted
      GROUP BY 1, 2, 3, 4
    ), wasted AS (
      SELECT key_id, tried.provider, tried.model, stream, ${sql.literal(WASTED.sums)}
      FROM counted JOIN attempts AS tried ON tried.request_id = counted.id
      WHERE tried.day = (${attemptsDay}::timestamptz AT TIME ZONE 'UTC')::date AND ${sql.literal(WASTED.hasAny)}
        AND ${sql.literal(isWasted("tried", "counted"))}
      GROUP BY 1, 2, 3, 4
    ), summed AS (
      SELECT * FROM answered FULL JOIN wasted USING (${group})
    ), measured AS (
      SELECT ${group}, sum(requests) AS measured FROM latency_rollups WHERE hour = ${hour} GROUP BY ${group}
    ), stored AS (
      SELECT * FROM (SELECT * FROM usage_rollups WHERE hour = ${hour}) AS usage
        FULL JOIN measured USING (${group})
    ), differing AS (
      SELECT ${group}, ${objectOf("summed")} AS rows, ${objectOf("stored")} AS rollup
      FROM summed FULL JOIN stored USING (${group})
      WHERE ${differs}
    )
    SELECT
      (SELECT count(*) FROM summed)::float8 AS groups, (SELECT count(*) FROM differing)::float8 AS differing,
      (
        SELECT coalesce(jsonb_agg(first), '[]')
        FROM (SELECT * FROM differing ORDER BY ${group} LIMIT ${MAX_EXAMPLES}) AS first
      ) AS examples`)
}

/**
 * Returns the hours of a span that have both rows and rollups: days whose rows were dropped have no sums to compare with,
 * nor have days that should be, of which a late record may have brought one back.
 */
const comparableHours = Effect.fnUntraced(function* ({ sql, span, nowMs, retentionDays }: LedgerSubject) {
  const partitions = yield* reading(sql, ledgerPartitions(sql))
  const [row] = yield* reading(
    sql,
    decodeFirst(sql`
      SELECT (extract(epoch FROM least(
        (SELECT min(started_at) FROM requests), (SELECT min(hour) FROM usage_recent),
        (SELECT min(start) FROM total_usage WHERE hours = 1)
      )) * 1000)::float8 AS first`),
  )
  const kept = retentionDays === undefined ? 0 : Math.floor(nowMs / DAY_MS) * DAY_MS - retentionDays * DAY_MS
  const { fromMs, toMs } = widen(
    { fromMs: Math.max(span.fromMs, row?.first ?? span.toMs, kept), toMs: span.toMs },
    HOUR_MS,
  )
  const hours: Array<Hour> = []
  for (const partition of partitions) {
    const end = Math.min(toMs, partition.toMs)
    const attemptsDay = new Date(partition.toMs - DAY_MS)
    for (let startMs = Math.max(fromMs, partition.fromMs ?? fromMs); startMs < end; startMs += HOUR_MS)
      hours.push({ startMs, attemptsDay })
  }
  return hours
})

export const checkRollups = (subject: LedgerSubject): Effect.Effect<Finding, SqlError.SqlError> =>
  Effect.gen(function* () {
    const { sql, budgetMs, progress } = subject
    const clock = yield* Clock.Clock
    const startedMs = clock.currentTimeMillisUnsafe()
    const hours = yield* comparableHours(subject)
    let compared = 0
    let groups = 0
    let differing = 0
    const examples: Array<string> = []
    // The newest first: what is wrong now matters most, should there not be time for all.
    for (const hour of hours.toReversed()) {
      if (clock.currentTimeMillisUnsafe() - startedMs > budgetMs) break
      const [result] = yield* reading(sql, compareHour(sql, hour))
      compared += 1
      groups += result?.groups ?? 0
      differing += result?.differing ?? 0
      for (const group of result?.examples ?? []) {
        if (examples.length < MAX_EXAMPLES) examples.push(describeGroup(hour.startMs, group))
      }
      yield* progress(compared, hours.length, "hours of rollups")
    }
    const numbers = { hours: hours.length, compared, groups, differing }
    if (differing > 0) {
      return fail("rollups", {
        summary: `${several(differing, "group")} in ${several(compared, "hour")} are not the sums of their rows`,
        numbers,
        examples,
        next:
          "Something other than a gateway of this version changed these tables. Where the rows are right, insert the " +
          "difference into usage_recent: gateways move it on.",
      })
    }
    return compared < hours.length
      ? warn("rollups", unfinished(`${compared} of ${several(hours.length, "hour")}`, numbers))
      : ok("rollups", {
          summary: `${several(groups, "group")} in ${several(compared, "hour")} are the sums of their rows`,
          numbers,
        })
  })

const describeGroup = (hourMs: number, group: typeof DifferingGroup.Type): string => {
  const { key_id, provider, model, stream, rows, rollup } = group
  const differences = sums
    .filter((name) => rows[name] !== rollup[name])
    .map((name) => `${name} ${rollup[name]}, rows ${rows[name]}`)
  const answered = provider === "" ? "nobody" : `${provider}/${model}`
  return `${new Date(hourMs).toISOString()} ${key_id} ${answered} ${stream ? "stream" : "whole"}: ${differences.join("; ")}`
}
