/** The span an answer is about: from inclusive, to exclusive, epoch milliseconds. */
export interface TimeRange {
  readonly fromMs: number
  readonly toMs: number
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** The last millisecond of the year 9999: what four-digit ISO instants and timestamptz both hold. */
const MAX_MS = 253_402_300_799_999

/** The last 24 hours where nothing was asked; undefined when there is no such span. */
export const timeRange = (
  asked: { readonly fromMs?: number | undefined; readonly toMs?: number | undefined },
  nowMs: number,
): TimeRange | undefined => {
  const toMs = asked.toMs ?? nowMs
  const fromMs = asked.fromMs ?? Math.max(0, toMs - DAY_MS)
  return fromMs >= 0 && fromMs < toMs && toMs <= MAX_MS ? { fromMs, toMs } : undefined
}

export type Bucket = "hour" | "day"

/** Rollups know whole hours: the smallest span of whole UTC buckets that covers what was asked. */
export const widen = (range: TimeRange, bucket: Bucket): TimeRange => {
  const size = bucket === "day" ? DAY_MS : HOUR_MS
  return {
    fromMs: Math.floor(range.fromMs / size) * size,
    toMs: Math.ceil(range.toMs / size) * size,
  }
}

/** A part of a span that consists of whole units. */
export interface Piece extends TimeRange {
  readonly hours: number
}

/** A span of whole hours in the fewest pieces: the largest units that fit inside, and smaller ones at both ends. */
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
