import { DateTime } from "effect"

/** The time that clocks on the walls of a place show. */
interface WallTime {
  /** Minutes since midnight, as shown. */
  readonly minute: number
  /** 0 = Sunday. */
  readonly day: number
}

/**
 * Makes a clock of an IANA time zone. Its offset is looked up once a minute, which is as fine as it is read: each request
 * asks.
 */
export const wallClock = (timeZone: string): ((nowMs: number) => WallTime) => {
  const zone = DateTime.zoneMakeNamedUnsafe(timeZone)
  let read = Number.NaN
  let shown: WallTime = { minute: 0, day: 0 }
  return (nowMs) => {
    const minutes = Math.floor(nowMs / 60_000)
    if (minutes !== read) {
      const { hour, minute, weekDay } = DateTime.toParts(
        DateTime.setZone(DateTime.makeUnsafe(minutes * 60_000), zone),
      )
      shown = { minute: 60 * hour + minute, day: weekDay }
      read = minutes
    }
    return shown
  }
}

/**
 * Tells whether a time is within hours of certain days. `from` and `to` are minutes since midnight, `to` not included; when
 * `to` comes first the hours go over midnight, and what is after it belongs to the day before.
 */
export const isWithin = (
  { day, minute }: WallTime,
  { days, from, to }: { readonly from: number; readonly to: number; readonly days: ReadonlySet<number> },
): boolean => {
  if (from < to) return minute >= from && minute < to && days.has(day)
  return minute >= from ? days.has(day) : minute < to && days.has((day + 6) % 7)
}
