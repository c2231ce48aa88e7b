import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { TestClock } from "effect/testing"
import { SchemaHealth } from "../../src/database/SchemaHealth.ts"
import { eventually } from "../ledger/eventually.ts"
import { logged } from "../ledger/logged.ts"
import { layerPostgres } from "../support/Databases.ts"

const unanswered = new SqlError.SqlError({
  reason: new SqlError.ConnectionError({ message: "no answer", cause: new Error("no answer") }),
})

layer(layerPostgres)("the health of the schema", (it) => {
  it.effect("is looked at every minute, and told when it changes", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { lines } = yield* logged(
        Effect.gen(function* () {
          const health = Context.get(yield* Layer.build(Layer.fresh(SchemaHealth.layer)), SchemaHealth)
          yield* health.look
          assert.isUndefined(health.fault())
          yield* sql`ALTER TABLE attempts DROP COLUMN cached_tokens`
          yield* Effect.forkScoped(health.watch)
          yield* TestClock.adjust("1 minute")
          yield* eventually(Effect.sync(() => health.fault() === "attempts.cached_tokens is missing"))
          yield* health.look
          yield* sql`ALTER TABLE attempts ADD COLUMN cached_tokens bigint`
          yield* TestClock.adjust("1 minute")
          yield* eventually(Effect.sync(() => health.fault() === undefined))
        }),
      )
      assert.deepStrictEqual(lines, [
        '["The database is not as this version needs it: attempts.cached_tokens is missing"]',
        '["The database\'s schema is whole again"]',
      ])
    }),
  )

  it.effect("names a few of many differences, and takes no answer for none", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      let down = false
      const failing = new Proxy(sql, {
        apply: (target, self, args) => (down ? Effect.fail(unanswered) : Reflect.apply(target, self, args)),
      })
      const health = yield* Layer.build(Layer.fresh(SchemaHealth.layer)).pipe(
        Effect.map(Context.get(SchemaHealth)),
        Effect.provideService(SqlClient.SqlClient, failing),
      )
      yield* sql`DROP TABLE usage, key_usage, model_usage CASCADE`
      const { lines } = yield* logged(
        Effect.gen(function* () {
          yield* health.look
          down = true
          yield* health.look
        }),
      )
      assert.lengthOf(lines, 1)
      assert.match(health.fault() ?? "", /^usage is missing, usage_1h is missing, .* and \d+ more$/)
    }),
  )
})
