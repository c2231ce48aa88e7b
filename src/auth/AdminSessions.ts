import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { Clock, Context, Duration, Effect, Layer, Redacted, Schema } from "effect"
import { Settings } from "../config/Settings.ts"
import { ADMIN_ROLES, type Bearer, type Operator, OperatorName } from "./AdminTokens.ts"
import { makeSignedClaims, SignedClaimsInvalid } from "./signed-claims.ts"

/** How long a session lasts that nobody renews. */
const SESSION_TTL = Duration.hours(1)

/** A browser's session: who signed in, and until when. */
export interface AdminSession {
  readonly operator: Operator
  /** Sent along with each change, to show that it is this page which asks and not another that the browser has open. */
  readonly csrfToken: string
  /** Epoch seconds. */
  readonly until: number
  /** Epoch seconds at which the admin token ends, and no session of it lasts longer. */
  readonly renewableUntil: number
}

/** Who signs in, or whose session is renewed: that keeps its token, which other tabs know. */
export interface SessionBearer extends Bearer {
  readonly csrfToken?: string
}

/**
 * Sessions of the page in a browser, each a JWT of its own kind in a cookie: it is no admin token, and nothing is stored, so
 * every worker and replica knows it. It ends with the secret, as admin tokens do.
 */
export class AdminSessions extends Context.Service<
  AdminSessions,
  {
    /** Browsers send cookies to every port of a host: a gateway with another secret has its own. */
    readonly cookieName: string
    /** Begins a session, or a later one of the same sign-in. Returns what the cookie holds. */
    readonly begin: (
      bearer: SessionBearer,
    ) => Effect.Effect<{ readonly session: AdminSession; readonly cookie: string }>
    readonly verify: (cookie: string) => Effect.Effect<AdminSession, SignedClaimsInvalid>
  }
>()("gateway/auth/AdminSessions") {
  static readonly layer = Layer.effect(
    AdminSessions,
    Effect.gen(function* () {
      const { adminJwtSecret, ui } = yield* Settings
      const claims = makeSignedClaims({
        secret: adminJwtSecret,
        audience: "llm-gateway-session",
        subject: "session",
        maxTtlSeconds: Duration.toSeconds(SESSION_TTL),
        own: SessionClaims,
      })

      const begin = Effect.fn("AdminSessions.begin")(function* ({
        csrfToken = randomBytes(18).toString("base64url"),
        name,
        role,
        until: renewableUntil,
      }: SessionBearer) {
        const left = renewableUntil - Math.floor((yield* Clock.currentTimeMillis) / 1000)
        const { token, until } = yield* claims.sign(
          { name, role, csrf: csrfToken, renewable_until: renewableUntil },
          Math.min(left, Duration.toSeconds(SESSION_TTL)),
        )
        return { session: { operator: { name, role }, csrfToken, until, renewableUntil }, cookie: token }
      })

      const verify = Effect.fn("AdminSessions.verify")(function* (cookie: string) {
        // Nobody has a session of a page that is off.
        if (!ui) return yield* new SignedClaimsInvalid()
        const { own, until } = yield* claims.verify(cookie)
        // One that was begun in the token's last second may have been signed for longer.
        if (own.renewable_until * 1000 <= (yield* Clock.currentTimeMillis))
          return yield* new SignedClaimsInvalid()
        return {
          operator: { name: own.name, role: own.role },
          csrfToken: own.csrf,
          until,
          renewableUntil: own.renewable_until,
        }
      })

      const digest = createHmac("sha256", Redacted.value(adminJwtSecret)).update("cookie").digest("hex")
      return AdminSessions.of({ cookieName: `gateway_session_${digest.slice(0, 8)}`, begin, verify })
    }),
  )
}

const SessionClaims = Schema.Struct({
  name: OperatorName,
  role: Schema.Literals(ADMIN_ROLES),
  csrf: Schema.NonEmptyString,
  renewable_until: Schema.Finite,
})

/** Tells whether a request brings the session's own token. */
export const hasCsrfToken = ({ csrfToken }: AdminSession, sent: string | undefined): boolean => {
  const [expected, given] = [Buffer.from(csrfToken), Buffer.from(sent ?? "")]
  return expected.length === given.length && timingSafeEqual(expected, given)
}
