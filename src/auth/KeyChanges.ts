import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Exit, Fiber, Layer, Queue, Scope } from "effect"
import { type KeyCache, monotonicMs } from "./KeyCache.ts"
import { KeyRecords } from "./KeyRecords.ts"

const CHANNEL = "gateway_api_keys"
/** A slow database is still one that knows what was revoked. */
const QUERY_TIMEOUT = "3 seconds"
const LISTEN_TIMEOUT = "5 seconds"
/** How long readers wait for the database to end a doubt. */
const DOUBT_TIMEOUT = "1 second"
/** With the polling time and one query this stays below the promised second. */
const POLL_EVERY = "400 millis"
const COMPARE_EVERY = "250 millis"
/** A connection can die without a word. So often the table is compared with the cache although the listener is up. */
const RECHECK_EVERY = "5 seconds"

/**
 * Keeps a `KeyCache` true to the table `api_keys`: a revoked, rotated or edited key is forgotten within a second on
 * every replica. Doubt, loss and recovery: `docs/decisions/0002-degraded-auth.md`.
 */
export class KeyChanges extends Context.Service<
  KeyChanges,
  {
    /** Until the scope closes. */
    readonly follow: (cache: KeyCache) => Effect.Effect<void, never, Scope.Scope>
  }
>()("gateway/auth/KeyChanges") {
  /** LISTEN on the server. The client must keep session state: no transaction pooler in between. */
  static readonly layerListenNoDeps = Layer.effect(
    KeyChanges,
    Effect.gen(function* () {
      const records = yield* KeyRecords
      const pg = yield* PgClient.PgClient
      let deaf = false

      /** Compares every cached key with its row; the number of those that had changed. */
      const reconcile = Effect.fnUntraced(function* (cache: KeyCache) {
        const startedAtMs = yield* monotonicMs
        const ids = cache.ids()
        const changeSeqs = yield* Effect.timeout(records.changeSeqs([...ids]), QUERY_TIMEOUT)
        const stale = cache.reconcile(ids, changeSeqs)
        cache.confirm(startedAtMs)
        return stale
      })

      /** For as long as changes are not heard: what is being read now may be out of date when it comes. */
      const compare = (cache: KeyCache) =>
        Effect.suspend(() => {
          cache.abandonFlights()
          return Effect.exit(reconcile(cache))
        })

      const recheck = Effect.fnUntraced(function* (cache: KeyCache) {
        while (true) {
          yield* Effect.sleep(RECHECK_EVERY)
          // A change that nobody announced: the listener is deaf. No answer says nothing of the listener.
          if ((yield* Effect.orElseSucceed(reconcile(cache), () => 0)) > 0) return
        }
      })

      /** Ends when the listener is lost or cannot be had. */
      const listen = Effect.fnUntraced(function* (cache: KeyCache) {
        const changes = yield* Effect.raceFirst(
          Effect.timeout(pg.listen(CHANNEL), LISTEN_TIMEOUT),
          Effect.forever(Effect.andThen(Effect.sleep(COMPARE_EVERY), compare(cache))),
        )
        // From here on changes are heard; what was read before may be out of date.
        cache.abandonFlights()
        yield* reconcile(cache)
        if (deaf) yield* Effect.logInfo("API key changes are heard again")
        deaf = false
        const hear = Queue.take(changes).pipe(
          Effect.map(({ payload }) => cache.forget(payload)),
          Effect.forever,
          Effect.tapError(() => Effect.sync(() => cache.doubt())),
        )
        yield* Effect.raceFirst(hear, recheck(cache))
      })

      /** One question to the database decides the doubt; without an answer in time the cache has to do. */
      const settle = Effect.fnUntraced(function* (cache: KeyCache) {
        const asking = yield* Effect.forkChild(compare(cache))
        yield* Effect.timeoutOption(Fiber.join(asking), DOUBT_TIMEOUT)
        cache.settle()
        // A late answer counts too, and a query to a hanging server takes seconds to give up its connection.
        yield* Fiber.join(asking)
      })

      const follow = (cache: KeyCache) =>
        Effect.gen(function* () {
          while (true) {
            // Closing the listener talks to a server that may be gone, so nobody waits for it.
            yield* Effect.acquireUseRelease(
              Scope.make(),
              (scope) => Effect.exit(Scope.provide(listen(cache), scope)),
              (scope) => Effect.forkDetach(Scope.close(scope, Exit.void)),
            )
            if (!deaf)
              yield* Effect.logWarning("API key changes are not heard; the table is compared instead")
            deaf = true
            yield* settle(cache)
            yield* Effect.sleep(COMPARE_EVERY)
          }
        }).pipe(
          Effect.ensuring(Effect.sync(() => cache.settle())),
          Effect.forkScoped({ startImmediately: true }),
          Effect.asVoid,
        )

      return KeyChanges.of({ follow })
    }),
  )

  /** Needs a SQL client. */
  static readonly layerListen = this.layerListenNoDeps.pipe(Layer.provide(KeyRecords.layer))

  /**
   * For the embedded database, whose connections share one LISTEN. It runs one transaction at a time, so that change
   * numbers become visible in their order and a poll can miss none.
   */
  static readonly layerPoll = Layer.effect(
    KeyChanges,
    Effect.gen(function* () {
      const records = yield* KeyRecords

      const follow = (cache: KeyCache) => {
        let seen: bigint | undefined
        const poll = Effect.gen(function* () {
          const startedAtMs = yield* monotonicMs
          if (seen === undefined) {
            seen = yield* records.lastChange
            cache.clear()
          }
          // Page after page until there is none: a bulk change must not delay the revocation behind it.
          let page = yield* records.changesAfter(seen)
          while (page.ids.length > 0) {
            for (const id of page.ids) cache.forget(id)
            seen = page.last
            page = yield* records.changesAfter(seen)
          }
          cache.confirm(startedAtMs)
        })
        return poll.pipe(
          Effect.timeout(QUERY_TIMEOUT),
          // What cannot be polled cannot be revoked either: there is only this database.
          Effect.tapCause((cause) => Effect.logDebug("polling for API key changes failed", cause)),
          Effect.exit,
          Effect.andThen(Effect.sleep(POLL_EVERY)),
          Effect.forever,
          Effect.forkScoped({ startImmediately: true }),
          Effect.asVoid,
        )
      }

      return KeyChanges.of({ follow })
    }),
  ).pipe(Layer.provide(KeyRecords.layer))
}
