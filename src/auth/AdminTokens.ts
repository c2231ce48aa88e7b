import { Clock, Context, Data, Duration, Effect, Layer, Redacted, Schema } from "effect"
import { jwtVerify, SignJWT } from "jose"
import { Settings } from "../config/Settings.ts"

export class AdminTokenInvalid extends Data.TaggedError("AdminTokenInvalid") {}

/** A token that lives longer is neither issued nor accepted, whoever signed it. */
export const MAX_ADMIN_TOKEN_TTL = Duration.days(30)

/** What the bearer of an admin token may do; a viewer changes nothing. */
export const ADMIN_ROLES = ["admin", "viewer"] as const

/** Who or what a token is for, on one line; the audit shows it. */
export const OperatorName = Schema.NonEmptyString.check(
  Schema.isMaxLength(128),
  Schema.isPattern(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u, { message: "Expected no control characters" }),
)

/** The bearer of an admin token. */
export interface Operator {
  readonly name: string
  readonly role: (typeof ADMIN_ROLES)[number]
}

const ALGORITHM = "HS256"
const ISSUER = "llm-gateway"
const AUDIENCE = "llm-gateway-admin"
const SUBJECT = "admin"
const MAX_TOKEN_LENGTH = 4_096
/** The command line may run on a machine whose clock is ahead. Expiry gets no such tolerance. */
const CLOCK_TOLERANCE_SECONDS = 30

/**
 * Admin JWTs: HS256 from `ADMIN_JWT_SECRET`, fixed algorithm list, issuer, audience, subject, `iat` and `exp`
 * required. Headers that name keys (`kid`, `jku`, `jwk`, `x5u`) are never looked at; `crit` is refused. A token without
 * `role` is an admin's, one without `name` is called by its subject: so were those of the version before.
 */
export class AdminTokens extends Context.Service<
  AdminTokens,
  {
    /** `ttl` is cut to between one second and `MAX_ADMIN_TOKEN_TTL`. */
    readonly issue: (ttl: Duration.Duration, operator?: Operator) => Effect.Effect<Redacted.Redacted>
    readonly verify: (token: string) => Effect.Effect<Operator, AdminTokenInvalid>
  }
>()("gateway/auth/AdminTokens") {
  static readonly layer = Layer.effect(
    AdminTokens,
    Effect.gen(function* () {
      const { adminJwtSecret } = yield* Settings
      const key = new TextEncoder().encode(Redacted.value(adminJwtSecret))
      const maxTtlSeconds = Duration.toSeconds(MAX_ADMIN_TOKEN_TTL)

      const issue = Effect.fn("AdminTokens.issue")(function* (
        ttl: Duration.Duration,
        { name, role }: Operator = UNNAMED,
      ) {
        const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        const seconds = Math.min(Math.max(Math.floor(Duration.toSeconds(ttl)), 1), maxTtlSeconds)
        const token = yield* Effect.promise(() =>
          new SignJWT({ name, role })
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
        const operator = decodeOperator(payload)
        if (
          protectedHeader.crit !== undefined ||
          operator._tag === "None" ||
          iat === undefined ||
          exp === undefined ||
          iat > nowMs / 1000 + CLOCK_TOLERANCE_SECONDS ||
          exp - iat > maxTtlSeconds
        ) {
          return yield* new AdminTokenInvalid()
        }
        return operator.value
      })

      return AdminTokens.of({ issue, verify })
    }),
  )
}

/** The bearer of a token that says nothing of who that is. */
const UNNAMED: Operator = { name: SUBJECT, role: "admin" }

const decodeOperator = Schema.decodeUnknownOption(
  Schema.Struct({
    name: OperatorName.pipe(Schema.withDecodingDefaultKey(Effect.succeed(UNNAMED.name))),
    role: Schema.Literals(ADMIN_ROLES).pipe(Schema.withDecodingDefaultKey(Effect.succeed(UNNAMED.role))),
  }),
)
