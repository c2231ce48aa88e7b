import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { runCli } from "../cli/run-cli.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET } from "../support/GatewayClient.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { eventually, metric } from "../support/process-watch.ts"

const UNWRITABLE = 'gateway_ledger_unwritable{part="database"}'

/** Gateways that find another schema than theirs. */

const onDatabase = <A, E>(
  url: Redacted.Redacted,
  statement: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>,
) =>
  SqlClient.SqlClient.use(statement).pipe(
    Effect.provide(PgClient.layer({ url, maxConnections: 1 }), { local: true }),
  )

const start = (databaseUrl: Redacted.Redacted) =>
  Effect.acquireRelease(
    Effect.tryPromise({ try: () => GatewayInProcess.start({ databaseUrl }), catch: String }),
    (gateway) => Effect.promise(() => gateway.stop()),
  )

describe("a database that a newer version has migrated", () => {
  it.live("serves gateways that start, records and commands when it only got more", () =>
    Effect.gen(function* () {
      const url = yield* migratedPostgresUrl
      yield* onDatabase(url, (sql) =>
        Effect.all([
          sql`INSERT INTO effect_sql_migrations (migration_id, name) VALUES (9999, 'add_something')`,
          sql`CREATE TABLE something (id int)`,
          sql`ALTER TABLE requests ADD COLUMN something text NOT NULL DEFAULT ''`,
          sql`ALTER TABLE usage_recent ADD COLUMN something bigint NOT NULL DEFAULT 0`,
        ]),
      )
      const gateway = yield* start(url)
      assert.lengthOf(
        gateway.stderr.match(/has the schema of a newer version, which takes this one/g) ?? [],
        1,
      )
      const ready = yield* Effect.promise(async () => (await fetch(`${gateway.url}/readyz`)).json())
      assert.deepStrictEqual(ready, { status: "ready", reasons: [] })
      const env = { DATABASE_URL: Redacted.value(url), ADMIN_JWT_SECRET }
      const created = yield* runCli(["keys", "create", "--name", "ada", "--json"], env, "/")
      assert.strictEqual(created.code, 0, created.stderr)
      const { key } = JSON.parse(created.stdout) as { key: string }
      const answer = yield* Effect.promise(() => gateway.infer(key, { prompt: "Hi" }))
      assert.strictEqual(answer.status, 200)
      assert.lengthOf(yield* Effect.promise(() => gateway.ledger(1)), 1)
    }).pipe(Effect.scoped),
  )

  it.live("is left to running gateways, and refused to those that start and to commands that write", () =>
    Effect.gen(function* () {
      const url = yield* migratedPostgresUrl
      const running = yield* start(url)
      const { key } = yield* Effect.promise(() => running.createKey())
      yield* onDatabase(url, (sql) =>
        Effect.andThen(
          sql`INSERT INTO effect_sql_migrations (migration_id, name) VALUES (9999, 'from_the_future')`,
          sql`UPDATE oldest_gateway SET schema = 9999`,
        ),
      )
      const refusal =
        /migrations that this gateway \(\S+\) does not know: 9999_from_the_future\. Its schema is at 9999/
      assert.match(yield* Effect.flip(start(url)), refusal)
      const env = { DATABASE_URL: Redacted.value(url), ADMIN_JWT_SECRET }
      for (const args of [
        ["migrate"],
        ["keys", "create", "--name", "ada"],
        ["costs", "recompute", "--from", "2026-01-01", "--to", "2026-01-02"],
      ]) {
        const { code, stderr } = yield* runCli(args, env, "/")
        assert.strictEqual(code, 1)
        assert.match(stderr, refusal)
        assert.strictEqual(stderr.trim().split("\n").length, 1, stderr)
      }
      const answer = yield* Effect.promise(() => running.infer(key, { prompt: "Hi" }))
      assert.strictEqual(answer.status, 200)
      assert.lengthOf(yield* Effect.promise(() => running.ledger(1)), 1)
      const ready = yield* Effect.promise(async () => (await fetch(`${running.url}/readyz`)).json())
      assert.deepStrictEqual(ready, { status: "ready", reasons: [] })
    }).pipe(Effect.scoped),
  )
})

describe("a database that lacks a column although every migration is there", () => {
  it.live("is told by the log, by /readyz and by doctor, in a line that names it", () =>
    Effect.gen(function* () {
      const url = yield* migratedPostgresUrl
      yield* onDatabase(url, (sql) => sql`ALTER TABLE attempts DROP COLUMN cached_tokens`)
      const gateway = yield* start(url)
      const reason = "attempts.cached_tokens is missing"
      const ready = yield* Effect.promise(async () => {
        const response = await fetch(`${gateway.url}/readyz`)
        return { status: response.status, body: await response.json() }
      })
      assert.deepStrictEqual(ready, {
        status: 200,
        body: { status: "degraded", reasons: [`database schema: ${reason}`] },
      })
      assert.lengthOf(
        gateway.stderr.split("\n").filter((line) => line.includes(`as this version needs it: ${reason}`)),
        1,
      )
      const env = { DATABASE_URL: Redacted.value(url), ADMIN_JWT_SECRET }
      const doctor = yield* runCli(["doctor"], env, "/")
      assert.strictEqual(doctor.code, 1)
      assert.match(
        doctor.stdout,
        /^fail {4}schema {10}not as this version needs it, .*\n +- attempts\.cached_tokens is missing$/m,
      )
    }).pipe(Effect.scoped),
  )
})

describe("a ledger that cannot write", () => {
  it.live("is told by the log, a metric and /readyz with the reason, and mended without a restart", () =>
    Effect.gen(function* () {
      const url = yield* migratedPostgresUrl
      const gateway = yield* start(url)
      const { key } = yield* Effect.promise(() => gateway.createKey())
      const ready = async () => (await fetch(`${gateway.url}/readyz`)).json()
      // As on a full disk, of which the schema says nothing.
      yield* onDatabase(url, (sql) =>
        Effect.andThen(
          sql`
            CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 's3cret' USING ERRCODE = '53100'; END $$`,
          sql`CREATE TRIGGER fill BEFORE INSERT ON usage_recent EXECUTE FUNCTION fill()`,
        ),
      )
      const reason = "the database's disk is full (SQLSTATE 53100)"
      yield* Effect.promise(async () => {
        assert.strictEqual((await gateway.infer(key, { prompt: "Hi" })).status, 200)
        assert.deepStrictEqual(await ready(), { status: "ready", reasons: [] })
        await eventually(async () => (await metric(gateway.url, UNWRITABLE)) === 1, 15_000, 200)
        assert.deepStrictEqual(await ready(), {
          status: "degraded",
          reasons: [`ledger cannot write to the database: ${reason}`],
        })
        await eventually(() => gateway.stderr.includes(`the ledger cannot write to the database: ${reason}`))
      })
      yield* onDatabase(url, (sql) => sql`DROP TRIGGER fill ON usage_recent`)
      yield* Effect.promise(async () => {
        await eventually(async () => (await metric(gateway.url, UNWRITABLE)) === 0, 10_000, 200)
        assert.deepStrictEqual(await ready(), { status: "ready", reasons: [] })
      })
      assert.lengthOf(yield* Effect.promise(() => gateway.ledger(1)), 1)
      assert.notInclude(gateway.stderr, "s3cret")
    }).pipe(Effect.scoped),
  )
})
