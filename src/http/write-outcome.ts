import { Result } from "effect"
import type { Answer, Settled } from "../inference/Exchange.ts"
import type { StoredResponse } from "../responses/response.ts"
import { type ErrorFormat, storedError } from "./error-response.ts"
import { outcomeHeaders, type RateLimitFields } from "./outcome-headers.ts"

/** A route's way to write everything but a stream. `body` makes its JSON; no answer: a dry run. */
export const outcomeWriter =
  (
    format: ErrorFormat,
    rateLimitFields: RateLimitFields,
    body: (settled: Settled, answer: Answer | undefined) => string | Uint8Array,
  ) =>
  (settled: Settled): StoredResponse => {
    const headers = outcomeHeaders(settled, rateLimitFields)
    if (Result.isFailure(settled.result)) {
      const stored = storedError(settled.result.failure, settled.requestId, format)
      return { ...stored, headers: { ...headers, ...stored.headers } }
    }
    const json = body(settled, settled.result.success)
    return {
      status: 200,
      headers: { ...headers, "content-type": "application/json" },
      body: typeof json === "string" ? Buffer.from(json) : json,
    }
  }
