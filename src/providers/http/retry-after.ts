import type { UpstreamHeaders } from "./UpstreamExchange.ts"

/**
 * How long a provider asks us to wait, in milliseconds: header forms and Google's duration strings. What is not a
 * wait is ignored; every result lies in 0..1 h, since nothing that sane waits longer and nothing waits backwards.
 */
const MAX_MS = 3_600_000

const clamp = (ms: number): number => Math.min(Math.max(Math.ceil(ms), 0), MAX_MS)

const DECIMAL = /^-?\d{1,15}(\.\d{1,9})?$/
const WEEKDAY = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/

/** `retry-after-ms` (OpenAI's, finer) wins over `retry-after` (seconds or HTTP-date). */
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

/** google.protobuf.Duration in JSON: `"22s"`, `"1.5s"`. */
export const parseDuration = (value: unknown): number | undefined => {
  if (typeof value !== "string") return undefined
  const seconds = DURATION.exec(value)?.[1]
  return seconds === undefined ? undefined : clamp(Number(seconds) * 1000)
}
