import type { UpstreamHeaders } from "../http/UpstreamExchange.ts"

/** The longest wait that is believed, in milliseconds. Every result lies between 0 and it. */
const MAX_MS = 3_600_000

const clamp = (ms: number): number => Math.min(Math.max(Math.ceil(ms), 0), MAX_MS)

const DECIMAL = /^-?\d{1,15}(\.\d{1,9})?$/
const WEEKDAY = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/

/**
 * Reads how many milliseconds a provider asks us to wait; undefined when its headers say nothing that is a wait.
 * `retry-after-ms` (OpenAI's, finer) wins over `retry-after` (seconds or HTTP-date).
 */
export const parseRetryAfter = (
  headers: Pick<UpstreamHeaders, "retryAfter" | "retryAfterMs">,
  nowMs: number,
): number | undefined => {
  const { retryAfter, retryAfterMs } = headers
  if (retryAfterMs !== undefined && DECIMAL.test(retryAfterMs)) return clamp(Number(retryAfterMs))
  if (retryAfter === undefined) return undefined
  if (DECIMAL.test(retryAfter)) return clamp(Number(retryAfter) * 1000)
  // Date.parse alone would take almost anything, and asctime, the one form without a zone, as local time.
  if (!WEEKDAY.test(retryAfter)) return undefined
  const at = Date.parse(retryAfter.endsWith("GMT") ? retryAfter : `${retryAfter} GMT`)
  return Number.isNaN(at) ? undefined : clamp(at - nowMs)
}

const DURATION = /^(-?\d{1,12}(?:\.\d{1,9})?)s$/

/** Reads the milliseconds of a google.protobuf.Duration in JSON: `"22s"`, `"1.5s"`. */
export const parseDuration = (value: unknown): number | undefined => {
  if (typeof value !== "string") return undefined
  const seconds = DURATION.exec(value)?.[1]
  return seconds === undefined ? undefined : clamp(Number(seconds) * 1000)
}
