import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { checkKeys } from "../../src/auth/checks.ts"
import { layerPostgres } from "../support/Databases.ts"

describe("the check of API keys", () => {
  layer(layerPostgres)((it) => {
    it.effect("finds a new database right", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* checkKeys).status, "ok")
      }),
    )

    it.effect("misses the trigger that revokes keys, gone or off", () =>
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
  })
})
