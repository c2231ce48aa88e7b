import { assert, layer } from "@effect/vitest"
import { Clock, Effect, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { ApiKeys } from "../../src/auth/ApiKeys.ts"
import type { Authenticator } from "../../src/auth/Authenticator.ts"
import { databases, replica } from "./databases.ts"

type Replica = Authenticator["Service"]

const create = Effect.fnUntraced(function* (requestsPerMinute?: number) {
  const keys = yield* ApiKeys
  const { key, secret } = yield* keys.create({
    name: "a key",
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
  })
  return { id: key.id, token: Redacted.value(secret) }
})

const reason = ({ authenticate }: Replica, token: string) =>
  Effect.match(authenticate(token), { onSuccess: () => "valid", onFailure: (error) => error.reason })

/** Milliseconds until the replica says so; fails after five seconds. */
const untilItSays = Effect.fnUntraced(function* (expected: string, auth: Replica, token: string) {
  const started = yield* Clock.currentTimeMillis
  yield* Effect.repeat(reason(auth, token), {
    until: (said) => said === expected,
    schedule: Schedule.spaced("5 millis"),
  }).pipe(Effect.timeout("5 seconds"))
  return (yield* Clock.currentTimeMillis) - started
})

for (const { name, database, changes } of databases) {
  layer(ApiKeys.layer.pipe(Layer.provideMerge(database)), { excludeTestServices: true })(
    `key changes on two replicas, ${name}`,
    (it) => {
      it.effect("a revoked key is refused everywhere within a second", () =>
        Effect.gen(function* () {
          const [a, b] = [yield* replica(changes), yield* replica(changes)]
          const { id, token } = yield* create()
          const other = yield* create()
          for (const auth of [a, b]) {
            yield* auth.authenticate(token)
            yield* auth.authenticate(other.token)
          }
          // The announcements of both creations are over, so that these checks stay cached.
          yield* Effect.sleep("500 millis")
          for (const auth of [a, b]) yield* auth.authenticate(token)
          yield* (yield* ApiKeys).revoke(id)
          assert.isBelow(yield* untilItSays("invalid", a, token), 1_000)
          assert.isBelow(yield* untilItSays("invalid", b, token), 1_000)
          for (const auth of [a, b]) assert.strictEqual(yield* reason(auth, other.token), "valid")
        }),
      )

      it.effect("a rotation without grace refuses the old secret within a second", () =>
        Effect.gen(function* () {
          const auth = yield* replica(changes)
          const { id, token } = yield* create()
          yield* auth.authenticate(token)
          const { secret } = yield* (yield* ApiKeys).rotate(id, { graceMs: 0 })
          yield* auth.authenticate(Redacted.value(secret))
          assert.isBelow(yield* untilItSays("invalid", auth, token), 1_000)
        }),
      )

      it.effect("a rotation with grace accepts both secrets, and only the new one afterwards", () =>
        Effect.gen(function* () {
          const auth = yield* replica(changes)
          const { id, token } = yield* create()
          const { secret } = yield* (yield* ApiKeys).rotate(id, { graceMs: 700 })
          yield* auth.authenticate(token)
          yield* auth.authenticate(Redacted.value(secret))
          yield* untilItSays("invalid", auth, token)
          yield* auth.authenticate(Redacted.value(secret))
        }),
      )

      it.effect("an edited limit reaches the principal within a second", () =>
        Effect.gen(function* () {
          const auth = yield* replica(changes)
          const { id, token } = yield* create(5)
          assert.strictEqual((yield* auth.authenticate(token)).requestsPerMinute, 5)
          const sql = yield* SqlClient.SqlClient
          yield* sql`UPDATE api_keys SET requests_per_minute = 9 WHERE id = ${id}`
          yield* Effect.repeat(auth.authenticate(token), {
            until: ({ requestsPerMinute }) => requestsPerMinute === 9,
            schedule: Schedule.spaced("5 millis"),
          }).pipe(Effect.timeout("1 second"))
        }),
      )

      it.effect("a flood of changes is followed to its end", () =>
        Effect.gen(function* () {
          const auth = yield* replica(changes)
          const { id, token } = yield* create()
          yield* auth.authenticate(token)
          const sql = yield* SqlClient.SqlClient
          yield* sql`
            INSERT INTO api_keys (id, name, secret_hash)
            SELECT lpad(n::text, 12, '0'), 'bulk', 'x' FROM generate_series(1, 3000) n`
          yield* (yield* ApiKeys).revoke(id)
          assert.isBelow(yield* untilItSays("invalid", auth, token), 1_000)
        }),
      )
    },
  )
}
