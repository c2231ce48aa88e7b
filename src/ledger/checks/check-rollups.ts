import { Clock, Effect, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { decodeRows } from "../../database/decode-rows.ts"
import { reading } from "../../database/reading.ts"
import { type Finding, fail, MAX_EXAMPLES, ok, several, warn } from "../../domain/Finding.ts"
import { DAY_MS, HOUR_MS, widen } from "../../domain/TimeRange.ts"
import { ledgerPartitions } from "../tables/partitions.ts"
import { ROLLUP_SUMS } from "../tables/rollups.ts"
import { compareAttributed, type While } from "./compare-attributed.ts"
import { compareFirstTokens, compareMinutes } from "./compare-curves.ts"
import { type Difference, decodeDifferences, differences } from "./differences.ts"
import type { LedgerSubject } from "./LedgerSubject.ts"
import { ROW_SUMS, SUCCESS, WASTED_SUMS, wastedAttempts } from "./row-sums.ts"
import { unfinished } from "./unfinished.ts"

/**
 * Checks that the rollups of an hour are the sums of its rows, for every key, provider, model and mode, and for whatever its
 * requests belong to; those of users are of a day.
 */

/** An hour of the ledger. */
interface Hour {
  /** Epoch milliseconds. */
  readonly startMs: number
  /** The day that the attempts of its requests are under: all from before there were days are under one. */
  readonly attemptsDay: Date
}

/** Sums of a key and model that are compared; the last one is of requests whose latency was counted. */
const sums = [...ROLLUP_SUMS, "measured"]

const decodeHour = decodeDifferences({
  key_id: Schema.String,
  provider: Schema.String,
  model: Schema.String,
})

const decodeFirst = decodeRows(Schema.Struct({ first: Schema.NullOr(Schema.Finite) }))

/** Compares an hour in one statement, which sees one moment, so that it does not matter who writes meanwhile. */
const compareHour = (sql: SqlClient.SqlClient, { startMs, attemptsDay }: Hour) => {
  const hour = sql`to_timestamp(${startMs}::float8 / 1000)`
  const group = sql.literal("key_id, provider, model, stream")
  const wasted = wastedAttempts(sql, attemptsDay)
  return decodeHour(sql`
    WITH counted AS (
      SELECT *, ${sql.literal(SUCCESS)} AS success
      FROM requests
      WHERE started_at >= ${hour} AND started_at < ${hour} + interval '1 hour'
    ), answered AS (
      SELECT
        key_id, coalesce(provider, '') AS provider, coalesce(model, '') AS model, stream, ${sql.literal(ROW_SUMS)}
      FROM counted
      GROUP BY 1, 2, 3, 4
    ), wasted AS (
      SELECT key_id, tried.provider, tried.model, stream, ${sql.literal(WASTED_SUMS)}
      FROM ${wasted.joined} WHERE ${wasted.condition}
      GROUP BY 1, 2, 3, 4
    ), summed AS (
      SELECT * FROM answered FULL JOIN wasted USING (${group})
    ), measured AS (
      SELECT ${group}, sum(requests) AS measured FROM latency_rollups WHERE hour = ${hour} GROUP BY ${group}
    ), stored AS (
      SELECT * FROM (SELECT * FROM usage_rollups WHERE hour = ${hour}) AS usage
        FULL JOIN measured USING (${group})
    ), ${differences(sql, group, sums)}`)
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
    const { sql, budgetMs, nowMs, progress } = subject
    const clock = yield* Clock.Clock
    const startedMs = clock.currentTimeMillisUnsafe()
    const hours = yield* comparableHours(subject)
    const [firstTokens] = yield* reading(
      sql,
      decodeFirst(sql`
        SELECT (extract(epoch FROM min(start)) * 1000)::float8 AS first FROM first_token_usage WHERE hours = 24`),
    )
    const firstTokensFromMs = firstTokens?.first ?? Number.POSITIVE_INFINITY
    let compared = 0
    let groups = 0
    let differing = 0
    const examples: Array<string> = []
    // The newest first: what is wrong now matters most, should there not be time for all.
    const note = (comparison: { readonly groups: number; readonly differing: number } | undefined) => {
      groups += comparison?.groups ?? 0
      differing += comparison?.differing ?? 0
    }
    const example = (text: string) => {
      if (examples.length < MAX_EXAMPLES) examples.push(text)
    }
    let day: number | undefined
    for (const hour of hours.toReversed()) {
      if (clock.currentTimeMillisUnsafe() - startedMs > budgetMs) break
      const [result] = yield* reading(sql, compareHour(sql, hour))
      note(result)
      for (const group of result?.examples ?? []) example(describeGroup(hour.startMs, group))
      const whiles: [While, ...Array<While>] = [
        { fromMs: hour.startMs, hours: 1, attemptsDay: hour.attemptsDay },
      ]
      const dayMs = Math.floor(hour.startMs / DAY_MS) * DAY_MS
      // All from before there were days are under one, and none of them has a user.
      if (dayMs !== day && hour.attemptsDay.getTime() === dayMs)
        whiles.push({ fromMs: dayMs, hours: 24, attemptsDay: hour.attemptsDay })
      day = dayMs
      // Older minutes are on their way out, and are not priced anew.
      if (hour.startMs >= nowMs - DAY_MS) {
        const [minutes] = yield* reading(sql, compareMinutes(sql, whiles[0]))
        note(minutes)
        for (const { minute, ...group } of minutes?.examples ?? [])
          example(describe(hour.startMs, `minute ${minute}`, group))
      }
      for (const span of whiles) {
        if (span.fromMs >= firstTokensFromMs) {
          const [models] = yield* reading(sql, compareFirstTokens(sql, span))
          note(models)
          for (const { provider, model, ...group } of models?.examples ?? [])
            example(describe(span.fromMs, `${provider}/${model} in ${several(span.hours, "hour")}`, group))
        }
        const [attributed] = yield* reading(sql, compareAttributed(sql, span))
        note(attributed)
        for (const { dimension, name, ...group } of attributed?.examples ?? [])
          example(describe(span.fromMs, `${dimension} ${name}`, group))
      }
      compared += 1
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
          "difference into usage_recent or attributed_recent: gateways move it on. Minutes are forgotten after a day.",
      })
    }
    return compared < hours.length
      ? warn("rollups", unfinished(`${compared} of ${several(hours.length, "hour")}`, numbers))
      : ok("rollups", {
          summary: `${several(groups, "group")} in ${several(compared, "hour")} are the sums of their rows`,
          numbers,
        })
  })

const describeGroup = (
  hourMs: number,
  { key_id, provider, model, ...difference }: Difference & Record<"key_id" | "provider" | "model", string>,
): string => {
  const answered = provider === "" ? "nobody" : `${provider}/${model}`
  return describe(hourMs, `${key_id} ${answered}`, difference)
}

const describe = (startMs: number, what: string, { stream, rows, rollup }: Difference): string => {
  const texts = [...sums, "first_tokens"]
    .filter((name) => rows[name] !== rollup[name])
    .map((name) => `${name} ${rollup[name]}, rows ${rows[name]}`)
  return `${new Date(startMs).toISOString()} ${what} ${stream ? "stream" : "whole"}: ${texts.join("; ")}`
}
