import { Context, Duration, Effect, Layer, Redacted, Schema } from "effect"
import { Settings } from "../config/Settings.ts"
import { makeSignedClaims, type SignedClaimsInvalid } from "./signed-claims.ts"

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

/** An operator who came with a token. */
export interface Bearer extends Operator {
  /** Epoch seconds at which the token ends. */
  readonly until: number
}

const SUBJECT = "admin"

/**
 * Admin JWTs, signed by `ADMIN_JWT_SECRET`. A token without `role` is an admin's, one without `name` is called by its
 * subject: so were those of the version before.
 */
export class AdminTokens extends Context.Service<
  AdminTokens,
  {
    /** `ttl` is cut to between one second and `MAX_ADMIN_TOKEN_TTL`. */
    readonly issue: (ttl: Duration.Duration, operator?: Operator) => Effect.Effect<Redacted.Redacted>
    readonly verify: (token: string) => Effect.Effect<Bearer, SignedClaimsInvalid>
  }
>()("gateway/auth/AdminTokens") {
  static readonly layer = Layer.effect(
    AdminTokens,
    Effect.gen(function* () {
      const { adminJwtSecret } = yield* Settings
      const claims = makeSignedClaims({
        secret: adminJwtSecret,
        audience: "llm-gateway-admin",
        subject: SUBJECT,
        maxTtlSeconds: Duration.toSeconds(MAX_ADMIN_TOKEN_TTL),
        own: Operator,
      })

      const issue = Effect.fn("AdminTokens.issue")((ttl: Duration.Duration, operator: Operator = UNNAMED) =>
        Effect.map(claims.sign({ ...operator }, Math.floor(Duration.toSeconds(ttl))), ({ token }) =>
          Redacted.make(token),
        ),
      )

      const verify = Effect.fn("AdminTokens.verify")((token: string) =>
        Effect.map(claims.verify(token), ({ own, until }): Bearer => ({ ...own, until })),
      )

      return AdminTokens.of({ issue, verify })
    }),
  )
}

/** The bearer of a token that says nothing of who that is. */
const UNNAMED: Operator = { name: SUBJECT, role: "admin" }

const Operator = Schema.Struct({
  name: OperatorName.pipe(Schema.withDecodingDefaultKey(Effect.succeed(UNNAMED.name))),
  role: Schema.Literals(ADMIN_ROLES).pipe(Schema.withDecodingDefaultKey(Effect.succeed(UNNAMED.role))),
})
