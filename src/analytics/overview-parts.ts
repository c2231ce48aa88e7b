import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { DAY_MS, HOUR_MS, type TimeRange } from "../domain/TimeRange.ts"
import { ROLLUP_SUMS, type RollupSums } from "../ledger/tables/rollups.ts"
import {
  decodeFirstTokens,
  decodeMinutes,
  firstTokensQuery,
  knowsFirstTokens,
  type MinuteBucket,
  minutesQuery,
} from "./overview-query.ts"
import type { OverviewQuery } from "./query.ts"
import { decodeTimes, filteredColumns, type StoredSums, type Table, usageQuery } from "./usage-query.ts"

/** Parts of a curve at most, far above what any ledger holds. */
const MOST_PARTS = 100_000

/** Minutes are kept for somewhat longer. */
export const MINUTES_KEPT_MS = DAY_MS

/** What is newer is read from minutes, where it can be: upkeep has not moved the histograms of each key and model yet. */
const UNMOVED_MS = HOUR_MS

/** Tells whether a span is known by minutes, which are of all keys and models together. */
export const areMinutesKnown = (filters: OverviewQuery): boolean => filteredColumns(filters).length === 0

/** A part of a curve. */
export interface Part extends StoredSums {
  readonly start: Date
  /** A histogram. */
  readonly first_tokens: Uint8Array
}

interface PartsOptions {
  readonly table: Table
  readonly bucket: MinuteBucket
  /** In whole parts of the table, or in whole minutes where those are asked for. */
  readonly range: TimeRange
  readonly filters: OverviewQuery
  readonly nowMs: number
}

/** Reads a curve in order of time. Each count is in both the minutes and the hours of its time, so that one of them is enough. */
export const readParts = (
  sql: SqlClient.SqlClient,
  { bucket, filters, nowMs, range, table }: PartsOptions,
): Effect.Effect<ReadonlyArray<Part>, SqlError.SqlError> => {
  if (bucket === "minute") return decodeMinutes(minutesQuery(sql, range, bucket, filters))
  const older = (range: TimeRange) =>
    Effect.zipWith(
      decodeTimes(
        usageQuery(sql, {
          ...{ grouping: "time", table, bucket, range, filters },
          ...{ after: undefined, limit: MOST_PARTS },
        }),
      ),
      knowsFirstTokens(filters)
        ? decodeFirstTokens(firstTokensQuery(sql, range, bucket, filters))
        : Effect.succeed([]),
      withFirstTokens,
    )
  const cutMs = Math.floor((nowMs - UNMOVED_MS) / HOUR_MS) * HOUR_MS
  if (!areMinutesKnown(filters) || range.toMs <= cutMs) return older(range)
  const newer = { fromMs: Math.max(range.fromMs, cutMs), toMs: range.toMs }
  return Effect.zipWith(
    range.fromMs < cutMs ? older({ fromMs: range.fromMs, toMs: cutMs }) : Effect.succeed([]),
    decodeMinutes(minutesQuery(sql, newer, bucket, filters)),
    joined,
  )
}

const NO_BYTES = new Uint8Array()

const withFirstTokens = (
  rows: ReadonlyArray<Omit<Part, "first_tokens">>,
  measured: ReadonlyArray<Pick<Part, "start" | "first_tokens">>,
): ReadonlyArray<Part> => {
  const byStart = new Map(measured.map(({ first_tokens, start }) => [start.getTime(), first_tokens]))
  return rows.map((row) => ({ ...row, first_tokens: byStart.get(row.start.getTime()) ?? NO_BYTES }))
}

/** Joins two curves of which the first may end within the part that the second begins with. */
const joined = (older: ReadonlyArray<Part>, newer: ReadonlyArray<Part>): ReadonlyArray<Part> => {
  const last = older.at(-1)
  const [first, ...others] = newer
  return last === undefined || first === undefined || last.start.getTime() !== first.start.getTime()
    ? [...older, ...newer]
    : [...older.slice(0, -1), { ...added([last, first]), start: first.start }, ...others]
}

export type Sums = typeof RollupSums.Type

export const NOTHING: Sums = {
  ...{ requests: 0, errors: 0, input_tokens: 0, output_tokens: 0, cached_tokens: 0, reasoning_tokens: 0 },
  ...{ cost_nano_usd: 0, unpriced_requests: 0, latency_ms: 0, wasted_nano_usd: 0, unpriced_attempts: 0 },
}

export const added = (rows: ReadonlyArray<Part>): Omit<Part, "start"> => {
  const sums = { ...NOTHING }
  for (const row of rows) for (const column of ROLLUP_SUMS) sums[column] += row[column]
  // Two histograms in a row are their sum.
  return {
    ...sums,
    latencies: Buffer.concat(rows.map(({ latencies }) => latencies)),
    first_tokens: Buffer.concat(rows.map(({ first_tokens }) => first_tokens)),
  }
}
