import { hash } from "node:crypto"
import { Clock, Context, Effect, Layer, Metric } from "effect"
import { API_KEY_LENGTH, parseApiKey } from "../domain/ApiKeyFormat.ts"
import * as Metrics from "../observability/Metrics.ts"
import { monotonicMsUnsafe } from "../platform/monotonic.ts"
import { type AuthError, invalid, missing } from "./AuthError.ts"
import { makeCheckSecret, toPrincipal } from "./check-secret.ts"
import { KeyCache } from "./KeyCache.ts"
import { KeyChanges } from "./KeyChanges.ts"
import { KeyLookups } from "./KeyLookups.ts"
import { KeyProofs } from "./KeyProofs.ts"
import { KeyRecords, type KeyRecordsUnavailable } from "./KeyRecords.ts"
import type { Principal } from "./Principal.ts"
import { SecretHasher } from "./SecretHasher.ts"

/**
 * Verifies API keys: a cache by SHA-256 of the whole token, then shape and checksum, one lookup by id and, of a secret that
 * was not verified before, one bcrypt comparison, single-flight per token. `docs/decisions/0002-degraded-auth.md` says
 * what holds without a database, `docs/decisions/0012-strangers-do-not-queue.md` what a stranger can ask for.
 */
export class Authenticator extends Context.Service<
  Authenticator,
  {
    /** `token` is the raw credential as sent. */
    readonly authenticate: (token: string) => Effect.Effect<Principal, AuthError>
    /** Reads for an operator who a key's owner is, whether or not it may be used; undefined: no key has this id. */
    readonly ownerOf: (id: string) => Effect.Effect<Principal | undefined, KeyRecordsUnavailable>
  }
>()("gateway/auth/Authenticator") {
  static readonly layerNoDeps = Layer.effect(
    Authenticator,
    Effect.gen(function* () {
      const cache = new KeyCache()
      yield* (yield* KeyChanges).follow(cache)
      const records = yield* KeyRecords
      const check = makeCheckSecret(records, yield* SecretHasher, yield* KeyProofs)
      const lookups = new KeyLookups(cache, check, yield* Effect.scope)
      return Authenticator.of({
        authenticate: authenticateWith(cache, lookups),
        ownerOf: (id) => Effect.map(records.find(id), (record) => record && toPrincipal(record)),
      })
    }),
  )

  /** Needs `KeyChanges`, `Settings` and a SQL client. */
  static readonly layer = this.layerNoDeps.pipe(
    Layer.provide([KeyRecords.layer, SecretHasher.layer, KeyProofs.layer]),
  )
}

const hits = Metrics.authResults("cache_hit")
const verifications = Metrics.authResults("verified")
const refusals = Metrics.authResults("refused")

/** Authenticates tokens; a hit is one SHA-256, one map look-up and one count, in a single step of the fiber. */
function authenticateWith(cache: KeyCache, lookups: KeyLookups): Authenticator["Service"]["authenticate"] {
  const authenticate = (token: string): Effect.Effect<Principal, AuthError> =>
    Effect.contextWith((context: Context.Context<never>) => {
      if (token.length !== API_KEY_LENGTH) return refuse(token === "" ? missing : invalid, context)
      const digest = hash("sha256", token, "base64")
      const known = cache.find(digest, monotonicMsUnsafe(Context.get(context, Clock.Clock)))
      if (known === "stale") return Effect.andThen(cache.news, authenticate(token))
      if (known === "refused") return refuse(invalid, context)
      if (known !== undefined) {
        hits.updateUnsafe(1, context)
        return known.principal
      }
      const parts = parseApiKey(token)
      return parts === undefined ? refuse(invalid, context) : counted(lookups.verify(digest, parts))
    })
  return authenticate
}

const refuse = (refusal: typeof invalid, context: Context.Context<never>) => {
  refusals.updateUnsafe(1, context)
  return refusal
}

const counted = (verified: Effect.Effect<Principal, AuthError>) =>
  verified.pipe(
    Effect.tap(() => Metric.update(verifications, 1)),
    Effect.tapError(({ reason }) =>
      Metric.update(
        reason === "unavailable" || reason === "overloaded" ? Metrics.authResults(reason) : refusals,
        1,
      ),
    ),
  )
