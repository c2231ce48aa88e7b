import { Result } from "effect"
import { decimalUsd } from "../domain/Money.ts"
import type { Outcome, Progress } from "../inference/Outcome.ts"
import type { RateLimitState } from "../limits/limit.ts"
import { commonHeaders } from "./error-response.ts"

/** Where a request's limits stand; absent: there is none, or it was not asked. */
interface LimitStates {
  readonly requests: RateLimitState | undefined
  readonly tokens: RateLimitState | undefined
}

/** Puts a route family's header fields for limits beside others. Header names are lower-case. */
export type RateLimitFields = (
  states: LimitStates,
  fields?: Record<string, string>,
) => Readonly<Record<string, string>>

/** Makes the headers of every inference answer, also before a stream's first byte. */
export const progressHeaders = (
  progress: Progress,
  rateLimitFields: RateLimitFields,
): Record<string, string> => {
  const headers = commonHeaders(progress.requestId)
  headers["x-gateway-attempts"] = String(progress.attemptCount)
  headers["server-timing"] = serverTiming(progress)
  if (progress.budgetRemaining !== undefined)
    headers["x-gateway-budget-remaining"] = decimalUsd(progress.budgetRemaining)
  const { rateLimit: requests, tokenLimit: tokens } = progress
  if (requests !== undefined) rateLimitFields({ requests, tokens }, headers)
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

/** RateLimit header fields, draft-ietf-httpapi-ratelimit-headers-11: a policy for requests and one for tokens. */
export const rateLimitFields: RateLimitFields = ({ requests, tokens }, fields = {}) => {
  const policies = [
    ...(requests === undefined ? [] : [["default", requests] as const]),
    ...(tokens === undefined ? [] : [["tokens", tokens] as const]),
  ]
  fields["ratelimit-policy"] = policies.map(([name, { limit }]) => `"${name}";q=${limit};w=60`).join(", ")
  fields.ratelimit = policies
    .map(([name, { remaining, resetMs }]) => `"${name}";r=${remaining};t=${Math.ceil(resetMs / 1000)}`)
    .join(", ")
  return fields
}

/** OpenAI's fields; its times are Go durations. */
export const openAiRateLimitFields: RateLimitFields = ({ requests, tokens }, fields = {}) => {
  if (requests !== undefined) {
    fields["x-ratelimit-limit-requests"] = String(requests.limit)
    fields["x-ratelimit-remaining-requests"] = String(requests.remaining)
    fields["x-ratelimit-reset-requests"] = goDuration(Math.ceil(requests.resetMs))
  }
  if (tokens !== undefined) {
    fields["x-ratelimit-limit-tokens"] = String(tokens.limit)
    fields["x-ratelimit-remaining-tokens"] = String(tokens.remaining)
    fields["x-ratelimit-reset-tokens"] = goDuration(Math.ceil(tokens.resetMs))
  }
  return fields
}

/** Anthropic's fields; the reset is an instant, when the limit is whole again. */
export const anthropicRateLimitFields =
  (nowMs: () => number): RateLimitFields =>
  ({ requests, tokens }, fields = {}) => {
    if (requests !== undefined) {
      fields["anthropic-ratelimit-requests-limit"] = String(requests.limit)
      fields["anthropic-ratelimit-requests-remaining"] = String(requests.remaining)
      fields["anthropic-ratelimit-requests-reset"] = instantAfter(requests.resetMs, nowMs())
    }
    if (tokens !== undefined) {
      fields["anthropic-ratelimit-tokens-limit"] = String(tokens.limit)
      fields["anthropic-ratelimit-tokens-remaining"] = String(tokens.remaining)
      fields["anthropic-ratelimit-tokens-reset"] = instantAfter(tokens.resetMs, nowMs())
    }
    return fields
  }

const instantAfter = (ms: number, nowMs: number): string => new Date(nowMs + Math.ceil(ms)).toISOString()

/** `120ms`, `1s`, `1.5s`, `6m0s`: as Go prints them. */
const goDuration = (ms: number): string => {
  if (ms < 1000) return `${ms}ms`
  const minutes = Math.floor(ms / 60_000)
  const seconds = (ms - minutes * 60_000) / 1000
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds}s`
}
