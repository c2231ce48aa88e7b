import { DAY_MS, HOUR_MS, type TimeRange, widen } from "../domain/TimeRange.ts"

/** The last millisecond of the year 9999: what four-digit ISO instants and timestamptz both hold. */
const MAX_MS = 253_402_300_799_999

/** Returns the span of a query, the last 24 hours by default; undefined when it is empty or out of bounds. */
export const timeRange = (
  asked: { readonly fromMs?: number | undefined; readonly toMs?: number | undefined },
  nowMs: number,
): TimeRange | undefined => {
  const toMs = asked.toMs ?? nowMs
  const fromMs = asked.fromMs ?? Math.max(0, toMs - DAY_MS)
  return fromMs >= 0 && fromMs < toMs && toMs <= MAX_MS ? { fromMs, toMs } : undefined
}

export type Bucket = "hour" | "day"

export const hoursOf: Readonly<Record<Bucket, number>> = { hour: 1, day: 24 }

/** Returns the smallest span of whole UTC buckets that covers `range`: rollups know whole hours. */
export const inBuckets = (range: TimeRange, bucket: Bucket): TimeRange =>
  widen(range, hoursOf[bucket] * HOUR_MS)

/** A part of a span that consists of whole units of `hours`. */
export interface Piece extends TimeRange {
  readonly hours: number
}

/** Cuts a span of whole hours into the fewest pieces: the largest units that fit, and smaller ones at both ends. */
export const inUnits = (
  span: TimeRange,
  [hours = 1, ...smaller]: ReadonlyArray<number>,
): ReadonlyArray<Piece> => {
  if (span.fromMs >= span.toMs) return []
  const size = hours * HOUR_MS
  const fromMs = Math.ceil(span.fromMs / size) * size
  const toMs = Math.floor(span.toMs / size) * size
  if (fromMs >= toMs) return inUnits(span, smaller)
  return [
    ...inUnits({ fromMs: span.fromMs, toMs: fromMs }, smaller),
    { fromMs, toMs, hours },
    ...inUnits({ fromMs: toMs, toMs: span.toMs }, smaller),
  ]
}
