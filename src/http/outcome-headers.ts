import { Result } from "effect"
import { decimalUsd } from "../domain/Money.ts"
import type { Outcome, Progress } from "../inference/Outcome.ts"
import type { RateLimitState } from "../limits/RateLimits.ts"
import { commonHeaders } from "./error-response.ts"

/** A route family's header fields for a rate limit. Header names are lower-case. */
export type RateLimitFields = (state: RateLimitState) => Readonly<Record<string, string>>

/** Makes the headers of every inference answer, also before a stream's first byte. */
export const progressHeaders = (
  progress: Progress,
  rateLimitFields: RateLimitFields,
): Record<string, string> => {
  const headers = commonHeaders(progress.requestId)
  headers["x-gateway-attempts"] = String(progress.attemptCount)
  headers["server-timing"] = serverTiming(progress)
  if (progress.rateLimit !== undefined) Object.assign(headers, rateLimitFields(progress.rateLimit))
  if (progress.budgetRemaining !== undefined)
    headers["x-gateway-budget-remaining"] = decimalUsd(progress.budgetRemaining)
  if (progress.candidate !== undefined) {
    headers["x-gateway-provider"] = progress.candidate.provider.name
    headers["x-gateway-model"] = progress.candidate.model.name
    const dropped = progress.candidate.call.dropped?.() ?? []
    if (dropped.length > 0) headers["x-gateway-dropped"] = namesOf(dropped)
  }
  return headers
}

/** The same of a whole answer, whose cost is known, or a failure. */
export const outcomeHeaders = (
  outcome: Outcome,
  rateLimitFields: RateLimitFields,
): Record<string, string> => {
  const headers = progressHeaders(outcome, rateLimitFields)
  if (Result.isSuccess(outcome.result) && outcome.result.success !== undefined) {
    const { nanoUsd } = outcome.result.success.cost
    headers["x-gateway-cost"] = nanoUsd === null ? "unknown" : decimalUsd(nanoUsd)
  }
  return headers
}

/** Names that a header has room for. */
const MAX_NAMED = 20

/** Lists names of fields, a client's own among them. Where they are many, those that differ by their places stand as one. */
const namesOf = (fields: ReadonlyArray<string>): string => {
  const names = fields.map(plainName)
  if (names.length <= MAX_NAMED) return names.join(", ")
  const kinds = [...Map.groupBy(names, (name) => name.replaceAll(/\d+(?=\])/g, ""))].map(([kind, same]) =>
    same.length === 1 ? (same[0] ?? kind) : kind,
  )
  const others = kinds.length - MAX_NAMED
  return [...kinds.slice(0, MAX_NAMED), ...(others > 0 ? [`and ${others} more`] : [])].join(", ")
}

const MAX_NAME = 100

/** Writes what may not stand in a header as a URL does. */
const plainName = (name: string): string =>
  /^[\w.[\]-]+$/.test(name) && name.length <= MAX_NAME
    ? name
    : encodeURIComponent(name.slice(0, MAX_NAME).toWellFormed())

/** `auth`, `route` and `upstream` as measured; `gateway` is everything but the upstream. */
const serverTiming = ({ timings, latencyMs }: Progress): string => {
  const gatewayMs = Math.max(0, latencyMs - timings.upstreamMs)
  return `auth;dur=${timings.authMs}, route;dur=${timings.routeMs}, upstream;dur=${timings.upstreamMs}, gateway;dur=${gatewayMs}`
}

/** RateLimit header fields, draft-ietf-httpapi-ratelimit-headers-11. */
export const rateLimitFields: RateLimitFields = ({ limit, remaining, resetMs }) => ({
  "ratelimit-policy": `"default";q=${limit};w=60`,
  ratelimit: `"default";r=${Math.max(0, Math.floor(remaining))};t=${Math.max(0, Math.ceil(resetMs / 1000))}`,
})

/** OpenAI's fields; its times are Go durations. */
export const openAiRateLimitFields: RateLimitFields = ({ limit, remaining, resetMs }) => ({
  "x-ratelimit-limit-requests": String(limit),
  "x-ratelimit-remaining-requests": String(Math.max(0, Math.floor(remaining))),
  "x-ratelimit-reset-requests": goDuration(Math.max(0, Math.ceil(resetMs))),
})

/** Anthropic's fields; the reset is an instant, when the limit is whole again. */
export const anthropicRateLimitFields =
  (nowMs: () => number): RateLimitFields =>
  ({ limit, remaining, resetMs }) => ({
    "anthropic-ratelimit-requests-limit": String(limit),
    "anthropic-ratelimit-requests-remaining": String(Math.max(0, Math.floor(remaining))),
    "anthropic-ratelimit-requests-reset": new Date(nowMs() + Math.max(0, Math.ceil(resetMs))).toISOString(),
  })

/** `120ms`, `1s`, `1.5s`, `6m0s`: as Go prints them. */
const goDuration = (ms: number): string => {
  if (ms < 1000) return `${ms}ms`
  const minutes = Math.floor(ms / 60_000)
  const seconds = (ms - minutes * 60_000) / 1000
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds}s`
}
