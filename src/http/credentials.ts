import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http"
import { AdminTokens } from "../auth/AdminTokens.ts"
import { GatewayError } from "../domain/GatewayError.ts"

/**
 * Every value of one header as it was sent. Node keeps only the first of two Authorization lines, which would let
 * two parties read different credentials from one request.
 */
export const rawHeader = (request: HttpServerRequest.HttpServerRequest, name: string): Array<string> => {
  if (request.headers[name] === undefined) return []
  const { rawHeaders } = NodeHttpServerRequest.toIncomingMessage(request)
  const values: Array<string> = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const value = rawHeaders[i + 1]
    if (value !== undefined && rawHeaders[i]?.toLowerCase() === name) values.push(value)
  }
  return values
}

/** Other schemes, which a proxy may add, are none of ours. */
const bearerTokens = (request: HttpServerRequest.HttpServerRequest): Array<string> =>
  rawHeader(request, "authorization")
    .filter((value) => /^bearer /i.test(value))
    .map((value) => value.slice(7).trim())

const oneOf = (tokens: ReadonlyArray<string>, where: string): Effect.Effect<string, GatewayError> => {
  const distinct = new Set(tokens)
  if (distinct.size > 1) {
    return Effect.fail(
      new GatewayError({
        code: "conflicting_credentials",
        detail: `Different credentials were sent in ${where}. Send one.`,
      }),
    )
  }
  return Effect.succeed(tokens[0] ?? "")
}

/** The API key in `X-API-Key` or `Authorization: Bearer`; empty when there is none. */
export const apiKey = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<string, GatewayError> =>
  oneOf([...rawHeader(request, "x-api-key"), ...bearerTokens(request)], "X-API-Key and Authorization")

/** Runs a handler only for the bearer of a valid admin token. */
export const requireAdmin = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  const tokens = yield* AdminTokens
  const token = yield* oneOf(bearerTokens(request), "Authorization")
  yield* Effect.mapError(
    tokens.verify(token),
    () =>
      new GatewayError({
        code: "invalid_admin_token",
        detail: "Send Authorization: Bearer with a token from `llm-gateway admin token`.",
      }),
  )
})
