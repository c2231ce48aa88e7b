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
  /** Gateways that know this migration, or a later one, may start; undefined where no version has said so. */
  readonly oldestGateway: number | undefined
  /** The version must leave the database alone: there are unknown migrations, and nothing says that it can live with them. */
  readonly refuses: boolean
}

/** A database that another, mostly newer version has changed: this one would serve and write by luck only. */
export class UnknownMigrations extends Data.TaggedError("UnknownMigrations")<{
  readonly state: SchemaState
  readonly known: ReadonlyArray<string>
}> {
  override get message() {
    const { latest, oldestGateway = 0, unknown } = this.state
    const own = schemaVersion(this.known)
    const found = `The database has migrations that this gateway (${version}) does not know: ${unknown.join(", ")}. `
    return own < oldestGateway
      ? `${found}Its schema is at ${latest} and takes gateways of schema ${oldestGateway} or later, this one is of ${own}. ` +
          "Run one of those, or restore a backup from before."
      : `${found}Its schema is at ${latest}, this gateway needs ${own} (${this.known.at(-1)}). Run the version that made ` +
          "them, or restore a backup from before."
  }
}

/** Returns the number of the latest migration that a version knows. */
export const schemaVersion = (known: ReadonlyArray<string>): number => numberOf(known.at(-1) ?? "0")

const numberOf = (name: string): number => Number.parseInt(name, 10)

/** Reads the state and changes nothing. */
export const schemaStateOf = Effect.fnUntraced(function* (
  known: ReadonlyArray<string>,
): Effect.fn.Return<SchemaState, SqlError.SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const [table] = yield* sql<{ migrated: boolean; says: boolean }>`
    SELECT
      to_regclass('effect_sql_migrations') IS NOT NULL AS migrated, to_regclass('oldest_gateway') IS NOT NULL AS says`
  const rows =
    table?.migrated === true
      ? yield* sql<{ id: number; name: string }>`
          SELECT migration_id::int AS id, name FROM effect_sql_migrations ORDER BY migration_id`
      : []
  const said = table?.says === true ? yield* sql<{ schema: number }>`SELECT schema FROM oldest_gateway` : []
  const applied = new Set(rows.map(({ id }) => id))
  const pending = known.filter((name) => !applied.has(numberOf(name)))
  const unknown = rows
    .map(({ id, name }) => `${String(id).padStart(4, "0")}_${name}`)
    .filter((name) => !known.includes(name))
  const oldestGateway = said[0]?.schema
  const own = schemaVersion(known)
  const isOlder = pending.length === 0 && unknown.every((name) => numberOf(name) > own)
  return {
    latest: rows.at(-1)?.id ?? 0,
    applied: rows.length,
    pending,
    unknown,
    oldestGateway,
    refuses: unknown.length > 0 && !(isOlder && oldestGateway !== undefined && oldestGateway <= own),
  }
})
