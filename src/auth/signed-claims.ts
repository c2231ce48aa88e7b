import { Clock, Data, Effect, Option, Redacted, Schema } from "effect"
import { type JWTPayload, jwtVerify, SignJWT } from "jose"

/** Error of a text that is no token, is forged, of another kind, over, or says something else than it should. */
export class SignedClaimsInvalid extends Data.TaggedError("SignedClaimsInvalid") {}

const ALGORITHM = "HS256"
const ISSUER = "llm-gateway"
const MAX_TOKEN_LENGTH = 4_096
/** The command line may run on a machine whose clock is ahead. Expiry gets no such tolerance. */
const CLOCK_TOLERANCE_SECONDS = 30

interface SignedClaims<Own> {
  /** Makes a token that ends after so many seconds, cut to between one and the longest. */
  readonly sign: (
    own: JWTPayload,
    ttlSeconds: number,
  ) => Effect.Effect<{ readonly token: string; readonly until: number }>
  /** `until`: epoch seconds at which the token ends. */
  readonly verify: (
    token: string,
  ) => Effect.Effect<{ readonly own: Own; readonly until: number }, SignedClaimsInvalid>
}

/**
 * Makes what signs and verifies JWTs of one kind: HS256 alone, issuer, audience, subject, `iat` and `exp` required. Headers
 * that name keys (`kid`, `jku`, `jwk`, `x5u`) are never looked at; `crit` is refused.
 */
export const makeSignedClaims = <Own>(kind: {
  readonly secret: Redacted.Redacted
  readonly audience: string
  readonly subject: string
  /** A token that lives longer is neither signed nor taken, whoever signed it. */
  readonly maxTtlSeconds: number
  /** What a token of the kind says besides. */
  readonly own: Schema.Decoder<Own>
}): SignedClaims<Own> => {
  const key = new TextEncoder().encode(Redacted.value(kind.secret))
  const decodeOwn = Schema.decodeUnknownOption(kind.own)
  return {
    sign: Effect.fnUntraced(function* (own, ttlSeconds) {
      const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const until = now + Math.min(Math.max(ttlSeconds, 1), kind.maxTtlSeconds)
      const token = yield* Effect.promise(() =>
        new SignJWT(own)
          .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
          .setIssuer(ISSUER)
          .setAudience(kind.audience)
          .setSubject(kind.subject)
          .setIssuedAt(now)
          .setExpirationTime(until)
          .sign(key),
      )
      return { token, until }
    }),
    verify: Effect.fnUntraced(function* (token) {
      if (token.length > MAX_TOKEN_LENGTH) return yield* new SignedClaimsInvalid()
      const nowMs = yield* Clock.currentTimeMillis
      const { payload, protectedHeader } = yield* Effect.tryPromise({
        try: () =>
          jwtVerify(token, key, {
            algorithms: [ALGORITHM],
            issuer: ISSUER,
            audience: kind.audience,
            subject: kind.subject,
            requiredClaims: ["exp", "iat"],
            clockTolerance: 0,
            currentDate: new Date(nowMs),
          }),
        // The cause may quote claims of a forged token; the caller has no use for it.
        catch: () => new SignedClaimsInvalid(),
      })
      const { iat, exp } = payload
      const own = decodeOwn(payload)
      if (
        protectedHeader.crit !== undefined ||
        Option.isNone(own) ||
        iat === undefined ||
        exp === undefined ||
        iat > nowMs / 1000 + CLOCK_TOLERANCE_SECONDS ||
        exp - iat > kind.maxTtlSeconds
      ) {
        return yield* new SignedClaimsInvalid()
      }
      return { own: own.value, until: exp }
    }),
  }
}
