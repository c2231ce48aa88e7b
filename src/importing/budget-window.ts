import type { BudgetPeriod } from "../domain/Budget.ts"
import { MAX_BUDGET_USD } from "../domain/bounds.ts"

/** LiteLLM's budgets, which are of any length of time, as budgets here, which are of windows of the calendar. */

interface Budget {
  readonly usd: number
  readonly window: BudgetPeriod
  /** What differs; absent when nothing does. */
  readonly note?: string
}

const WORDS: ReadonlyMap<string, string> = new Map([
  ["hourly", "1h"],
  ["daily", "1d"],
  ["weekly", "7d"],
  ["monthly", "1mo"],
  ["yearly", "365d"],
])

const UNITS: ReadonlyMap<string, number> = new Map([
  ["s", 1],
  ["m", 60],
  ["h", 3_600],
  ["d", 86_400],
  ["w", 604_800],
  ["mo", 2_592_000],
  ["y", 31_536_000],
])

/** Reads a length of time as LiteLLM writes it, in seconds: `30s`, `1h`, `7d`, `1mo`; undefined for anything else. */
const secondsIn = (text: string): number | undefined => {
  const [, amount, unit] = /^(\d{1,9})\s*(s|mo|m|h|d|w|y)$/.exec(WORDS.get(text) ?? text) ?? []
  const seconds = Number(amount) * (UNITS.get(unit ?? "") ?? Number.NaN)
  return seconds > 0 ? seconds : undefined
}

const WINDOWS = [
  ["hour", 3_600],
  ["day", 86_400],
  ["week", 604_800],
  ["month", 2_592_000],
] as const

const nano = (usd: number): number => Math.floor(usd * 1e9) / 1e9

/** Returns a budget that lets nobody spend more than LiteLLM's did over time; undefined when its numbers say none. */
export const budgetFrom = (usd: number | undefined, duration: string | undefined): Budget | undefined => {
  if (usd === undefined || usd < 0 || usd > MAX_BUDGET_USD) return undefined
  const exact = Math.round(usd * 1e9) / 1e9
  if (duration === undefined) return { usd: exact, window: "total" }
  const seconds = secondsIn(duration)
  if (seconds === undefined) return undefined
  // A month of LiteLLM's has 30 or 31 days, as people write it.
  const days = seconds / 86_400
  const same = days === 31 ? "month" : WINDOWS.find(([, length]) => length === seconds)?.[0]
  if (same !== undefined) return { usd: exact, window: same }
  const longer = WINDOWS.find(([, length]) => length > seconds)
  if (longer !== undefined) {
    const note = `there is no window of ${duration}: the same dollars hold for each ${longer[0]}, which is less over time`
    return { usd: exact, window: longer[0], note }
  }
  return {
    usd: nano((usd * 30) / days),
    window: "month",
    note: `there is no window of ${duration}: a month has its share`,
  }
}

/** Decimal dollars without an exponent. */
export const decimal = (usd: number): string => usd.toFixed(9).replace(/\.?0+$/, "")
