import { Result } from "effect"
import type { Answer, Outcome } from "../inference/Outcome.ts"
import type { GatewayResponse } from "../responses/response.ts"
import { type ErrorFormat, storedError } from "./error-response.ts"
import { outcomeHeaders, type RateLimitFields } from "./outcome-headers.ts"

/** Makes a route's writer of everything but a stream. `body` makes its JSON; no answer: a dry run. */
export const outcomeWriter =
  (
    format: ErrorFormat,
    rateLimitFields: RateLimitFields,
    body: (outcome: Outcome, answer: Answer | undefined) => string | Uint8Array,
  ) =>
  (outcome: Outcome): GatewayResponse => {
    const headers = outcomeHeaders(outcome, rateLimitFields)
    if (Result.isFailure(outcome.result)) {
      const stored = storedError(outcome.result.failure, outcome.requestId, format)
      Object.assign(headers, stored.headers)
      return { status: stored.status, headers, body: stored.body }
    }
    if (format.headers !== undefined) Object.assign(headers, format.headers(outcome.requestId))
    headers["content-type"] = "application/json"
    return { status: 200, headers, body: body(outcome, outcome.result.success) }
  }
