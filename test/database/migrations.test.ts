import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Latch, Layer, Logger, Scope } from "effect"
import { Migrator, SqlClient, SqlError } from "effect/sql"
import { readRequests } from "../../src/analytics/read-requests.ts"
import { Database } from "../../src/database/Database.ts"
import { failureCode } from "../../src/database/failure-code.ts"
import {
  applyMigrations,
  migrate,
  migrateDatabase,
  migrateWhenAvailable,
  migrations,
} from "../../src/database/migrations.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { ledgerPartitions } from "../../src/ledger/tables/partitions.ts"
import { rollUp } from "../../src/ledger/tables/roll-up.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import { DAY, HOUR_MS, record } from "../ledger/records.ts"
import { freshPostgresUrl, migratedDataDir } from "../support/Databases.ts"

const DAY_MS = 24 * HOUR_MS

/** The one embedded database of these tests, which each empties: to start one takes a second. */
const scope = Scope.makeUnsafe()
const embedded = migratedDataDir.pipe(
  Effect.flatMap((dataDir) => Layer.build(Database.layerEmbedded(dataDir))),
  Effect.map(Context.get(Database)),
  Scope.provide(scope),
  Effect.cached,
  Effect.runSync,
)
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const kinds = {
  "a PostgreSQL server": Layer.unwrap(Effect.map(freshPostgresUrl, Database.layerServer)),
  "the embedded database": Layer.effectDiscard(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`DROP SCHEMA public CASCADE`
      yield* sql`CREATE SCHEMA public`
    }).pipe(Effect.provide(pool())),
  ).pipe(Layer.provideMerge(Layer.effect(Database, embedded))),
}

function pool(options: { readonly lockTimeoutMs?: number } = {}) {
  return Database.layerPool({
    ...options,
    applicationName: "test",
    maxConnections: 4,
    statementTimeoutMs: 30_000,
  })
}

const tables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ name: string }>`
    SELECT table_name::text AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`
  return rows.map(({ name }) => name)
})

/** The schema as a version of before left it. */
const migrateTo = (id: number) =>
  applyMigrations(
    Object.fromEntries(Object.entries(migrations).filter(([name]) => Number.parseInt(name, 10) <= id)),
  )

/** Where tables lie on disk: a rewritten table lies elsewhere. */
const files = (...names: ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.forEach(names, (name) => sql`SELECT pg_relation_filenode(${name}::regclass)::int AS file`),
  )

/** What migration 5 made before it was changed, without the indexes. */
const FIRST_CREATE_LEDGER_DAY = `
  CREATE OR REPLACE FUNCTION create_ledger_day(day date) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    suffix text := to_char(day, 'YYYYMMDD');
    starts timestamptz := day::timestamp AT TIME ZONE 'UTC';
    ends timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
  BEGIN
    LOCK TABLE requests IN SHARE UPDATE EXCLUSIVE MODE;
    IF EXISTS (
      SELECT FROM ledger_partitions WHERE starts >= coalesce(lower, '-infinity') AND starts < upper
    ) THEN
      RETURN;
    END IF;
    EXECUTE format('CREATE TABLE requests_%s (LIKE requests INCLUDING ALL, PRIMARY KEY (id))', suffix);
    EXECUTE format(
      'CREATE TABLE attempts_%s (LIKE attempts INCLUDING ALL, PRIMARY KEY (request_id, ordinal))', suffix
    );
    EXECUTE format(
      'ALTER TABLE requests ATTACH PARTITION requests_%s FOR VALUES FROM (%L) TO (%L)', suffix, starts, ends
    );
    EXECUTE format(
      'ALTER TABLE attempts ATTACH PARTITION attempts_%s FOR VALUES FROM (%L) TO (%L)', suffix, day, day + 1
    );
  END $$`

const countsPerMode = (table: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.unsafe(`SELECT stream, sum(requests)::int AS requests FROM ${table} GROUP BY 1 ORDER BY 1`),
  )

describe("the files in migrations/", () => {
  const folder = join(import.meta.dirname, "../../migrations")
  const read = (file: string) => readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n")
  const files = readdirSync(folder)
    .filter((file) => file.endsWith(".ts"))
    .toSorted()

  it("are registered under their names", () => {
    assert.deepStrictEqual(
      Object.keys(migrations),
      files.map((file) => file.replace(/\.ts$/, "")),
    )
  })

  it("are those that have shipped, to the letter", () => {
    const shipped = new Map(
      Array.from(read("checksums.txt").matchAll(/^(\w{64}) {2}(\S+)$/gm), ([, sum = "", file = ""]) => [
        file,
        sum,
      ]),
    )
    for (const file of new Set([...shipped.keys(), ...files])) {
      const sum = files.includes(file) ? createHash("sha256").update(read(file)).digest("hex") : "gone"
      assert.isTrue(shipped.has(file), `${file} is new: add "${sum}  ${file}" to migrations/checksums.txt`)
      assert.strictEqual(
        sum,
        shipped.get(file),
        `${file} has shipped: databases that have it will never see this change. Put it back as it was, and add a ` +
          "new migration that makes the difference",
      )
    }
  })
})

describe.each(Object.entries(kinds))("migrations on %s", (_, database) => {
  const fresh = Layer.fresh(database)

  it.live("make the schema once", () =>
    Effect.gen(function* () {
      const first = yield* migrate
      assert.deepStrictEqual(
        first.map(([id, name]) => `${String(id).padStart(4, "0")}_${name}`),
        Object.keys(migrations),
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
      const ids = Object.keys(migrations).map((name) => Number.parseInt(name, 10))
      assert.deepStrictEqual(applied.map((names) => names.length).sort(), [0, 0, 0, ids.length])
      const recorded = yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        return yield* sql`SELECT migration_id FROM effect_sql_migrations ORDER BY 1`
      }).pipe(Effect.provide(pool()))
      assert.deepStrictEqual(
        recorded,
        ids.map((id) => ({ migration_id: id })),
      )
    }).pipe(Effect.provide(fresh)),
  )

  it.live("keep the books of a database from before streams, and rewrite none of them", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* migrateTo(3)
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
      const before = yield* files("requests", "attempts", "usage_rollups", "latency_rollups")
      assert.deepStrictEqual((yield* migrate).slice(0, 2), [
        [4, "add_stream_accounting"],
        [5, "partition_ledger_by_day"],
      ])
      assert.deepStrictEqual(
        yield* files("requests_before", "attempts_before", "usage_recent", "latency_recent"),
        before,
      )
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
      assert.deepStrictEqual(yield* countsPerMode("usage_rollups"), perMode)
      assert.deepStrictEqual(yield* countsPerMode("latency_rollups"), perMode)
      yield* rollUp(sql)
      assert.deepStrictEqual(yield* countsPerMode("usage_rollups"), perMode)
      assert.deepStrictEqual(yield* countsPerMode("latency_rollups"), perMode)
    }).pipe(Effect.provide(pool().pipe(Layer.provide(fresh)))),
  )

  it.live("take the rows of a database from before days as they are, and go on beside them", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* migrateTo(4)
      const [{ today } = { today: 0 }] = yield* sql<{ today: number }>`
        SELECT (extract(epoch FROM date_trunc('day', now(), 'UTC')) * 1000)::float8 AS today`
      const at = (days: number) => record({ startedAt: today + days * DAY_MS })
      // The last ones by a clock that was ahead.
      const old = [at(-40), at(-1), at(0), at(0.9), at(3), at(5)]
      for (const { id, startedAt } of old) {
        yield* sql`
          INSERT INTO requests (
            id, started_at, latency_ms, key_id, endpoint, requested_model, status, stream, attempts
          ) VALUES (${id}, ${new Date(startedAt)}, 1, 'AdaAdaAdaAda', '/infer', 'auto', 200, false, 1)`
        yield* sql`
          INSERT INTO attempts (request_id, ordinal, provider, model, started_at, latency_ms, outcome)
          VALUES (${id}, 1, 'openai', 'gpt-5-mini', ${new Date(startedAt)}, 1, 'success')`
      }
      const before = yield* files("requests", "attempts", "requests_key_started")
      yield* migrate
      assert.deepStrictEqual(
        yield* files("requests_before", "attempts_before", "requests_before_key_started"),
        before,
      )
      const later = [at(-41), at(0), at(1), at(3)]
      for (const batch of [old, later, [...old, ...later]]) yield* writeBatch(sql, batch.map(ledgerEntry))
      const held = yield* sql<{ id: string }>`SELECT id FROM requests`
      assert.sameMembers(
        held.map(({ id }) => id),
        [...old, ...later].map(({ id }): string => id),
      )
      const attempted = yield* sql<{ id: string }>`SELECT request_id AS id FROM attempts`
      assert.sameMembers(
        attempted.map(({ id }) => id),
        [...old, ...later].map(({ id }): string => id),
      )
      assert.deepStrictEqual(yield* countsPerMode("usage_rollups"), [{ stream: false, requests: 4 }])
      const partitions = yield* ledgerPartitions(sql)
      assert.deepStrictEqual(
        partitions.map(({ fromMs, toMs }) => [fromMs, toMs]),
        [
          [null, today + DAY_MS],
          [today + DAY_MS, today + 2 * DAY_MS],
          [today + 3 * DAY_MS, today + 4 * DAY_MS],
          [today + 5 * DAY_MS, today + 6 * DAY_MS],
        ],
      )
      // Nothing is known of what occurred before, so it is searched whole.
      const place = { range: { fromMs: 0, toMs: today + 9 * DAY_MS }, after: undefined, limit: 100 }
      const listed = yield* readRequests(sql, place, {
        keyId: "AdaAdaAdaAda",
        endpoint: "/infer",
        stream: false,
      })
      assert.sameMembers(
        listed.rows.map(({ request_id }) => request_id),
        [...old, ...later].map(({ id }): string => id),
      )
      // Each with its attempts.
      for (const partition of partitions) {
        assert.deepStrictEqual(
          yield* sql`
            SELECT id FROM ${sql(partition.requests)}
            EXCEPT SELECT request_id FROM ${sql(partition.attempts)}`,
          [],
        )
      }
    }).pipe(Effect.provide(pool().pipe(Layer.provide(fresh)))),
  )

  it.live.each([4, 5])("repair a database that had migration %s before it was changed", (at) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* migrateTo(at)
      yield* sql`ALTER TABLE attempts DROP COLUMN cached_tokens`
      if (at === 4) yield* migrateTo(5)
      yield* sql.unsafe(FIRST_CREATE_LEDGER_DAY)
      const startedAt = DAY + DAY_MS
      const first = [record({ startedAt })].map(ledgerEntry)
      assert.strictEqual(failureCode(yield* Effect.flip(writeBatch(sql, first))), "42703")
      assert.deepStrictEqual(yield* migrateTo(6), [[6, "repair_changed_migrations"]])
      yield* migrate
      yield* writeBatch(sql, first)
      const [partition] = yield* sql<{ attempts: string }>`
        SELECT attempts FROM ledger_partitions WHERE lower = ${new Date(startedAt)}`
      yield* sql`DROP TABLE ${sql(partition?.attempts ?? "")}`
      yield* writeBatch(sql, [record({ startedAt })].map(ledgerEntry))
      assert.deepStrictEqual(yield* sql`SELECT cached_tokens::int FROM attempts`, [{ cached_tokens: 20 }])
    }).pipe(Effect.provide(pool().pipe(Layer.provide(fresh)))),
  )

  it.live("wait for no reader of a ledger that lacks nothing", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* migrateTo(5)
      const held = yield* migrateTo(6).pipe(
        Effect.andThen(sql<{ relation: string }>`
          SELECT relation::regclass::text AS relation FROM pg_locks
          WHERE pid = pg_backend_pid() AND mode = 'AccessExclusiveLock' AND relation IS NOT NULL`),
        sql.withTransaction,
      )
      assert.notInclude(
        held.map(({ relation }) => relation),
        "attempts",
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
      assert.lengthOf(yield* migrate, Object.keys(migrations).length)
    }).pipe(Effect.provide(pool().pipe(Layer.provide(fresh)))),
  )
})

describe("a migration of a table that somebody reads for long", () => {
  const table = Layer.unwrap(Effect.map(freshPostgresUrl, Database.layerServer))

  it.live("gives up in time, so that nobody waits behind it, and is made later", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE thing (id int)`
      const change = applyMigrations({
        "0001_add_name": Effect.asVoid(sql`ALTER TABLE thing ADD COLUMN name text`),
      })
      const reading = yield* Latch.make(false)
      const isOver = yield* Latch.make(false)
      const reader = yield* Effect.forkChild(
        sql`TABLE thing`.pipe(
          Effect.andThen(reading.open),
          Effect.andThen(isOver.await),
          sql.withTransaction,
        ),
      )
      yield* reading.await
      const error = yield* Effect.flip(change)
      assert.instanceOf(error, Migrator.MigrationError)
      assert(SqlError.isSqlError(error.cause))
      assert.strictEqual(failureCode(error.cause), "55P03")
      yield* isOver.open
      yield* Fiber.join(reader)
      assert.deepStrictEqual(yield* change, [[1, "add_name"]])
    }).pipe(Effect.provide(pool({ lockTimeoutMs: 2_000 }).pipe(Layer.provide(table)))),
  )
})

describe("migrations while others use the database", () => {
  const database = Layer.unwrap(Effect.map(freshPostgresUrl, Database.layerServer))
  const layerDatabase = () => pool().pipe(Layer.provideMerge(Layer.fresh(database)))
  const patient = [
    { who: "a gateway that starts", migrating: migrateWhenAvailable },
    { who: "a command", migrating: migrateDatabase },
  ]
  const SINCE_20 = Object.keys(migrations).filter((name) => Number.parseInt(name, 10) > 20).length

  /** Runs while another session reads the list of migrations, as a backup does. */
  const whileRead = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    SqlClient.SqlClient.use((sql) =>
      sql.withTransaction(Effect.andThen(sql`TABLE effect_sql_migrations`, effect)),
    )

  it.live("wait for no backup where nothing is missing", () =>
    Effect.gen(function* () {
      yield* migrate
      assert.deepStrictEqual(yield* whileRead(migrateDatabase), [])
    }).pipe(Effect.provide(layerDatabase())),
  )

  it.live.each(patient)("wait for a backup and say so for $who", ({ migrating }) =>
    Effect.gen(function* () {
      yield* migrateTo(20)
      const told = yield* Latch.make(false)
      const logger = Logger.make(({ message }) => {
        if (String(message).startsWith("Migrations wait: a lock was not to be had in time")) told.openUnsafe()
      })
      const migrated = migrating.pipe(Effect.provide(Logger.layer([logger])))
      const waiting = yield* whileRead(Effect.tap(Effect.forkChild(migrated), told.await))
      assert.lengthOf(yield* Fiber.join(waiting), SINCE_20)
    }).pipe(Effect.provide(layerDatabase())),
  )

  it.live.each(patient)("are made again after a deadlock for $who", ({ migrating }) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* migrateTo(20)
      // Sequences know no rollback: it is the first change alone.
      yield* sql`CREATE SEQUENCE changes`
      yield* sql`
        CREATE FUNCTION fail_once() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF nextval('changes') = 1 THEN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END IF;
        END $$`
      yield* sql`CREATE EVENT TRIGGER deadlock ON ddl_command_start EXECUTE FUNCTION fail_once()`
      assert.lengthOf(yield* migrating, SINCE_20)
    }).pipe(Effect.provide(layerDatabase())),
  )
})
