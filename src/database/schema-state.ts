import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { migrations } from "./migrations.ts"

/** The schema of a database beside the one this version of the code expects. */
export interface SchemaState {
  readonly applied: number
  /** Names of migrations that wait, oldest first. */
  readonly pending: ReadonlyArray<string>
  /** Number of migrations that this version does not know: a newer one applied them. */
  readonly unknown: number
}

/** Reads the state and changes nothing. */
export const schemaState: Effect.Effect<SchemaState, SqlError.SqlError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    const [table] = yield* sql<{ there: boolean }>`
      SELECT to_regclass('effect_sql_migrations') IS NOT NULL AS there`
    const rows =
      table?.there === true
        ? yield* sql<{ id: number }>`SELECT migration_id::int AS id FROM effect_sql_migrations`
        : []
    const known = Object.keys(migrations)
    const applied = new Set(rows.map(({ id }) => id))
    const ids = new Set(known.map(idOf))
    return {
      applied: applied.size,
      pending: known.filter((name) => !applied.has(idOf(name))),
      unknown: [...applied].filter((id) => !ids.has(id)).length,
    }
  },
)

const idOf = (name: string): number => Number.parseInt(name, 10)
