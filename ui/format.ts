/** How numbers, money and times look: short, in the viewer's zone and language. */

const cents = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD" })
const dollars = new Intl.NumberFormat(undefined, {
  style: "currency",
  currency: "USD",
  maximumFractionDigits: 0,
})
const small = new Intl.NumberFormat(undefined, {
  style: "currency",
  currency: "USD",
  minimumSignificantDigits: 2,
  maximumSignificantDigits: 2,
})
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 })
const shares = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 })
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" })
const minute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" })
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" })
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" })
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "always", style: "narrow" })

/** Nothing is known. */
export const NONE = "–"

/** `$0.00042`, `$12.34`, `$1,235`. */
export const money = (usd: number | null | undefined): string => {
  if (usd === null || usd === undefined) return NONE
  if (usd !== 0 && Math.abs(usd) < 0.1) return small.format(usd)
  return Math.abs(usd) >= 1_000 ? dollars.format(usd) : cents.format(usd)
}

/** `4,211`, and `1.2M` from a hundred thousand on. */
export const count = (n: number | null | undefined): string => {
  if (n === null || n === undefined) return NONE
  return Math.abs(n) >= 100_000 ? compact.format(n) : whole.format(n)
}

/** `12.5%` of 0.125. */
export const share = (ratio: number | null | undefined): string =>
  ratio === null || ratio === undefined || Number.isNaN(ratio) ? NONE : shares.format(ratio)

/** `840 ms`, `1.24 s`, `2 min 5 s`. */
export const duration = (ms: number | null | undefined): string => {
  if (ms === null || ms === undefined) return NONE
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 100_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`
  const seconds = Math.round(ms / 1_000)
  const minutes = Math.floor(seconds / 60)
  return minutes < 120 ? `${minutes} min ${seconds % 60} s` : `${Math.round(minutes / 60)} h`
}

export const time = (iso: string | null | undefined): string =>
  iso === null || iso === undefined ? NONE : moment.format(new Date(iso))

/** Of the ends of a span, which are whole minutes. */
export const toTheMinute = (iso: string): string => minute.format(new Date(iso))

/** Of a moment in a list, the time of day and the day. */
export const timeOfDay = (iso: string): string => clock.format(new Date(iso))
export const dayOfYear = (iso: string): string => day.format(new Date(iso))

const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
] as const

/** `3 min ago`, `in 2 hr`. */
export const ago = (iso: string, nowMs = Date.now()): string => {
  const ms = Date.parse(iso) - nowMs
  for (const [unit, unitMs] of UNITS) {
    if (Math.abs(ms) >= unitMs) return relative.format(Math.trunc(ms / unitMs), unit)
  }
  return "now"
}
