import { Clock, DateTime, Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi } from "../api/GatewayApi.ts"
import { type AdminSession, AdminSessions } from "../auth/AdminSessions.ts"
import { AdminTokens } from "../auth/AdminTokens.ts"
import { Settings } from "../config/Settings.ts"
import { operatorOf } from "./credentials.ts"
import { answeringErrors } from "./error-response.ts"
import { sessionCookie, withSessionCookie } from "./session-cookie.ts"

/** Sessions of the page in a browser. */
export const SessionHandlers = HttpApiBuilder.group(
  AdminApi,
  "session",
  Effect.fn(function* (handlers) {
    const sessions = yield* AdminSessions
    const tokens = yield* AdminTokens
    const { adminPort } = yield* Settings
    const shown = ({ csrfToken, operator, renewableUntil, until }: AdminSession) => ({
      operator,
      csrf_token: csrfToken,
      expires_at: iso(until),
      renewable_until: iso(renewableUntil),
      serves_clients: adminPort === undefined,
    })

    return handlers.handleAll({
      current: ({ request }) =>
        Effect.match(sessions.verify(sessionCookie(request, sessions.cookieName)), {
          onSuccess: (session) => ({ session: shown(session) }),
          onFailure: () => ({ session: null }),
        }),
      begin: ({ request }) =>
        Effect.gen(function* () {
          const bearer = yield* operatorOf(request, { tokens, sessions, changes: true })
          const { cookie, session } = yield* sessions.begin(bearer)
          const seconds = session.until - Math.floor((yield* Clock.currentTimeMillis) / 1000)
          const answer = HttpServerResponse.jsonUnsafe({ session: shown(session) })
          return withSessionCookie(answer, request, { name: sessions.cookieName, value: cookie, seconds })
        }).pipe(answeringErrors),
      end: ({ request }) =>
        Effect.succeed(
          withSessionCookie(HttpServerResponse.jsonUnsafe({ session: null }), request, {
            name: sessions.cookieName,
            value: "",
            seconds: 0,
          }),
        ),
    })
  }),
)

const iso = (seconds: number): string => DateTime.formatIso(DateTime.makeUnsafe(seconds * 1000))
