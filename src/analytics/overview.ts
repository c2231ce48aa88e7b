import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { Overview } from "../api/overview.ts"
import { type LatencyHistogram, percentile } from "../domain/latency-histogram.ts"
import { DAY_MS, HOUR_MS, MINUTE_MS, type TimeRange, widen } from "../domain/TimeRange.ts"
import {
  added,
  areMinutesKnown,
  MINUTES_KEPT_MS,
  NOTHING,
  type Part,
  readParts,
  type Sums,
} from "./overview-parts.ts"
import {
  decodeSums,
  decodeTop,
  type StoredTop,
  sumsQuery,
  type TopGrouping,
  topQuery,
} from "./overview-query.ts"
import type { OverviewQuery } from "./query.ts"
import { storedHistogram } from "./stored-histogram.ts"
import { type Bucket, inBuckets } from "./time-range.ts"
import { type Table, tableFor } from "./usage-query.ts"
import { hundredths, usageTotals } from "./usage-totals.ts"

/** Up to here a curve has hours: no more than 192 of them. */
const MOST_HOURS_MS = 8 * DAY_MS

/** Up to here a curve has minutes, where they are known. */
const MOST_MINUTES_MS = 3 * HOUR_MS

interface OverviewOptions {
  /** Tells apart what is filtered by. */
  readonly table: Table
  readonly range: TimeRange
  readonly filters: OverviewQuery
  readonly nowMs: number
}

/** Reads all of an overview from rollups: a handful of statements that know no single request. */
export const readOverview = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  { filters, nowMs, range: asked, table }: OverviewOptions,
): Effect.fn.Return<typeof Overview.Type, SqlError.SqlError> {
  const { before, bucket, range } = isLive(asked, filters, nowMs)
    ? { ...beside(widen(asked, MINUTE_MS)), bucket: "minute" as const }
    : inHours(asked, table)
  const over = (range: TimeRange) => readParts(sql, { table, bucket, filters, nowMs, range })
  const top = (grouping: TopGrouping) => {
    const known = tableFor(grouping, filters)
    if (known === undefined) return Effect.succeed(null)
    const whole = inBuckets(asked, known.hours.includes(1) ? "hour" : "day")
    return decodeTop(topQuery(sql, { grouping, table: known, filters, range: whole }))
  }
  const read = yield* Effect.all(
    {
      ever: decodeSums(sumsQuery(sql, { table, filters })),
      parts: over(range),
      partsBefore: over(before),
      models: top("model"),
      providers: top("provider"),
      keys: top("key"),
      teams: top("team"),
    },
    { concurrency: "unbounded" },
  )
  return {
    ...instants(range),
    totals: totals(added(read.parts)),
    before: { ...instants(before), totals: totals(added(read.partsBefore)) },
    bucket,
    series: read.parts.map((row) => ({ start: row.start.toISOString(), ...totals(row) })),
    top: {
      models: topRows(read.models, ({ provider = "", model = "" }) => ({ provider, model })),
      providers: topRows(read.providers, ({ provider = "" }) => ({ provider })),
      keys: topRows(read.keys, ({ key_id = "", key_name = null }) => ({ key_id, key_name })),
      teams: topRows(read.teams, ({ team = "" }) => ({ team })),
    },
    ever: sumsOf(read.ever[0] ?? NOTHING),
  }
})

/** Tells whether the minutes of a span and of the one before it are known. */
const isLive = ({ fromMs, toMs }: TimeRange, filters: OverviewQuery, nowMs: number) =>
  toMs - fromMs <= MOST_MINUTES_MS &&
  fromMs - (toMs - fromMs) >= nowMs - MINUTES_KEPT_MS &&
  areMinutesKnown(filters)

const inHours = (asked: TimeRange, table: Table) => {
  const smallest = table.hours.includes(1) ? "hour" : "day"
  const range = inBuckets(asked, smallest)
  const bucket: Bucket = range.toMs - range.fromMs > MOST_HOURS_MS ? "day" : smallest
  return { ...beside(range), bucket }
}

/** Returns a span with the one of the same length before it. */
const beside = (range: TimeRange) => ({
  range,
  before: { fromMs: Math.max(0, 2 * range.fromMs - range.toMs), toMs: range.fromMs },
})

const instants = ({ fromMs, toMs }: TimeRange) => ({
  from: new Date(fromMs).toISOString(),
  to: new Date(toMs).toISOString(),
})

const totals = (row: Omit<Part, "start">): (typeof Overview.Type)["totals"] => {
  const histogram = storedHistogram(row.latencies)
  const firstTokens = storedHistogram(row.first_tokens)
  return {
    ...usageTotals({ ...row, histogram }),
    error_share: row.requests === 0 ? null : row.errors / row.requests,
    p50_latency_ms: hundredths(percentile(histogram, 0.5)),
    p50_first_token_ms: hundredths(percentile(firstTokens, 0.5)),
    p95_first_token_ms: hundredths(percentile(firstTokens, 0.95)),
  }
}

const NO_LATENCIES: LatencyHistogram = []

const sumsOf = (row: Sums) => {
  const {
    avg_latency_ms: _avg,
    p95_latency_ms: _p95,
    ...sums
  } = usageTotals({ ...row, histogram: NO_LATENCIES })
  return sums
}

const topRows = <Name>(rows: ReadonlyArray<StoredTop> | null, nameOf: (row: StoredTop) => Name) =>
  rows?.map((row) => ({ ...nameOf(row), ...sumsOf(row) })) ?? null
