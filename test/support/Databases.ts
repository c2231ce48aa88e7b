import { randomUUID } from "node:crypto"
import { cp, mkdir, mkdtemp, rename, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { Clock, Effect, Layer, Redacted, Schedule, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { inject } from "vitest"
import { Database } from "../../src/database/Database.ts"
import { migrateDatabase } from "../../src/database/migrations.ts"

/** Databases for tests. Each build of a layer is a new database of its own; nothing is shared between test files. */

const adminUrl = Redacted.make(inject("postgresAdminUrl"))
const template = inject("postgresTemplate")

const databaseUrl = (database: string) => {
  const url = new URL(Redacted.value(adminUrl))
  url.pathname = `/${database}`
  return Redacted.make(url.href)
}

const asAdmin = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>): Effect.Effect<A> =>
  effect.pipe(
    Effect.provide(PgClient.layer({ url: adminUrl, prepare: false }), { local: true }),
    liveClock,
    Effect.orDie,
  )

/** Of the test file that runs. */
const created: Array<string> = []

const createDatabase = (source: string) =>
  asAdmin(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const database = `${template}_${randomUUID().slice(0, 13)}`
      yield* sql`CREATE DATABASE ${sql(database)} TEMPLATE ${sql(source)}`
      created.push(database)
      return databaseUrl(database)
    }),
  )

/** Drops the databases of the test file that ends: all together they would be several GB, which a slow disk would be busy with. */
export const dropCreated: Effect.Effect<void> = Effect.suspend(() => {
  const names = created.splice(0)
  if (names.length === 0) return Effect.void
  return asAdmin(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      for (const name of names) yield* sql`DROP DATABASE IF EXISTS ${sql(name)} WITH (FORCE)`
    }),
  )
})

/** A new database of the run's server without any table, for tests that start processes or migrate themselves. */
export const freshPostgresUrl: Effect.Effect<Redacted.Redacted> = Effect.suspend(() =>
  createDatabase("template0"),
)

/** A new migrated database of the run's server. */
export const migratedPostgresUrl: Effect.Effect<Redacted.Redacted> = Effect.suspend(() =>
  createDatabase(template),
)

/**
 * The client's timers (connect timeout, idle connections) always follow the live clock, so that `TestClock.adjust`
 * does not time out a connection attempt that is really under way.
 */
function liveClock<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
  return Effect.provideService(effect, Clock.Clock, Clock.Clock.defaultValue())
}

function withPool<E>(
  database: Layer.Layer<Database, E>,
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient | Database> {
  return Database.layerPool({ applicationName: "test", maxConnections: 8, statementTimeoutMs: 30_000 }).pipe(
    Layer.provideMerge(database),
    Layer.provide(Layer.succeed(Clock.Clock, Clock.Clock.defaultValue())),
    Layer.orDie,
  )
}

/** Real PostgreSQL, migrated, empty. */
export const layerPostgres = Layer.unwrap(Effect.map(migratedPostgresUrl, Database.layerServer)).pipe(
  withPool,
)

/** A new DATA_DIR, removed when the scope closes. */
export const temporaryDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "gateway-data-"))),
  (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true })),
)

/**
 * Creating an embedded database takes seconds, copying one moments. The first test of the run that needs one makes
 * the template; the others wait for the rename.
 */
const copyTemplate = (target: string) =>
  Effect.gen(function* () {
    const directory = inject("embeddedTemplateDir")
    const ready = join(directory, "ready")
    const building = join(directory, "building")
    const mine = yield* Effect.promise(() =>
      mkdir(building).then(
        () => true,
        () => false,
      ),
    )
    if (mine) {
      yield* migrateDatabase.pipe(Effect.provide(Database.layerEmbedded(building), { local: true }))
      yield* Effect.promise(() => rename(join(building, "postgres"), ready))
    }
    yield* Effect.tryPromise(() => cp(ready, target, { recursive: true })).pipe(
      Effect.retry({ schedule: Schedule.spaced("100 millis"), times: 300 }),
    )
  }).pipe(liveClock)

/** A new DATA_DIR whose embedded database is migrated and empty, and not running. */
export const migratedDataDir = Effect.tap(temporaryDirectory, (dataDir) =>
  copyTemplate(join(dataDir, "postgres")),
)

/** The embedded database, migrated, empty. */
export const layerEmbedded = Layer.unwrap(Effect.map(migratedDataDir, Database.layerEmbedded)).pipe(withPool)
