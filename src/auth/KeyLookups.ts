import { Cause, Deferred, Effect, type Exit, type Scope } from "effect"
import type { ApiKeyParts } from "../domain/ApiKeyFormat.ts"
import { type AuthError, invalid, overloaded, unavailable } from "./AuthError.ts"
import type { makeCheckSecret } from "./check-secret.ts"
import type { KeyCache, Lookup } from "./KeyCache.ts"
import type { Principal } from "./Principal.ts"

/**
 * Checks at once. Each is a place in a statement, and some are a bcrypt, which has bounds of its own: all owners may come
 * back together after a restart.
 */
const MAX_LOOKUPS = 4_096
/** A request waits no longer for bcrypt; the check goes on and the next request finds its verdict. */
const ANSWER_TIMEOUT = "2 seconds"

/** Checks tokens that the cache does not know: single-flight per token, bounded in number. */
export class KeyLookups {
  readonly #cache: KeyCache
  readonly #check: ReturnType<typeof makeCheckSecret>
  readonly #scope: Scope.Scope
  #running = 0

  /** Lookups end with `scope`. */
  constructor(cache: KeyCache, check: ReturnType<typeof makeCheckSecret>, scope: Scope.Scope) {
    this.#cache = cache
    this.#check = check
    this.#scope = scope
  }

  /** Joins the lookup of the token that is under way, or starts one. Call it when the effect is to run. */
  verify(digest: string, parts: ApiKeyParts): Effect.Effect<Principal, AuthError> {
    const running = this.#cache.lookup(digest)
    if (running === undefined && this.#running >= MAX_LOOKUPS) return overloaded
    return Effect.flatMap(
      running === undefined ? this.#start(digest, parts) : Effect.succeed(running),
      ({ result }) =>
        Effect.timeoutOrElse(Deferred.await(result), { duration: ANSWER_TIMEOUT, orElse: () => overloaded }),
    )
  }

  /** A fiber of its own: the check goes on when the client that caused it leaves. */
  #start(digest: string, parts: ApiKeyParts): Effect.Effect<Lookup> {
    const lookup: Lookup = { id: parts.id, result: Deferred.makeUnsafe(), changeSeq: undefined }
    this.#cache.beginLookup(digest, lookup)
    this.#running += 1
    return this.#check(parts, lookup).pipe(
      Effect.matchCauseEffect({
        onSuccess: (found): Exit.Exit<Principal, AuthError> => {
          this.#cache.endLookup(digest, lookup, found)
          return "refusedAtMs" in found ? invalid : found.principal
        },
        onFailure: (cause) => {
          this.#cache.endLookup(digest, lookup)
          const { reasons } = cause
          if (reasons.some((why) => Cause.isFailReason(why) && why.error._tag === "SecretHasherBusy")) {
            return overloaded
          }
          const log = Cause.hasDies(cause) ? Effect.logError : Effect.logDebug
          return Effect.andThen(log("an API key could not be checked", cause), unavailable)
        },
      }),
      Effect.onExit((exit) => {
        this.#running -= 1
        return Deferred.done(lookup.result, exit)
      }),
      Effect.forkIn(this.#scope, { startImmediately: true }),
      Effect.as(lookup),
    )
  }
}
