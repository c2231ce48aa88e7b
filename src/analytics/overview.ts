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
  type MinuteBucket,
  type StoredTop,
  sumsQuery,
  type TopGrouping,
  topQuery,
} from "./overview-query.ts"
import type { OverviewQuery } from "./query.ts"
import { storedHistogram } from "./stored-histogram.ts"
import { type Bucket, hoursOf, inBuckets } from "./time-range.ts"
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
  const { bucket, range } = isLive(asked, filters, nowMs)
    ? { range: widen(asked, MINUTE_MS), bucket: "minute" as const }
    : inHours(asked, table)
  const ended = { fromMs: range.fromMs, toMs: endOf(range, bucket, nowMs) }
  const before = { fromMs: Math.max(0, 2 * ended.fromMs - ended.toMs), toMs: ended.fromMs }
  const over = (range: TimeRange) => readParts(sql, { table, bucket, filters, nowMs, range })
  const top = Effect.fnUntraced(function* (grouping: TopGrouping) {
    const known = tableFor(grouping, filters)
    if (known === undefined) return null
    const whole = inBuckets(asked, smallestOf(known))
    const rows = yield* decodeTop(topQuery(sql, { grouping, table: known, filters, range: whole }))
    return { whole, rows }
  })
  const read = yield* Effect.all(
    {
      ever: decodeSums(sumsQuery(sql, { table, filters })),
      parts: over(range),
      partsBefore: ended.toMs === ended.fromMs ? Effect.succeed([]) : over(before),
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
    compared: {
      ended: {
        ...instants(ended),
        totals: totals(added(read.parts.filter(({ start }) => start.getTime() < ended.toMs))),
      },
      before: { ...instants(before), totals: totals(added(read.partsBefore)) },
    },
    bucket,
    series: read.parts.map((row) => ({ start: row.start.toISOString(), ...totals(row) })),
    top: {
      models: ranking(read.models, ({ provider = "", model = "" }) => ({ provider, model })),
      providers: ranking(read.providers, ({ provider = "" }) => ({ provider })),
      keys: ranking(read.keys, ({ key_id = "", key_name = null }) => ({ key_id, key_name })),
      teams: ranking(read.teams, ({ team = "" }) => ({ team })),
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
  const smallest = smallestOf(table)
  const range = inBuckets(asked, smallest)
  const bucket: Bucket = range.toMs - range.fromMs > MOST_HOURS_MS ? "day" : smallest
  return { range, bucket }
}

const smallestOf = ({ hours }: Table): Bucket => (hours.includes(1) ? "hour" : "day")

/** Returns the end of the last part of a curve that is over; the span's start where none is. */
const endOf = ({ fromMs, toMs }: TimeRange, bucket: MinuteBucket, nowMs: number): number => {
  const stepMs = bucket === "minute" ? MINUTE_MS : hoursOf[bucket] * HOUR_MS
  return Math.max(fromMs, Math.min(toMs, Math.floor(nowMs / stepMs) * stepMs))
}

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

const ranking = <Name>(
  read: { readonly whole: TimeRange; readonly rows: ReadonlyArray<StoredTop> } | null,
  nameOf: (row: StoredTop) => Name,
) => read && { ...instants(read.whole), data: read.rows.map((row) => ({ ...nameOf(row), ...sumsOf(row) })) }
