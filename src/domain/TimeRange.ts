export const MINUTE_MS = 60_000
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

/** A span of time in epoch milliseconds. */
export interface TimeRange {
  /** Inclusive. */
  readonly fromMs: number
  /** Exclusive. */
  readonly toMs: number
}

/** Returns the smallest range of whole units since 1970, such as UTC hours or days, that covers `range`. */
export const widen = ({ fromMs, toMs }: TimeRange, unitMs: number): TimeRange => ({
  fromMs: Math.floor(fromMs / unitMs) * unitMs,
  toMs: Math.ceil(toMs / unitMs) * unitMs,
})
