import type { WaitHeaders } from "./Protocol.ts"

/** The longest wait that is believed, in milliseconds. Every result lies between 0 and it. */
const MAX_MS = 3_600_000

const clamp = (ms: number): number => Math.min(Math.max(Math.ceil(ms), 0), MAX_MS)

/**
 * Returns how many milliseconds a provider that refused asks us to wait; undefined when it says nothing of that. Fields made
 * for it win, then its body, then when the limits are whole again of which nothing is left.
 */
export const waitOf = (headers: WaitHeaders, nowMs: number, inBody?: number): number | undefined =>
  parseRetryAfter(headers, nowMs) ?? inBody ?? untilReset(headers.resets, nowMs)

const DECIMAL = /^-?\d{1,15}(\.\d{1,9})?$/
const WEEKDAY = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/

/** Reads `retry-after-ms`, which is finer and wins, and `retry-after` (seconds or HTTP-date). */
export const parseRetryAfter = (
  { retryAfter, retryAfterMs }: WaitHeaders,
  nowMs: number,
): number | undefined => {
  if (retryAfterMs !== undefined && DECIMAL.test(retryAfterMs)) return clamp(Number(retryAfterMs))
  if (retryAfter === undefined) return undefined
  if (DECIMAL.test(retryAfter)) return clamp(Number(retryAfter) * 1000)
  // Date.parse alone would take almost anything, and asctime, the one form without a zone, as local time.
  if (!WEEKDAY.test(retryAfter)) return undefined
  const at = Date.parse(retryAfter.endsWith("GMT") ? retryAfter : `${retryAfter} GMT`)
  return Number.isNaN(at) ? undefined : clamp(at - nowMs)
}

/** No limit is of more than a month: what says so is none of these dialects. */
const MAX_RESET_MS = 32 * 24 * 3_600_000

/**
 * Returns the milliseconds until all of these limits are whole again. Vendors that fill a limit up little by little would
 * take a request sooner, and tell nothing of when; nothing of the limit is lost by waiting, before it is whole.
 */
export const untilReset = (resets: ReadonlyArray<string> | undefined, nowMs: number): number | undefined => {
  if (resets === undefined) return undefined
  let longest: number | undefined
  for (const reset of resets) {
    const ms = readReset(reset.trim(), nowMs)
    if (ms !== undefined && ms <= MAX_RESET_MS) longest = Math.max(longest ?? 0, clamp(ms))
  }
  return longest
}

const NUMBER = /^\d{1,15}(\.\d{1,20})?$/
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i
/** Numbers from here on are instants: as a wait it would be 31 years, as an instant the year 2001. */
const EPOCH_SECONDS = 1e9
/** As seconds the year 5138, as milliseconds 1973. */
const EPOCH_MS = 1e11

/** Reads a wait in seconds or as Go writes it, or an instant: in RFC 3339, or in seconds or milliseconds since 1970. */
const readReset = (value: string, nowMs: number): number | undefined => {
  if (NUMBER.test(value)) {
    const n = Number(value)
    return n < EPOCH_SECONDS ? n * 1000 : n < EPOCH_MS ? n * 1000 - nowMs : n - nowMs
  }
  if (RFC_3339.test(value)) return Date.parse(value) - nowMs
  return goDuration(value)
}

const GO_DURATION = /^(\d{1,9}(\.\d{1,20})?(h|ms|m|s|us|µs|ns))+$/

/** Reads the milliseconds of a duration as Go writes it: `120ms`, `7.66s`, `6m0s`, `1h2m3s`. */
const goDuration = (value: string): number | undefined => {
  if (value.length > 60 || !GO_DURATION.test(value)) return undefined
  let ms = 0
  for (const [, n, unit] of value.matchAll(/([\d.]+)(h|ms|m|s|us|µs|ns)/g))
    ms += Number(n) * (UNITS[unit ?? ""] ?? 0)
  return ms
}

const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
}

/** Matches "Please try again in 1m0.36s" (OpenAI, Groq), "retry after 37 seconds" (Azure) and "retry in 10.68s" (Google). */
const SENTENCE =
  /\b(?:try again|retry) (?:in|after) (?:(\d{1,9}) seconds?\b|((?:\d{1,9}(?:\.\d{1,20})?(?:h|ms|m|s))+)(?!\w))/i

/**
 * Reads how many milliseconds the sentence of a refusal asks to wait; undefined when it says nothing of that. With any
 * other status than 429 it may be a client's own words that are quoted.
 */
export const waitInWords = (status: number, message: string | undefined): number | undefined => {
  if (status !== 429) return undefined
  const [, seconds, duration] = (message && SENTENCE.exec(message)) || []
  const ms = seconds === undefined ? duration && goDuration(duration) : Number(seconds) * 1000
  return typeof ms === "number" && ms <= MAX_RESET_MS ? clamp(ms) : undefined
}

const DURATION = /^(-?\d{1,12}(?:\.\d{1,9})?)s$/

/** Reads the milliseconds of a google.protobuf.Duration in JSON: `"22s"`, `"1.5s"`. */
export const parseDuration = (value: unknown): number | undefined => {
  if (typeof value !== "string") return undefined
  const seconds = DURATION.exec(value)?.[1]
  return seconds === undefined ? undefined : clamp(Number(seconds) * 1000)
}
