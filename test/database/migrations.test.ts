import { readdir } from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import { Database } from "../../src/database/Database.ts"
import { applyMigrations, migrate, migrations } from "../../src/database/migrations.ts"
import { freshPostgresUrl, migratedDataDir } from "../support/Databases.ts"

const kinds = {
  "a PostgreSQL server": Layer.unwrap(Effect.map(freshPostgresUrl, Database.layerServer)),
  "the embedded database": Layer.effectDiscard(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`DROP SCHEMA public CASCADE`
      yield* sql`CREATE SCHEMA public`
    }).pipe(Effect.provide(pool())),
  ).pipe(Layer.provideMerge(Layer.unwrap(Effect.map(migratedDataDir, Database.layerEmbedded)))),
}

function pool() {
  return Database.layerPool({ applicationName: "test", maxConnections: 4, statementTimeoutMs: 30_000 })
}

const tables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ name: string }>`
    SELECT table_name::text AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`
  return rows.map(({ name }) => name)
})

it("every file in migrations/ is registered under its name", async () => {
  const files = await readdir(new URL("../../migrations", import.meta.url))
  assert.deepStrictEqual(
    Object.keys(migrations),
    files.sort().map((file) => file.replace(/\.ts$/, "")),
  )
})

describe.each(Object.entries(kinds))("migrations on %s", (_, database) => {
  const fresh = Layer.fresh(database)

  it.live("make the schema once", () =>
    Effect.gen(function* () {
      const first = yield* migrate
      assert.deepStrictEqual(
        first.map(([, name]) => name),
        ["create_api_keys", "create_ledger", "create_idempotency_claims"],
      )
      const made = yield* tables
      assert.includeMembers(made, ["api_keys", "requests", "attempts", "usage_rollups", "idempotency_claims"])
      assert.deepStrictEqual(yield* migrate, [])
      assert.deepStrictEqual(yield* tables, made)
    }).pipe(Effect.provide(pool().pipe(Layer.provide(fresh)))),
  )

  it.live("run once between migrators that start together", () =>
    Effect.gen(function* () {
      const migrators = Array.from({ length: 4 }, () => migrate.pipe(Effect.provide(pool(), { local: true })))
      const applied = yield* Effect.all(migrators, { concurrency: "unbounded" })
      assert.deepStrictEqual(applied.map((names) => names.length).sort(), [0, 0, 0, 3])
      const recorded = yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        return yield* sql`SELECT migration_id FROM effect_sql_migrations ORDER BY 1`
      }).pipe(Effect.provide(pool()))
      assert.deepStrictEqual(recorded, [{ migration_id: 1 }, { migration_id: 2 }, { migration_id: 3 }])
    }).pipe(Effect.provide(fresh)),
  )

  it.live("name the one that failed and change nothing", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const error = yield* Effect.flip(
        applyMigrations({
          "0001_create_thing": Effect.asVoid(sql`CREATE TABLE thing (id int)`),
          "0002_break_thing": Effect.asVoid(sql`ALTER TABLE thing ADD COLUMN id int`),
        }),
      )
      assert.instanceOf(error, Migrator.MigrationError)
      assert.include(error.message, "2_break_thing")
      assert.notInclude(yield* tables, "thing")
      assert.lengthOf(yield* migrate, 3)
    }).pipe(Effect.provide(pool().pipe(Layer.provide(fresh)))),
  )
})
