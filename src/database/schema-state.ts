import { Data, Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { version } from "../config/version.ts"

/** The migrations that a database has, beside those that a version of the code knows. Names are `0001_create_thing`. */
export interface SchemaState {
  /** Number of the latest that the database has; 0 when it has none. */
  readonly latest: number
  readonly applied: number
  /** Those that wait, oldest first. */
  readonly pending: ReadonlyArray<string>
  /** Those that the version does not know, by their number or under this name: another one made them. */
  readonly unknown: ReadonlyArray<string>
}

/** A database that another, mostly newer version has changed: this one would serve and write by luck only. */
export class UnknownMigrations extends Data.TaggedError("UnknownMigrations")<{
  readonly state: SchemaState
  readonly known: ReadonlyArray<string>
}> {
  override get message() {
    const { latest, unknown } = this.state
    return (
      `The database has migrations that this gateway (${version}) does not know: ${unknown.join(", ")}. Its schema is at ` +
      `${latest}, this gateway needs ${this.known.length} (${this.known.at(-1)}). Run the version that made them, or ` +
      "restore a backup from before."
    )
  }
}

/** Reads the state and changes nothing. */
export const schemaStateOf = Effect.fnUntraced(function* (
  known: ReadonlyArray<string>,
): Effect.fn.Return<SchemaState, SqlError.SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const [table] = yield* sql<{ there: boolean }>`
    SELECT to_regclass('effect_sql_migrations') IS NOT NULL AS there`
  const rows =
    table?.there === true
      ? yield* sql<{ id: number; name: string }>`
          SELECT migration_id::int AS id, name FROM effect_sql_migrations ORDER BY migration_id`
      : []
  const applied = new Set(rows.map(({ id }) => id))
  return {
    latest: rows.at(-1)?.id ?? 0,
    applied: rows.length,
    pending: known.filter((name) => !applied.has(Number.parseInt(name, 10))),
    unknown: rows
      .map(({ id, name }) => `${String(id).padStart(4, "0")}_${name}`)
      .filter((name) => !known.includes(name)),
  }
})
