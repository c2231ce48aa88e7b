/** Spans of time as addresses have them: `span=24h`, or `from` and `to` of one's own. */

const HOUR_MS = 3_600_000

export const SPANS = [
  ["1h", "1 hour", HOUR_MS],
  ["24h", "24 hours", 24 * HOUR_MS],
  ["7d", "7 days", 7 * 24 * HOUR_MS],
  ["30d", "30 days", 30 * 24 * HOUR_MS],
] as const

export const OWN_SPAN = "own"
export const DEFAULT_SPAN = "24h"

/** Returns the span of an address as the API takes it, until now where it says nothing else. */
export const rangeOf = (
  { from, span = DEFAULT_SPAN, to }: Readonly<Record<string, string | undefined>>,
  nowMs = Date.now(),
): { readonly from: string; readonly to: string } => {
  if (span === OWN_SPAN && from !== undefined) {
    return { from, to: to ?? new Date(nowMs).toISOString() }
  }
  const [, , ms] = SPANS.find(([name]) => name === span) ?? SPANS[1]
  return { from: new Date(nowMs - ms).toISOString(), to: new Date(nowMs).toISOString() }
}

/** An instant as a field for local times has it: `2026-11-29T17:30`. */
export const toLocal = (iso: string): string => {
  const date = new Date(iso)
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000)
  // Addresses are anybody's text; the gateway says what is wrong with it.
  return Number.isNaN(local.getTime()) ? "" : local.toISOString().slice(0, 16)
}

/** Undefined: it is not a time yet. */
export const fromLocal = (text: string): string | undefined => {
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}
