import { readdir } from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import { Database } from "../../src/database/Database.ts"
import { applyMigrations, migrate, migrations } from "../../src/database/migrations.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import { DAY, record } from "../ledger/records.ts"
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

/** Where each ledger table lies on disk: a rewritten table lies elsewhere. */
const ledgerFiles = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql`
    SELECT relname::text AS name, pg_relation_filenode(oid)::int AS file FROM pg_class
    WHERE relname IN ('requests', 'attempts', 'usage_rollups', 'latency_rollups') ORDER BY 1`
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
        ["create_api_keys", "create_ledger", "create_idempotency_claims", "add_stream_accounting"],
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
      assert.deepStrictEqual(applied.map((names) => names.length).sort(), [0, 0, 0, 4])
      const recorded = yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        return yield* sql`SELECT migration_id FROM effect_sql_migrations ORDER BY 1`
      }).pipe(Effect.provide(pool()))
      assert.deepStrictEqual(
        recorded,
        [1, 2, 3, 4].map((id) => ({ migration_id: id })),
      )
    }).pipe(Effect.provide(fresh)),
  )

  it.live("keep the books of a database from before streams, and rewrite none of them", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { "0004_add_stream_accounting": _, ...before } = migrations
      yield* applyMigrations(before)
      const old = record()
      const hour = new Date(DAY)
      yield* sql`
        INSERT INTO requests (
          id, started_at, latency_ms, key_id, endpoint, requested_model, provider, model, status, stream, attempts
        ) VALUES (${old.id}, ${hour}, 812, ${old.keyId}, '/infer', 'auto', 'openai', 'gpt-5-mini', 200, false, 1)`
      yield* sql`
        INSERT INTO attempts (request_id, ordinal, provider, model, started_at, latency_ms, outcome)
        VALUES (${old.id}, 1, 'openai', 'gpt-5-mini', ${hour}, 812, 'success')`
      yield* sql`
        INSERT INTO usage_rollups VALUES
          (${hour}, ${old.keyId}, 'openai', 'gpt-5-mini', 10, 0, 1200, 550, 0, 0, 1400000, 0, 8120)`
      yield* sql`
        INSERT INTO latency_rollups VALUES (${hour}, ${old.keyId}, 'openai', 'gpt-5-mini', 194, 10)`
      const files = yield* ledgerFiles
      assert.deepStrictEqual(yield* migrate, [[4, "add_stream_accounting"]])
      assert.deepStrictEqual(yield* ledgerFiles, files)
      yield* writeBatch(sql, [record(), record({ stream: true }), record({ stream: true })].map(ledgerEntry))
      assert.deepStrictEqual(
        yield* sql`SELECT first_token_ms, usage_estimated FROM requests WHERE id = ${old.id}`,
        [{ first_token_ms: null, usage_estimated: false }],
      )
      assert.deepStrictEqual(yield* sql`SELECT usage_estimated FROM attempts WHERE request_id = ${old.id}`, [
        { usage_estimated: false },
      ])
      const perMode = [
        { stream: false, requests: 11 },
        { stream: true, requests: 2 },
      ]
      assert.deepStrictEqual(
        yield* sql`SELECT stream, requests::int AS requests FROM usage_rollups ORDER BY stream`,
        perMode,
      )
      assert.deepStrictEqual(
        yield* sql`SELECT stream, requests::int AS requests FROM latency_rollups ORDER BY stream`,
        perMode,
      )
    }).pipe(Effect.provide(pool().pipe(Layer.provide(fresh)))),
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
      assert.lengthOf(yield* migrate, 4)
    }).pipe(Effect.provide(pool().pipe(Layer.provide(fresh)))),
  )
})
