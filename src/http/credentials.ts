import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Result } from "effect"
import type { HttpServerRequest } from "effect/http"
import { type AdminSessions, hasCsrfToken, type SessionBearer } from "../auth/AdminSessions.ts"
import type { AdminTokens } from "../auth/AdminTokens.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { sessionCookie } from "./session-cookie.ts"

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

/** Header field by which a page shows that a request of its session is its own. */
const CSRF_HEADER = "x-gateway-csrf"

/** Returns who asks, by a valid admin token or the session of a browser, which for what `changes` something has to prove itself. */
export const operatorOf = (
  request: HttpServerRequest.HttpServerRequest,
  {
    changes,
    sessions,
    tokens,
  }: {
    readonly tokens: AdminTokens["Service"]
    readonly sessions: AdminSessions["Service"]
    readonly changes: boolean
  },
): Effect.Effect<SessionBearer, GatewayError> =>
  Effect.flatMap(Effect.fromResult(oneOf(bearerTokens(request), "Authorization")), (token) => {
    const cookie = sessionCookie(request, sessions.cookieName)
    if (token !== "" || cookie === "") return Effect.mapError(tokens.verify(token), () => noToken)
    return Effect.matchEffect(sessions.verify(cookie), {
      onFailure: () => Effect.fail(noSession),
      onSuccess: (session) =>
        changes && !hasCsrfToken(session, request.headers[CSRF_HEADER])
          ? Effect.fail(notOfThePage)
          : Effect.succeed({
              ...session.operator,
              until: session.renewableUntil,
              csrfToken: session.csrfToken,
            }),
    })
  })

const noToken = new GatewayError({
  code: "invalid_admin_token",
  detail: "Send Authorization: Bearer with a token from `llm-gateway admin token`.",
})

const noSession = new GatewayError({
  code: "invalid_admin_token",
  detail: "The session is over. Sign in again with a token from `llm-gateway admin token`.",
})

const notOfThePage = new GatewayError({
  code: "csrf_token_required",
  detail: "A session changes something only with its X-Gateway-CSRF, which GET /ui/session returns.",
})
