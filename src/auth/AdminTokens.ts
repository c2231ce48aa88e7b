import { Clock, Context, Data, Duration, Effect, Layer, Redacted } from "effect"
import { jwtVerify, SignJWT } from "jose"
import { Settings } from "../config/Settings.ts"

export class AdminTokenInvalid extends Data.TaggedError("AdminTokenInvalid") {}

/** A token that lives longer is neither issued nor accepted, whoever signed it. */
export const MAX_ADMIN_TOKEN_TTL = Duration.days(30)

const ALGORITHM = "HS256"
const ISSUER = "llm-gateway"
const AUDIENCE = "llm-gateway-admin"
const SUBJECT = "admin"
const MAX_TOKEN_LENGTH = 4_096
/** The command line may run on a machine whose clock is ahead. Expiry gets no such tolerance. */
const CLOCK_TOLERANCE_SECONDS = 30

/**
 * Admin JWTs: HS256 from `ADMIN_JWT_SECRET`, fixed algorithm list, issuer, audience, subject, `iat` and `exp`
 * required. Headers that name keys (`kid`, `jku`, `jwk`, `x5u`) are never looked at; `crit` is refused.
 */
export class AdminTokens extends Context.Service<
  AdminTokens,
  {
    /** `ttl` is cut to between one second and `MAX_ADMIN_TOKEN_TTL`. */
    readonly issue: (ttl: Duration.Duration) => Effect.Effect<Redacted.Redacted>
    readonly verify: (token: string) => Effect.Effect<void, AdminTokenInvalid>
  }
>()("gateway/auth/AdminTokens") {
  static readonly layer = Layer.effect(
    AdminTokens,
    Effect.gen(function* () {
      const { adminJwtSecret } = yield* Settings
      const key = new TextEncoder().encode(Redacted.value(adminJwtSecret))
      const maxTtlSeconds = Duration.toSeconds(MAX_ADMIN_TOKEN_TTL)

      const issue = Effect.fn("AdminTokens.issue")(function* (ttl: Duration.Duration) {
        const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        const seconds = Math.min(Math.max(Math.floor(Duration.toSeconds(ttl)), 1), maxTtlSeconds)
        const token = yield* Effect.promise(() =>
          new SignJWT()
            .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
            .setIssuer(ISSUER)
            .setAudience(AUDIENCE)
            .setSubject(SUBJECT)
            .setIssuedAt(now)
            .setExpirationTime(now + seconds)
            .sign(key),
        )
        return Redacted.make(token)
      })

      const verify = Effect.fn("AdminTokens.verify")(function* (token: string) {
        if (token.length > MAX_TOKEN_LENGTH) return yield* new AdminTokenInvalid()
        const nowMs = yield* Clock.currentTimeMillis
        const { payload, protectedHeader } = yield* Effect.tryPromise({
          try: () =>
            jwtVerify(token, key, {
              algorithms: [ALGORITHM],
              issuer: ISSUER,
              audience: AUDIENCE,
              subject: SUBJECT,
              requiredClaims: ["exp", "iat"],
              clockTolerance: 0,
              currentDate: new Date(nowMs),
            }),
          // The cause may quote claims of a forged token; the caller has no use for it.
          catch: () => new AdminTokenInvalid(),
        })
        const { iat, exp } = payload
        if (
          protectedHeader.crit !== undefined ||
          iat === undefined ||
          exp === undefined ||
          iat > nowMs / 1000 + CLOCK_TOLERANCE_SECONDS ||
          exp - iat > maxTtlSeconds
        ) {
          return yield* new AdminTokenInvalid()
        }
      })

      return AdminTokens.of({ issue, verify })
    }),
  )
}
