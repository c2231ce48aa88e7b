/** Cross-origin requests of browsers (Fetch, CORS protocol). */
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import type { Origins } from "../config/origins.ts"
import { commonHeaders } from "./error-response.ts"
import type { KnownPath } from "./known-paths.ts"
import { requestIdOf } from "./request-id.ts"

type Request = HttpServerRequest.HttpServerRequest
type Response = HttpServerResponse.HttpServerResponse

/** Header fields that clients of this API send. What else a client's library sends is allowed when it asks. */
const ALLOWED_HEADERS = [
  "authorization",
  "x-api-key",
  "content-type",
  "idempotency-key",
  "x-gateway-timeout-ms",
  "x-gateway-user",
  "x-gateway-tags",
  "anthropic-version",
  "anthropic-beta",
]
/** Header fields of answers that a page may read. */
const EXPOSED_HEADERS = [
  "x-request-id",
  "x-gateway-provider",
  "x-gateway-model",
  "x-gateway-dropped",
  "x-gateway-attempts",
  "x-gateway-cost",
  "x-gateway-budget-remaining",
  "server-timing",
  "ratelimit",
  "ratelimit-policy",
  "x-ratelimit-limit-requests",
  "x-ratelimit-remaining-requests",
  "x-ratelimit-reset-requests",
  "x-ratelimit-limit-tokens",
  "x-ratelimit-remaining-tokens",
  "x-ratelimit-reset-tokens",
  "request-id",
  "anthropic-ratelimit-requests-limit",
  "anthropic-ratelimit-requests-remaining",
  "anthropic-ratelimit-requests-reset",
  "anthropic-ratelimit-tokens-limit",
  "anthropic-ratelimit-tokens-remaining",
  "anthropic-ratelimit-tokens-reset",
  "x-gateway-estimated",
  "retry-after",
  "x-should-retry",
  "idempotent-replayed",
  // Any other one; the names above are for browsers that take this for a name.
  "*",
].join(", ")
/** Seconds; no browser keeps the answer of a preflight for longer than a day. */
const MAX_AGE = "7200"

const HEADER_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/
const MAX_HEADER_NAMES_LENGTH = 2_000

export interface CrossOrigin {
  /** Answers a browser's question whether it may send a request; undefined when the request is another. */
  readonly preflight: (request: Request, path: KnownPath | undefined) => Response | undefined
  /** Lets a page of an allowed origin read the answer. */
  readonly expose: (response: Response, request: Request, path: KnownPath | undefined) => Response
}

/**
 * Makes what lets pages of other origins use the API. Operators' paths have no part in it: some ask for no credential,
 * and a page could read them through whoever visits it. Cookies do not exist here, so credentials are never allowed.
 */
export const makeCrossOrigin = (allowed: Origins): CrossOrigin => {
  const any = allowed === "*"
  const headersFor = ({ headers }: Request): Record<string, string> => {
    // An answer that names its reader is no answer for another one, which a cache must know of every answer.
    const common = any ? {} : { vary: "Origin" }
    const { origin } = headers
    if (origin === undefined) return common
    if (any) return { "access-control-allow-origin": "*" }
    return allowed.has(origin) ? { ...common, "access-control-allow-origin": origin } : common
  }

  return {
    preflight: (request, path) => {
      const { headers, method } = request
      if (method !== "OPTIONS" || headers["access-control-request-method"] === undefined) return undefined
      if (path === undefined || path.operators) return undefined
      const own = headersFor(request)
      if (own["access-control-allow-origin"] === undefined) return undefined
      return HttpServerResponse.empty({
        status: 204,
        headers: {
          ...commonHeaders(requestIdOf(request)),
          ...own,
          "access-control-allow-methods": path.methods.join(", "),
          "access-control-allow-headers": allowedHeaders(headers["access-control-request-headers"]),
          "access-control-max-age": MAX_AGE,
        },
      })
    },
    expose: (response, request, path) => {
      if (path?.operators) return response
      const own = headersFor(request)
      return HttpServerResponse.setHeaders(
        response,
        own["access-control-allow-origin"] === undefined
          ? own
          : { ...own, "access-control-expose-headers": EXPOSED_HEADERS },
      )
    },
  }
}

const allowedHeaders = (asked = ""): string => {
  const names = asked.length <= MAX_HEADER_NAMES_LENGTH && HEADER_NAMES.test(asked) ? asked.split(",") : []
  return [...new Set([...ALLOWED_HEADERS, ...names.map((name) => name.trim().toLowerCase())])].join(", ")
}
