import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import {
  checkClaims,
  checkClock,
  checkKeys,
  checkSchema,
  checkServer,
  clockFinding,
} from "../../src/doctor/check-database.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"

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

describe.each([
  { name: "PostgreSQL", database: layerPostgres, kind: "server" as const },
  { name: "the embedded database", database: layerEmbedded, kind: "embedded" as const },
])("the checks of $name", ({ database, kind }) => {
  layer(database)((it) => {
    it.effect("find a new database right", () =>
      Effect.gen(function* () {
        assert.match((yield* checkServer(kind)).summary, /answers, PostgreSQL \d+/)
        assert.strictEqual((yield* checkServer(kind)).status, "ok")
        assert.strictEqual((yield* checkSchema).finding.status, "ok")
        assert.strictEqual((yield* checkKeys).status, "ok")
        assert.strictEqual((yield* checkClaims).status, "ok")
      }),
    )

    it.effect("tell a clock that is elsewhere: here the tests', which stands at 1970", () =>
      Effect.gen(function* () {
        const { finding, databaseMs } = yield* checkClock
        assert.strictEqual(finding.status, "fail")
        assert.isAbove(databaseMs, Date.UTC(2026, 0))
      }),
    )

    it.effect(
      "tell claims that nobody cleaned up from those whose owner is gone and those that are fine",
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

    it.effect("miss the trigger that revokes keys, gone or off", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`ALTER TABLE api_keys DISABLE TRIGGER api_keys_announce`
        assert.strictEqual((yield* checkKeys).status, "fail")
        yield* sql`ALTER TABLE api_keys ENABLE TRIGGER api_keys_announce`
        assert.strictEqual((yield* checkKeys).status, "ok")
        yield* sql`DROP TRIGGER api_keys_announce ON api_keys`
        assert.strictEqual((yield* checkKeys).status, "fail")
      }),
    )

    it.effect("name the migrations that are missing, and count those of a newer version", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`INSERT INTO effect_sql_migrations (migration_id, name) VALUES (9999, 'from_the_future')`
        assert.deepInclude((yield* checkSchema).finding, { status: "warn" })
        yield* sql`DELETE FROM effect_sql_migrations WHERE migration_id IN (9999, 3)`
        const { finding } = yield* checkSchema
        assert.deepInclude(finding, { status: "fail", examples: ["0003_create_idempotency_claims"] })
        yield* sql`DROP TABLE effect_sql_migrations`
        assert.isAbove((yield* checkSchema).state.pending.length, 3)
      }),
    )

    it.effect("refuse a server that takes no writes", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const finding = yield* sql`SET LOCAL default_transaction_read_only = on`.pipe(
          Effect.andThen(checkServer(kind)),
          sql.withTransaction,
        )
        assert.deepInclude(finding, { status: "fail" })
      }),
    )
  })
})

describe("the distance of two clocks", () => {
  it("is judged without what the answer took to come", () => {
    assert.strictEqual(clockFinding(1_500, 1_500).status, "ok")
    assert.strictEqual(clockFinding(-3_000, 3_000).status, "warn")
    assert.strictEqual(clockFinding(3_000, 1_000).status, "ok")
    assert.strictEqual(clockFinding(61_000, 60_500).status, "fail")
    assert.match(clockFinding(-3_000, 3_000).summary, /3,000 ms behind/)
  })
})
