import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber, Latch, Logger } from "effect"
import { SqlClient } from "effect/sql"
import { version } from "../../src/config/version.ts"
import { checkSchema } from "../../src/database/checks.ts"
import { hasSchema, migrate, migrations } from "../../src/database/migrations.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"

const names = Object.keys(migrations)
const latest = names.at(-1) ?? ""
const number = Number.parseInt(latest, 10)

describe.each([
  { name: "PostgreSQL", database: layerPostgres },
  { name: "the embedded database", database: layerEmbedded },
])("a database in $name that another version has changed", ({ database }) => {
  layer(database, { excludeTestServices: true })((it) => {
    /** Runs with another migration, and that as what the oldest gateway knows which may start. */
    const changed = Effect.fnUntraced(function* <A, E, R>(
      id: number,
      name: string,
      oldest: number,
      effect: Effect.Effect<A, E, R>,
    ) {
      const sql = yield* SqlClient.SqlClient
      const restore = Effect.orDie(
        Effect.all([
          sql`DELETE FROM effect_sql_migrations WHERE migration_id > ${number}`,
          sql`UPDATE effect_sql_migrations SET name = 'create_api_keys' WHERE migration_id = 1`,
          sql`UPDATE oldest_gateway SET schema = ${number}`,
        ]),
      )
      return yield* sql`
        INSERT INTO effect_sql_migrations (migration_id, name) VALUES (${id}, ${name})
        ON CONFLICT (migration_id) DO UPDATE SET name = excluded.name`.pipe(
        Effect.andThen(sql`UPDATE oldest_gateway SET schema = ${oldest}`),
        Effect.andThen(effect),
        Effect.ensuring(restore),
      )
    })

    it.effect("is taken by one that the other says it can live with, which says so in a line", () =>
      Effect.gen(function* () {
        const lines: Array<unknown> = []
        const logger = Logger.make(({ message }) => void lines.push(message))
        const migrated = migrate.pipe(Effect.provide(Logger.layer([logger])))
        assert.deepStrictEqual(yield* changed(9999, "add_something", number, migrated), [])
        assert.deepStrictEqual(lines, [
          [
            `The database has the schema of a newer version, which takes this one (${version}, schema ${number}) as well`,
            { unknown: ["9999_add_something"] },
          ],
        ])
        assert.isTrue(yield* changed(9999, "add_something", number, hasSchema))
        const { finding } = yield* changed(9999, "add_something", number, checkSchema)
        assert.deepInclude(finding, { status: "warn", examples: ["9999_add_something"] })
      }),
    )

    it.effect("is refused where it lacks a migration of this version, whatever it says", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const away = sql`DELETE FROM effect_sql_migrations WHERE migration_id = ${number}`
        const back = sql`
          INSERT INTO effect_sql_migrations (migration_id, name) VALUES (${number}, ${latest.slice(5)})`
        const error = yield* changed(
          9999,
          "add_something",
          number,
          Effect.andThen(away, Effect.flip(migrate)),
        ).pipe(Effect.ensuring(Effect.orDie(back)))
        assert.strictEqual(error._tag, "UnknownMigrations")
        assert.include(
          error.message,
          `this gateway needs ${number} (${latest}). Run the version that made them`,
        )
      }),
    )

    it.effect("is refused where nothing says what it can live with", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const away = sql`ALTER TABLE oldest_gateway RENAME TO elsewhere`
        const back = sql`ALTER TABLE elsewhere RENAME TO oldest_gateway`
        const refused = Effect.ensuring(Effect.andThen(away, Effect.flip(migrate)), Effect.orDie(back))
        const error = yield* changed(9999, "add_something", number, refused)
        assert.strictEqual(error._tag, "UnknownMigrations")
      }),
    )

    it.effect("is refused by one that knows less, in one line with both versions and what to do", () =>
      Effect.gen(function* () {
        const error = yield* changed(9999, "from_the_future", 9998, Effect.flip(migrate))
        assert.strictEqual(error._tag, "UnknownMigrations")
        assert.strictEqual(
          error.message,
          `The database has migrations that this gateway (${version}) does not know: 9999_from_the_future. Its schema ` +
            `is at 9999 and takes gateways of schema 9998 or later, this one is of ${number}. Run one of those, or restore ` +
            "a backup from before.",
        )
        assert.deepStrictEqual(yield* migrate, [])
      }),
    )

    it.effect("is refused where a known number has another name", () =>
      Effect.gen(function* () {
        const error = yield* changed(1, "create_something_else", number, Effect.flip(migrate))
        assert.include(error.message, "does not know: 0001_create_something_else. ")
      }),
    )

    it.effect("is refused by who had to wait for the other's migration", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const locked = yield* Latch.make(false)
        const waiting = yield* Effect.forkChild(Effect.andThen(locked.await, Effect.flip(migrate)))
        yield* sql`LOCK TABLE effect_sql_migrations IN ACCESS EXCLUSIVE MODE`.pipe(
          Effect.andThen(locked.open),
          Effect.andThen(Effect.sleep("200 millis")),
          Effect.andThen(
            sql`INSERT INTO effect_sql_migrations (migration_id, name) VALUES (9999, 'from_the_future')`,
          ),
          Effect.andThen(sql`UPDATE oldest_gateway SET schema = 9999`),
          sql.withTransaction,
        )
        const error = yield* Fiber.join(waiting).pipe(
          Effect.ensuring(Effect.orDie(sql`DELETE FROM effect_sql_migrations WHERE migration_id = 9999`)),
          Effect.ensuring(Effect.orDie(sql`UPDATE oldest_gateway SET schema = ${number}`)),
        )
        assert.strictEqual(error._tag, "UnknownMigrations")
      }),
    )

    it.effect("is no schema for commands that write to it", () =>
      Effect.gen(function* () {
        assert.isTrue(yield* hasSchema)
        const error = yield* changed(9999, "from_the_future", 9998, Effect.flip(hasSchema))
        assert.strictEqual(error._tag, "UnknownMigrations")
      }),
    )

    it.effect("fails the check of the schema", () =>
      Effect.gen(function* () {
        const { finding } = yield* changed(9999, "from_the_future", 9998, checkSchema)
        assert.deepInclude(finding, { status: "fail", examples: ["9999_from_the_future"] })
      }),
    )
  })
})
