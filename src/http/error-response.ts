/** Errors on the wire: Anthropic's envelope under `/v1/messages`, OpenAI's under the rest of `/v1`, RFC 9457 elsewhere. */
import { Effect, Equal } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { errorCatalogue, type GatewayError } from "../domain/GatewayError.ts"
import type { RequestId } from "../domain/Ids.ts"
import { ReplayableBody } from "../responses/ReplayableBody.ts"
import type { GatewayResponse } from "../responses/response.ts"
import { requestIdOf } from "./request-id.ts"

/** One family of routes and how its errors look. */
export interface ErrorFormat {
  readonly contentType: string
  /** Header fields of the family's own, on every answer. */
  readonly headers?: (requestId: RequestId) => Readonly<Record<string, string>>
  readonly body: (error: GatewayError, requestId: RequestId) => unknown
}

export const problemFormat: ErrorFormat = {
  contentType: "application/problem+json",
  body: (error, requestId) => ({
    type: "about:blank",
    title: errorCatalogue[error.code].title,
    status: error.status,
    detail: error.detail,
    code: error.code,
    ...(error.param === undefined ? {} : { param: error.param }),
    ...(error.upstreamCode === undefined ? {} : { upstream_code: error.upstreamCode }),
    request_id: requestId,
  }),
}

export const openAiFormat: ErrorFormat = {
  contentType: "application/json",
  body: (error) => ({
    error: {
      message: error.detail,
      type: error.code === "budget_exceeded" ? "insufficient_quota" : openAiType(error.status),
      param: error.param ?? null,
      code: error.upstreamCode ?? error.code,
    },
  }),
}

const openAiType = (status: number): string => {
  if (status === 401) return "authentication_error"
  if (status === 403) return "permission_error"
  if (status === 429) return "rate_limit_error"
  if (status === 503) return "service_unavailable_error"
  return status >= 500 ? "server_error" : "invalid_request_error"
}

export const anthropicFormat: ErrorFormat = {
  contentType: "application/json",
  headers: (requestId) => ({ "request-id": requestId }),
  body: (error, requestId) => ({
    type: "error",
    error: {
      type: anthropicType(error.status),
      message: anthropicMessage(error),
      // Where the vendor's own clients look for a code.
      details: {
        error_code: error.upstreamCode ?? error.code,
        ...(error.param === undefined ? {} : { param: error.param }),
      },
    },
    request_id: requestId,
  }),
}

/** Claude's words for a prompt that is too long: by them alone Claude Code knows to put its conversation in short. */
const TOO_LONG = "prompt is too long"

const anthropicMessage = ({ code, detail }: GatewayError): string =>
  code === "context_length_exceeded" && !detail.startsWith(TOO_LONG) ? `${TOO_LONG}: ${detail}` : detail

/** The vendor's names by status (platform.claude.com/docs/en/api/errors); clients know no others. */
const anthropicType = (status: number): string => {
  switch (status) {
    case 401:
      return "authentication_error"
    case 403:
      return "permission_error"
    case 404:
      return "not_found_error"
    case 408:
    case 504:
      return "timeout_error"
    case 409:
      return "conflict_error"
    case 413:
      return "request_too_large"
    case 429:
      return "rate_limit_error"
    case 503:
      return "overloaded_error"
    default:
      return status >= 500 ? "api_error" : "invalid_request_error"
  }
}

/** Matches targets under Anthropic's paths. */
const MESSAGES = /^\/v1\/messages(?:[/?]|$)/
/** Matches those that both vendors have. */
const MODELS = /^\/v1\/models(?:[/?]|$)/

/** Tells a client of Anthropic's, which says so with every request. */
export const speaksAnthropic = ({
  headers,
}: {
  readonly headers: { readonly [name: string]: unknown }
}): boolean => headers["anthropic-version"] !== undefined

export const errorFormatOf = (target: string, isAnthropics = false): ErrorFormat => {
  if (!target.startsWith("/v1/")) return problemFormat
  return MESSAGES.test(target) || (isAnthropics && MODELS.test(target)) ? anthropicFormat : openAiFormat
}

/** Whole seconds, at least one: never early, never zero, never a fraction (RFC 9110, 10.2.3). */
const retryAfterSeconds = (ms: number): string => String(Math.max(1, Math.ceil(ms / 1000)))

/** Statuses that promise the client a time to come back. */
const RETRY_AFTER_STATUSES: ReadonlySet<number> = new Set([409, 429, 503])

export const storedError = (
  error: GatewayError,
  requestId: RequestId,
  format: ErrorFormat,
): GatewayResponse => {
  const headers = commonHeaders(requestId)
  if (format.headers !== undefined) Object.assign(headers, format.headers(requestId))
  headers["content-type"] = format.contentType
  if (error.final) headers["x-should-retry"] = "false"
  // A budget that is used up is whole again in its next window.
  const comesBack = error.final ? error.status === 429 && error.retryAfterMs !== undefined : true
  if (comesBack && RETRY_AFTER_STATUSES.has(error.status)) {
    headers["retry-after"] = retryAfterSeconds(error.retryAfterMs ?? 1000)
  }
  if (error.status === 401) headers["www-authenticate"] = "Bearer"
  // What is left of the body is not waited for.
  if (error.code === "upload_too_slow") headers.connection = "close"
  return { status: error.status, headers, body: JSON.stringify(format.body(error, requestId)) }
}

/** Headers of every response. An answer is the asking client's alone and the same only once. */
export const commonHeaders = (requestId: string): Record<string, string> => ({
  "x-request-id": requestId,
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
})

/** Bytes that are longer travel as they are; shorter ones as text, which Node writes together with the head. */
const TEXT_BYTES = 64 * 1024

export const toServerResponse = (response: GatewayResponse): HttpServerResponse.HttpServerResponse => {
  const served = withBody(response)
  // Into the record that the response has just made for itself: given to its constructor they would be copied twice.
  Object.assign(served.headers, response.headers)
  return served
}

const withBody = ({ status, headers, body }: GatewayResponse): HttpServerResponse.HttpServerResponse => {
  const options = { status, contentType: headers["content-type"] ?? "application/json" }
  if (typeof body === "string") return HttpServerResponse.text(body, options)
  // Compared by what is in it, it would cost a millisecond when its client leaves: the library compares its errors.
  if (body instanceof ReplayableBody)
    return Equal.byReferenceUnsafe(HttpServerResponse.raw(body.read(), options))
  return body.length > TEXT_BYTES
    ? HttpServerResponse.uint8Array(body, options)
    : HttpServerResponse.text(Buffer.from(body.buffer, body.byteOffset, body.length).toString(), options)
}

export const errorResponse = (
  error: GatewayError,
  request: HttpServerRequest.HttpServerRequest,
): HttpServerResponse.HttpServerResponse =>
  toServerResponse(
    storedError(error, requestIdOf(request), errorFormatOf(request.url, speaksAnthropic(request))),
  )

/** Turns a handler's typed error into its answer. */
export const answeringErrors = <A, R>(
  handler: Effect.Effect<A, GatewayError, R>,
): Effect.Effect<A | HttpServerResponse.HttpServerResponse, never, R | HttpServerRequest.HttpServerRequest> =>
  Effect.catch(handler, (error) =>
    Effect.map(HttpServerRequest.HttpServerRequest, (request) => errorResponse(error, request)),
  )
