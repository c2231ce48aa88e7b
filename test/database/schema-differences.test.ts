import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { neededParts, readParts, schemaDifferences } from "../../src/database/schema-differences.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"

const damages: ReadonlyArray<readonly [statement: string, ...found: ReadonlyArray<string>]> = [
  ["ALTER TABLE attempts DROP COLUMN cached_tokens", "attempts.cached_tokens is missing"],
  [
    "ALTER TABLE requests ALTER COLUMN latency_ms TYPE bigint",
    "requests.latency_ms is bigint instead of integer",
  ],
  ["DROP TABLE usage_recent CASCADE", "usage_recent is missing", "usage_rollups is missing"],
  ["DROP TABLE usage_6h", "usage_6h is missing"],
  ["DROP TABLE api_keys CASCADE", "api_keys is missing"],
  ["ALTER TABLE usage_recent DROP CONSTRAINT usage_recent_pkey", "primary key of usage_recent is missing"],
  [
    `ALTER TABLE request_kinds DROP CONSTRAINT request_kinds_pkey, ADD PRIMARY KEY (day, key_id)`,
    "primary key of request_kinds is day, key_id instead of day, key_id, endpoint, provider, model, stream, team",
  ],
  ["DROP FUNCTION create_ledger_day", "function create_ledger_day(date) is missing"],
  [
    "ALTER TABLE api_keys DISABLE TRIGGER api_keys_announce",
    "trigger api_keys_announce on api_keys is missing",
  ],
  ["ALTER TABLE requests ADD COLUMN more text"],
  ["CREATE TABLE more (id integer)"],
]

describe.each([
  { name: "PostgreSQL", database: layerPostgres },
  { name: "the embedded database", database: layerEmbedded },
])("the schema in $name", ({ database }) => {
  layer(database)((it) => {
    it.effect("that the migrations make is the needed one, to the last column", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* schemaDifferences, [])
        const sql = yield* SqlClient.SqlClient
        const tables = yield* sql<{ name: string }>`
          SELECT relname::text AS name FROM pg_class
          WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v')`
        const made = yield* readParts(tables.map(({ name }) => name))
        assert.deepStrictEqual(
          Object.fromEntries(made),
          Object.fromEntries(neededParts),
          "after a new migration: src/database/needed-schema.ts",
        )
      }),
    )

    it.effect.each(damages)("after %s is told apart", ([statement, ...found]) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const differences = yield* sql.unsafe(statement).pipe(
          Effect.andThen(schemaDifferences),
          Effect.flatMap((differences) => Effect.fail({ differences })),
          sql.withTransaction,
          Effect.catch((end) => ("differences" in end ? Effect.succeed(end.differences) : Effect.die(end))),
        )
        assert.deepStrictEqual(differences, found)
        assert.deepStrictEqual(yield* schemaDifferences, [])
      }),
    )
  })
})
