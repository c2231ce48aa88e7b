/** Errors on the wire: RFC 9457 problem documents with our stable `code` and the request's id. */
import { Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { errorCatalogue, type GatewayError } from "../domain/GatewayError.ts"
import type { RequestId } from "../domain/Ids.ts"
import type { StoredResponse } from "../idempotency/Idempotency.ts"
import { requestIdOf } from "./request-id.ts"

/** Whole seconds, at least one: never early, never zero, never a fraction (RFC 9110, 10.2.3). */
const retryAfterSeconds = (ms: number): string => String(Math.max(1, Math.ceil(ms / 1000)))

/** Statuses that promise the client a time to come back. */
const RETRY_AFTER_STATUSES: ReadonlySet<number> = new Set([409, 429, 503])

export const problemHeaders = (error: GatewayError, requestId: RequestId): Record<string, string> => {
  const headers: Record<string, string> = {
    "content-type": "application/problem+json",
    "x-request-id": requestId,
  }
  if (error.final) headers["x-should-retry"] = "false"
  else if (RETRY_AFTER_STATUSES.has(error.status)) {
    headers["retry-after"] = retryAfterSeconds(error.retryAfterMs ?? 1000)
  }
  if (error.status === 401) headers["www-authenticate"] = "Bearer"
  return headers
}

export const problemBody = (error: GatewayError, requestId: RequestId): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      type: "about:blank",
      title: errorCatalogue[error.code].title,
      status: error.status,
      detail: error.detail,
      code: error.code,
      ...(error.param === undefined ? {} : { param: error.param }),
      request_id: requestId,
    }),
  )

export const toServerResponse = (response: StoredResponse): HttpServerResponse.HttpServerResponse =>
  // As text: Node then writes head and body in one piece, where bytes would cost a second one.
  HttpServerResponse.text(
    Buffer.from(response.body.buffer, response.body.byteOffset, response.body.length).toString(),
    {
      status: response.status,
      headers: response.headers,
      contentType: response.headers["content-type"] ?? "application/json",
    },
  )

export const problemResponse = (
  error: GatewayError,
  requestId: RequestId,
): HttpServerResponse.HttpServerResponse =>
  toServerResponse({
    status: error.status,
    headers: problemHeaders(error, requestId),
    body: problemBody(error, requestId),
  })

/** Turns a handler's typed error into its problem document. */
export const answeringProblems = <A, R>(
  handler: Effect.Effect<A, GatewayError, R>,
): Effect.Effect<A | HttpServerResponse.HttpServerResponse, never, R | HttpServerRequest.HttpServerRequest> =>
  Effect.catch(handler, (error) =>
    Effect.map(HttpServerRequest.HttpServerRequest, (request) =>
      problemResponse(error, requestIdOf(request)),
    ),
  )
