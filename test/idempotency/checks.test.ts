import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { checkClaims } from "../../src/idempotency/checks.ts"
import { layerPostgres } from "../support/Databases.ts"

const claim = (hash: string, lease: string, expiry: string, status: number | null) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      INSERT INTO idempotency_claims (key_id, key_hash, fingerprint, owner, lease_until, expires_at, response_status)
      VALUES (
        'AdaAdaAdaAda', ${hash}::bytea, '', gen_random_uuid(), now() + ${lease}::interval, now() + ${expiry}::interval,
        ${status}
      )`,
  )

describe("the check of claims", () => {
  layer(layerPostgres)((it) => {
    it.effect("finds a new database right", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* checkClaims).status, "ok")
      }),
    )

    it.effect(
      "tells claims that nobody cleaned up from those whose owner is gone and those that are fine",
      () =>
        Effect.gen(function* () {
          yield* claim("fine", "-1 hour", "1 hour", 200)
          yield* claim("running", "10 seconds", "1 hour", null)
          yield* claim("late", "-1 hour", "-10 minutes", 200)
          assert.strictEqual((yield* checkClaims).status, "ok")
          yield* claim("expired", "-1 hour", "-20 minutes", 200)
          yield* claim("abandoned", "-2 minutes", "1 hour", null)
          const found = yield* checkClaims
          assert.strictEqual(found.status, "warn")
          assert.deepStrictEqual(found.numbers, { claims: 5, expired: 1, abandoned: 1 })
        }),
    )
  })
})
