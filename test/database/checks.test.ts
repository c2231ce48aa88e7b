import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { checkClock, checkSchema, checkServer, clockFinding } from "../../src/database/checks.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"

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
      }),
    )

    it.effect("tell a clock that is elsewhere: here the tests', which stands at 1970", () =>
      Effect.gen(function* () {
        const { finding, databaseMs } = yield* checkClock
        assert.strictEqual(finding.status, "fail")
        assert.isAbove(databaseMs, Date.UTC(2026, 0))
      }),
    )

    it.effect("name the migrations that are missing", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`DELETE FROM effect_sql_migrations WHERE migration_id = 3`
        const { finding } = yield* checkSchema
        assert.deepInclude(finding, { status: "fail", examples: ["0003_create_idempotency_claims"] })
        yield* sql`DROP TABLE effect_sql_migrations`
        assert.isAbove((yield* checkSchema).finding.numbers.pending ?? 0, 3)
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
