import { Result } from "effect"
import { toUsd } from "../domain/Money.ts"
import type { Settled } from "../inference/Exchange.ts"
import type { RateLimitState } from "../limits/RateLimits.ts"

/** What every inference answer says about itself, whether it succeeded or not. Header names are lower-case. */
export const outcomeHeaders = (settled: Settled): Record<string, string> => {
  const headers: Record<string, string> = {
    "x-request-id": settled.requestId,
    "x-gateway-attempts": String(settled.attempts.length),
    "server-timing": serverTiming(settled),
  }
  if (settled.rateLimit !== undefined) Object.assign(headers, rateLimitHeaders(settled.rateLimit))
  if (Result.isSuccess(settled.result) && settled.result.success !== undefined) {
    const { candidate, cost } = settled.result.success
    headers["x-gateway-provider"] = candidate.provider.name
    headers["x-gateway-model"] = candidate.model.name
    headers["x-gateway-cost"] = cost.nanoUsd === null ? "unknown" : decimalUsd(cost.nanoUsd)
  }
  return headers
}

/** `auth`, `route` and `upstream` as measured; `gateway` is everything but the upstream. */
const serverTiming = ({ timings, latencyMs }: Settled): string => {
  const gatewayMs = Math.max(0, latencyMs - timings.upstreamMs)
  return `auth;dur=${timings.authMs}, route;dur=${timings.routeMs}, upstream;dur=${timings.upstreamMs}, gateway;dur=${gatewayMs}`
}

/** RateLimit header fields, draft-ietf-httpapi-ratelimit-headers-11. */
const rateLimitHeaders = ({ limit, remaining, resetMs }: RateLimitState): Record<string, string> => ({
  "ratelimit-policy": `"default";q=${limit};w=60`,
  ratelimit: `"default";r=${Math.max(0, Math.floor(remaining))};t=${Math.max(0, Math.ceil(resetMs / 1000))}`,
})

/** Plain decimal dollars, at most nine places: never exponent notation. */
const decimalUsd = (nanoUsd: number): string =>
  toUsd(nanoUsd)
    .toFixed(9)
    .replace(/\.?0+$/, "")
