import { hash, randomBytes } from "node:crypto"
import { Cause, Context, Data, Deferred, Effect, Layer, Metric } from "effect"
import { answerWithin } from "../database/answer-within.ts"
import { generateApiKeySecret, parseApiKey } from "../domain/ApiKeyFormat.ts"
import * as Metrics from "../observability/Metrics.ts"
import { type Flight, KeyCache, monotonicMs, monotonicMsUnsafe, type Verdict } from "./KeyCache.ts"
import { KeyChanges } from "./KeyChanges.ts"
import { type KeyRecord, KeyRecords } from "./KeyRecords.ts"
import type { Principal } from "./Principal.ts"
import { SecretHasher } from "./SecretHasher.ts"

/**
 * Why a credential was refused. `invalid` covers malformed, unknown, wrong, revoked and expired alike: the client
 * must not learn which. `unavailable` is our trouble (database, bcrypt saturation) and says nothing of the key.
 */
export class AuthError extends Data.TaggedError("AuthError")<{
  readonly reason: "missing" | "invalid" | "unavailable"
  readonly retryAfterMs?: number
}> {}

/** Checks of unknown tokens at once: each is a query and a bcrypt. More of them are an attack or a thundering herd. */
const MAX_FLIGHTS = 32
/** Who sends an unknown key hears within a second that the database does not answer. */
const LOOKUP_TIMEOUT = "800 millis"
/** A request waits no longer for bcrypt; the check goes on and the next request finds its verdict. */
const ANSWER_TIMEOUT = "2 seconds"
const RETRY_AFTER_MS = 1_000

/**
 * Verifies API keys: shape and checksum, cache by SHA-256 of the whole token, then one lookup by id and one bcrypt
 * comparison, single-flight per token. `docs/decisions/0002-degraded-auth.md` says what holds without a database.
 */
export class Authenticator extends Context.Service<
  Authenticator,
  {
    /** `token` is the raw credential as sent. */
    readonly authenticate: (token: string) => Effect.Effect<Principal, AuthError>
  }
>()("gateway/auth/Authenticator") {
  static readonly layerNoDeps = Layer.effect(
    Authenticator,
    Effect.gen(function* () {
      const records = yield* KeyRecords
      const hasher = yield* SecretHasher
      const scope = yield* Effect.scope
      const cache = new KeyCache()
      yield* (yield* KeyChanges).follow(cache)
      // Compared when there is no such key, so that an unknown id takes as long as a wrong secret.
      const nobody = yield* Effect.orDie(hasher.hash(generateApiKeySecret(randomBytes)))
      let flights = 0

      /** Undefined when the key does not exist, does not match, is revoked or has expired. */
      const check = Effect.fnUntraced(function* (id: string, secret: string) {
        const record = yield* answerWithin(LOOKUP_TIMEOUT)(records.find(id))
        const checkedAtMs = yield* monotonicMs
        const current = yield* hasher.matches(secret, record?.secretHash ?? nobody)
        if (record === undefined) return undefined
        const leftMs = current ? keyLeftMs(record) : previousSecretLeftMs(record)
        if (!current && leftMs > 0 && record.previousSecretHash !== null) {
          if (!(yield* hasher.matches(secret, record.previousSecretHash))) return undefined
        }
        if (leftMs <= 0) return undefined
        const verdict: Verdict = {
          principal: toPrincipal(record),
          changeSeq: record.changeSeq,
          checkedAtMs,
          validUntilMs: checkedAtMs + leftMs,
        }
        return verdict
      })

      const fly = (digest: string, id: string, secret: string) => {
        const flight: Flight = { id, result: Deferred.makeUnsafe() }
        cache.takeOff(digest, flight)
        flights += 1
        return check(id, secret).pipe(
          Effect.matchCauseEffect({
            onSuccess: (verdict) =>
              Effect.flatMap(monotonicMs, (refusedAtMs) => {
                cache.land(digest, flight, verdict ?? { refusedAtMs })
                return verdict === undefined ? invalid : Effect.succeed(verdict.principal)
              }),
            onFailure: (cause) => {
              cache.land(digest, flight)
              const log = Cause.hasDies(cause) ? Effect.logError : Effect.logDebug
              return Effect.andThen(log("an API key could not be checked", cause), unavailable)
            },
          }),
          Effect.onExit((exit) => {
            flights -= 1
            return Deferred.done(flight.result, exit)
          }),
          Effect.forkIn(scope, { startImmediately: true }),
          Effect.as(flight),
        )
      }

      const verify = (digest: string, id: string, secret: string): Effect.Effect<Principal, AuthError> => {
        const underWay = cache.flight(digest)
        if (underWay === undefined && flights >= MAX_FLIGHTS) return unavailable
        const flight = underWay === undefined ? fly(digest, id, secret) : Effect.succeed(underWay)
        return Effect.flatMap(flight, ({ result }) =>
          Effect.timeoutOrElse(Deferred.await(result), {
            duration: ANSWER_TIMEOUT,
            orElse: () => unavailable,
          }),
        )
      }

      const decide = (token: string, nowMs: number): Effect.Effect<Principal, AuthError> => {
        const parts = parseApiKey(token)
        if (parts === undefined) return counted("refused", token === "" ? missing : invalid)
        const digest = hash("sha256", token, "base64")
        const known = cache.read(digest, nowMs)
        if (known === "refused") return counted("refused", invalid)
        if (known !== undefined) return counted("cache_hit", Effect.succeed(known.principal))
        return Effect.tap(
          Effect.tapError(verify(digest, parts.id, parts.secret), ({ reason }) =>
            Metric.update(Metrics.authResults(reason === "unavailable" ? "unavailable" : "refused"), 1),
          ),
          () => Metric.update(Metrics.authResults("verified"), 1),
        )
      }

      return Authenticator.of({
        authenticate: (token) =>
          Effect.clockWith((clock) => {
            if (!cache.inDoubt) return decide(token, monotonicMsUnsafe(clock))
            return Effect.flatMap(cache.settled.await, () => decide(token, monotonicMsUnsafe(clock)))
          }),
      })
    }),
  )

  /** Needs `KeyChanges` (listening or polling) and a SQL client. */
  static readonly layer = this.layerNoDeps.pipe(Layer.provide([KeyRecords.layer, SecretHasher.layer]))
}

const missing = Effect.fail(new AuthError({ reason: "missing" }))
const invalid = Effect.fail(new AuthError({ reason: "invalid" }))
const unavailable = Effect.fail(new AuthError({ reason: "unavailable", retryAfterMs: RETRY_AFTER_MS }))

const counted = <A, E>(result: Metrics.AuthResult, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.andThen(Metric.update(Metrics.authResults(result), 1), effect)

/** > 0 while the key may be used. */
const keyLeftMs = ({ revoked, leftMs }: KeyRecord): number =>
  revoked ? 0 : (leftMs ?? Number.POSITIVE_INFINITY)

const previousSecretLeftMs = (record: KeyRecord): number =>
  Math.min(keyLeftMs(record), record.previousSecretLeftMs ?? 0)

const toPrincipal = ({ id, name, requestsPerMinute, models }: KeyRecord): Principal => ({
  keyId: id,
  name,
  ...(requestsPerMinute === null ? {} : { requestsPerMinute }),
  ...(models === null ? {} : { models: new Set(models) }),
})
