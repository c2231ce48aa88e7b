import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Result } from "effect"
import type { HttpServerRequest } from "effect/http"
import type { AdminTokens, Operator } from "../auth/AdminTokens.ts"
import { GatewayError } from "../domain/GatewayError.ts"

/**
 * Returns every value of one header as it was sent. Node keeps only the first of two Authorization lines, which would let
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

/** Bearer tokens of a request. Other schemes, which a proxy may add, are ignored. */
const bearerTokens = (request: HttpServerRequest.HttpServerRequest): Array<string> =>
  rawHeader(request, "authorization")
    .filter((value) => /^bearer /i.test(value))
    .map((value) => value.slice(7).trim())

const oneOf = (tokens: ReadonlyArray<string>, where: string): Result.Result<string, GatewayError> => {
  const [first = "", ...others] = tokens
  if (others.every((token) => token === first)) return Result.succeed(first)
  return Result.fail(
    new GatewayError({
      code: "conflicting_credentials",
      detail: `Different credentials were sent in ${where}. Send one.`,
    }),
  )
}

/** Returns the API key in `X-API-Key` or `Authorization: Bearer`; empty when there is none. */
export const apiKey = (request: HttpServerRequest.HttpServerRequest): Result.Result<string, GatewayError> => {
  const { authorization, "x-api-key": key } = request.headers
  // Node joins two X-API-Key lines with a comma, which no key has: one without needs no second look.
  if (authorization === undefined && key !== undefined && !key.includes(",")) return Result.succeed(key)
  return oneOf([...rawHeader(request, "x-api-key"), ...bearerTokens(request)], "X-API-Key and Authorization")
}

/** Returns the bearer of a valid admin token. */
export const adminToken = (
  request: HttpServerRequest.HttpServerRequest,
  tokens: AdminTokens["Service"],
): Effect.Effect<Operator, GatewayError> =>
  Effect.flatMap(Effect.fromResult(oneOf(bearerTokens(request), "Authorization")), (token) =>
    Effect.mapError(
      tokens.verify(token),
      () =>
        new GatewayError({
          code: "invalid_admin_token",
          detail: "Send Authorization: Bearer with a token from `llm-gateway admin token`.",
        }),
    ),
  )
