import { randomUUID } from "node:crypto"
import { assert, describe, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { ClaimStore } from "../../src/idempotency/ClaimStore.ts"
import { layerPostgres } from "../support/Databases.ts"
import { bodyPrint, claimId } from "./requests.ts"

const print = bodyPrint("hello")
const RIVALS = 4

/**
 * `change` alters the row of `key` and is not committed yet, while rival claims, whose snapshots still show the row as
 * it was, wait for it. Gives what they got after the commit.
 */
const rivalsOf = <A, E>(key: string, change: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const store = yield* ClaimStore
    const changed = yield* Deferred.make<void>()
    const commit = yield* Deferred.make<void>()
    const transaction = yield* change.pipe(
      Effect.andThen(Deferred.succeed(changed, undefined)),
      Effect.andThen(Deferred.await(commit)),
      sql.withTransaction,
      Effect.forkChild,
    )
    yield* Deferred.await(changed)
    const rivals = yield* Effect.forEach(
      Array.from({ length: RIVALS }, () => randomUUID()),
      (owner) => store.claim(claimId(key), print, owner),
      { concurrency: "unbounded" },
    ).pipe(Effect.forkChild)
    yield* sql`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`.pipe(
      Effect.repeat({ until: (waiting) => waiting.length === RIVALS }),
    )
    yield* Deferred.succeed(commit, undefined)
    yield* Fiber.join(transaction)
    return yield* Fiber.join(rivals)
  })

const abandon = (key: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const store = yield* ClaimStore
    yield* store.claim(claimId(key), print, randomUUID())
    yield* sql`UPDATE idempotency_claims SET lease_until = clock_timestamp() WHERE key_hash = ${claimId(key).keyHash}`
  })

describe("claims that wait for another statement on their row", () => {
  layer(ClaimStore.layer.pipe(Layer.provideMerge(layerPostgres)), { excludeTestServices: true })((it) => {
    const running = Array.from({ length: RIVALS }, () => ({ _tag: "Running" }))

    it.effect("are all refused when it was the first claim", () =>
      Effect.gen(function* () {
        const store = yield* ClaimStore
        const owner = randomUUID()
        assert.deepStrictEqual(yield* rivalsOf("first", store.claim(claimId("first"), print, owner)), running)
        assert.isTrue(yield* store.renew(claimId("first"), owner))
      }),
    )

    it.effect("are all refused when it took an abandoned claim over", () =>
      Effect.gen(function* () {
        const store = yield* ClaimStore
        yield* abandon("taken")
        const owner = randomUUID()
        assert.deepStrictEqual(yield* rivalsOf("taken", store.claim(claimId("taken"), print, owner)), running)
        assert.isTrue(yield* store.renew(claimId("taken"), owner))
      }),
    )

    it.effect("are all refused when it was the renewal of an owner thought dead", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const store = yield* ClaimStore
        const owner = randomUUID()
        yield* store.claim(claimId("alive"), print, owner)
        yield* sql`UPDATE idempotency_claims SET lease_until = clock_timestamp()
          WHERE key_hash = ${claimId("alive").keyHash}`
        assert.deepStrictEqual(yield* rivalsOf("alive", store.renew(claimId("alive"), owner)), running)
      }),
    )

    it.effect("are granted to one of them when it was a release or the cleanup of an expired claim", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const store = yield* ClaimStore
        const granted = (states: ReadonlyArray<{ readonly _tag: string }>) =>
          states.filter(({ _tag }) => _tag === "Claimed").length

        const owner = randomUUID()
        yield* store.claim(claimId("released"), print, owner)
        yield* sql`UPDATE idempotency_claims SET lease_until = clock_timestamp()
          WHERE key_hash = ${claimId("released").keyHash}`
        assert.strictEqual(granted(yield* rivalsOf("released", store.release(claimId("released"), owner))), 1)

        yield* abandon("expired")
        yield* sql`UPDATE idempotency_claims SET expires_at = clock_timestamp()
          WHERE key_hash = ${claimId("expired").keyHash}`
        assert.strictEqual(granted(yield* rivalsOf("expired", store.cleanup(10))), 1)
      }),
    )
  })
})
