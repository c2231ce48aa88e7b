import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { ApiKeys } from "../../src/auth/ApiKeys.ts"
import { layerPostgres } from "../support/Databases.ts"
import { scaled } from "../support/slowness.ts"
import { databases, reason, refusedAfterMs, replica, sentAfterMs } from "./databases.ts"

const create = Effect.fnUntraced(function* (requestsPerMinute?: number) {
  const keys = yield* ApiKeys
  const { key, secret } = yield* keys.create({
    name: "a key",
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
  })
  return { id: key.id, token: Redacted.value(secret) }
})

for (const { name, database } of databases) {
  layer(ApiKeys.layer.pipe(Layer.provideMerge(database)), { excludeTestServices: true })(
    `key changes on two replicas, ${name}`,
    (it) => {
      it.effect("a revoked key is refused everywhere within a second", () =>
        Effect.gen(function* () {
          const [a, b] = [yield* replica, yield* replica]
          const { id, token } = yield* create()
          const other = yield* create()
          for (const auth of [a, b]) {
            yield* auth.authenticate(token)
            yield* auth.authenticate(other.token)
          }
          yield* (yield* ApiKeys).revoke(id)
          assert.isBelow(yield* refusedAfterMs(a, token), scaled(1_000))
          assert.isBelow(yield* refusedAfterMs(b, token), scaled(1_000))
          for (const auth of [a, b]) assert.strictEqual(yield* reason(auth, other.token), "valid")
        }),
      )

      it.effect("a rotation without grace refuses the old secret within a second", () =>
        Effect.gen(function* () {
          const auth = yield* replica
          const { id, token } = yield* create()
          yield* auth.authenticate(token)
          const { secret } = yield* (yield* ApiKeys).rotate(id, { graceMs: 0 })
          yield* auth.authenticate(Redacted.value(secret))
          assert.isBelow(yield* refusedAfterMs(auth, token), scaled(1_000))
        }),
      )

      it.effect("a rotation with grace accepts both secrets, and only the new one afterwards", () =>
        Effect.gen(function* () {
          const auth = yield* replica
          const { id, token } = yield* create()
          const { secret } = yield* (yield* ApiKeys).rotate(id, { graceMs: 700 })
          yield* auth.authenticate(token)
          yield* auth.authenticate(Redacted.value(secret))
          yield* refusedAfterMs(auth, token)
          yield* auth.authenticate(Redacted.value(secret))
        }),
      )

      it.effect("an edited limit reaches the principal within a second", () =>
        Effect.gen(function* () {
          const auth = yield* replica
          const { id, token } = yield* create(5)
          assert.strictEqual((yield* auth.authenticate(token)).limits[0].requestsPerMinute, 5)
          const sql = yield* SqlClient.SqlClient
          yield* sql`UPDATE api_keys SET requests_per_minute = 9 WHERE id = ${id}`
          const edited = sentAfterMs(
            auth.authenticate(token),
            ({ limits }) => limits[0].requestsPerMinute === 9,
          )
          assert.isBelow(yield* edited, scaled(1_000))
        }),
      )

      it.effect("a deleted key is refused within seconds", () =>
        Effect.gen(function* () {
          const auth = yield* replica
          const { id, token } = yield* create()
          // So that the row is not the newest, whose end would show at once.
          yield* create()
          yield* auth.authenticate(token)
          const sql = yield* SqlClient.SqlClient
          yield* sql`DELETE FROM api_keys WHERE id = ${id}`
          assert.isBelow(yield* refusedAfterMs(auth, token), scaled(7_000))
        }),
      )

      it.effect("a flood of changes is followed to its end", () =>
        Effect.gen(function* () {
          const auth = yield* replica
          const { id, token } = yield* create()
          yield* auth.authenticate(token)
          const sql = yield* SqlClient.SqlClient
          yield* sql`
            INSERT INTO api_keys (id, name, secret_hash)
            SELECT lpad(n::text, 12, '0'), 'bulk', 'x' FROM generate_series(1, 3000) n`
          yield* (yield* ApiKeys).revoke(id)
          assert.isBelow(yield* refusedAfterMs(auth, token), scaled(1_000))
        }),
      )
    },
  )
}

layer(ApiKeys.layer.pipe(Layer.provideMerge(layerPostgres)), { excludeTestServices: true })(
  "transactions of PostgreSQL",
  (it) => {
    it.effect("that commit in another order than they changed keys hide no revocation", () =>
      Effect.gen(function* () {
        const auth = yield* replica
        const sql = yield* SqlClient.SqlClient
        const revoke = (id: string) => sql`UPDATE api_keys SET revoked_at = now() WHERE id = ${id}`
        const late = yield* create()
        const early = yield* create()
        const kept = yield* create()
        for (const { token } of [late, early, kept]) yield* auth.authenticate(token)

        const revoked = yield* Deferred.make<void>()
        const commit = yield* Deferred.make<void>()
        const transaction = yield* Effect.forkChild(
          sql.withTransaction(
            revoke(late.id).pipe(
              Effect.andThen(Deferred.succeed(revoked, undefined)),
              Effect.andThen(Deferred.await(commit)),
            ),
          ),
        )
        yield* Deferred.await(revoked)
        yield* revoke(early.id)
        assert.isBelow(yield* refusedAfterMs(auth, early.token), scaled(1_000))
        // The number after that of the open transaction was seen, more than once.
        yield* Effect.sleep("1 second")
        assert.strictEqual(yield* reason(auth, late.token), "valid")

        yield* Deferred.succeed(commit, undefined)
        yield* Fiber.join(transaction)
        assert.isBelow(yield* refusedAfterMs(auth, late.token), scaled(1_000))
        assert.strictEqual(yield* reason(auth, kept.token), "valid")
      }),
    )

    it.effect("have an id before they draw the number of a change", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { id } = yield* create()
        yield* sql`
          CREATE FUNCTION refuse_without_id() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN
            IF pg_current_xact_id_if_assigned() IS NULL THEN RAISE EXCEPTION 'no transaction id yet'; END IF;
            RETURN NEW;
          END $$`
        // Triggers fire in the order of their names, so before the one that draws the number.
        yield* sql`
          CREATE TRIGGER aaa BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION refuse_without_id()`
        yield* (yield* ApiKeys).revoke(id)
      }),
    )
  },
)
