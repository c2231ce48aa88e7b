import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { ApiKeys } from "../../src/auth/ApiKeys.ts"
import type { Authenticator } from "../../src/auth/Authenticator.ts"
import { Database } from "../../src/database/Database.ts"
import { layerPostgres, migratedPostgresUrl } from "../support/Databases.ts"
import { scaled } from "../support/slowness.ts"
import { freezableProxy, reason, refusedAfterMs, replica } from "./databases.ts"
import { makeToken } from "./world.ts"

type Replica = Authenticator["Service"]

const pool = Database.layerPool({ applicationName: "test", maxConnections: 8, statementTimeoutMs: 30_000 })

const timed = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const started = yield* Clock.currentTimeMillis
  const value = yield* effect
  return { value, ms: (yield* Clock.currentTimeMillis) - started }
})

/** Verifies and caches, also when the first check overlaps the first comparison, and is then not cached. */
const learn = (auth: Replica, token: string) =>
  Effect.andThen(auth.authenticate(token), auth.authenticate(token))

const createKey = Effect.gen(function* () {
  const { key, secret } = yield* (yield* ApiKeys).create({ name: "a key" })
  return { id: key.id, token: Redacted.value(secret) }
})

layer(ApiKeys.layer.pipe(Layer.provideMerge(layerPostgres)), { excludeTestServices: true })(
  "lost connections",
  (it) => {
    /** Ends every other session of the database. */
    const killConnections = Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`
    })

    it.effect("hide no revocation: not one from just before, nor one from just after", () =>
      Effect.gen(function* () {
        const auth = yield* replica
        const kept = yield* createKey
        yield* learn(auth, kept.token)
        for (let round = 0; round < 5; round++) {
          const before = yield* createKey
          const after = yield* createKey
          yield* learn(auth, before.token)
          yield* learn(auth, after.token)
          // The pool may offer a connection that is about to end.
          const revoke = (id: string) =>
            Effect.retry(
              ApiKeys.use((keys) => keys.revoke(id)),
              { times: 10 },
            )
          yield* revoke(before.id)
          yield* killConnections
          yield* revoke(after.id)
          assert.isBelow(yield* refusedAfterMs(auth, before.token), scaled(1_000))
          assert.isBelow(yield* refusedAfterMs(auth, after.token), scaled(1_000))
          assert.strictEqual(yield* reason(auth, kept.token), "valid")
        }
      }),
    )

    it.effect("leave a change that is not announced to be seen by its number", () =>
      Effect.gen(function* () {
        const auth = yield* replica
        const { id, token } = yield* createKey
        yield* learn(auth, token)
        const sql = yield* SqlClient.SqlClient
        yield* sql`ALTER TABLE api_keys DISABLE TRIGGER api_keys_announce`
        yield* sql`
          UPDATE api_keys SET revoked_at = now(), change_seq = nextval('api_key_changes') WHERE id = ${id}`
        assert.isBelow(yield* refusedAfterMs(auth, token), scaled(1_000))
        yield* sql`ALTER TABLE api_keys ENABLE TRIGGER api_keys_announce`
      }),
    )
  },
)

/** Makes a migrated database whose only way is a proxy that can freeze, and the way around it. */
const behindProxy = Effect.gen(function* () {
  const url = yield* migratedPostgresUrl
  const server = new URL(Redacted.value(url))
  const proxy = yield* freezableProxy({ host: server.hostname, port: Number(server.port) })
  server.host = `127.0.0.1:${proxy.port}`
  const keysOver = (database: Redacted.Redacted) =>
    ApiKeys.layer.pipe(Layer.provideMerge(pool.pipe(Layer.provide(Database.layerServer(database)))))
  return { proxy, proxied: keysOver(Redacted.make(server.href)), direct: keysOver(url) }
})

describe("a database", () => {
  it.live("that is dead: unknown tokens are unavailable in less than a second", () =>
    Effect.gen(function* () {
      const auth = yield* replica
      const { value, ms } = yield* timed(reason(auth, makeToken().token))
      assert.strictEqual(value, "unavailable")
      assert.isBelow(ms, scaled(1_000))
    }).pipe(
      Effect.provide(
        pool.pipe(Layer.provide(Database.layerServer(Redacted.make("postgres://nobody:x@127.0.0.1:1/none")))),
      ),
    ),
  )

  it.live("that hangs: known keys do not notice, unknown ones are unavailable, and it is found again", () =>
    Effect.gen(function* () {
      const { proxy, proxied, direct } = yield* behindProxy
      yield* Effect.gen(function* () {
        const auth = yield* replica
        const known = yield* createKey
        const revoked = yield* createKey
        yield* learn(auth, known.token)
        yield* learn(auth, revoked.token)

        proxy.frozen = true
        // Long enough for the change feed to ask in vain.
        const ends = (yield* Clock.currentTimeMillis) + 7_000
        let slowest = 0
        while ((yield* Clock.currentTimeMillis) < ends) {
          const { ms } = yield* timed(auth.authenticate(known.token))
          slowest = Math.max(slowest, ms)
          yield* Effect.sleep("10 millis")
        }
        assert.isBelow(slowest, scaled(500))
        const unknown = yield* timed(reason(auth, makeToken().token))
        assert.strictEqual(unknown.value, "unavailable")
        assert.isBelow(unknown.ms, scaled(1_000))

        // Revoked past the frozen path, by a replica that reaches the database.
        yield* ApiKeys.use((keys) => keys.revoke(revoked.id)).pipe(Effect.provide(direct, { local: true }))
        assert.strictEqual(yield* reason(auth, revoked.token), "valid")
        proxy.frozen = false
        assert.isBelow(yield* refusedAfterMs(auth, revoked.token), scaled(1_000))
        assert.strictEqual(yield* reason(auth, known.token), "valid")
        assert.strictEqual(yield* reason(auth, makeToken().token), "invalid")
      }).pipe(Effect.provide(proxied))
    }),
  )

  it.live("that cuts every connection and then hangs holds no reader of a known key", () =>
    Effect.gen(function* () {
      const { proxy, proxied } = yield* behindProxy
      yield* Effect.gen(function* () {
        const auth = yield* replica
        const { token } = yield* createKey
        yield* learn(auth, token)
        yield* Effect.sleep("500 millis")
        proxy.cut()
        const ends = (yield* Clock.currentTimeMillis) + 4_000
        while ((yield* Clock.currentTimeMillis) < ends) {
          assert.isBelow((yield* timed(auth.authenticate(token))).ms, scaled(300))
          yield* Effect.sleep("10 millis")
        }
      }).pipe(Effect.provide(proxied))
    }),
  )
})
