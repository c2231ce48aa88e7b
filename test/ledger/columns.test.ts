import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { ATTEMPT_COLUMNS, type LineColumn, REQUEST_COLUMNS } from "../../src/ledger/columns.ts"
import { layerPostgres } from "../support/Databases.ts"

/** What a column is declared as when its line's value is of another type. */
const OTHER_TYPES: Readonly<Record<string, string>> = {
  started_at: "timestamp with time zone",
  attempts: "smallint",
}

/** Columns that the statement makes itself. */
const MADE = ["request_id", "day", "ordinal"]

const modelled = (columns: ReadonlyArray<LineColumn>) =>
  columns.flatMap(({ column, type, stored }) =>
    stored === undefined ? [] : `${column} ${OTHER_TYPES[column] ?? type}`,
  )

describe("the model of the ledger's columns", () => {
  layer(layerPostgres)((it) => {
    it.effect.each([
      { table: "requests", columns: REQUEST_COLUMNS },
      { table: "attempts", columns: ATTEMPT_COLUMNS },
    ])("names every column of $table that the migrations make, with its type", ({ table, columns }) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql<{ column: string; type: string }>`
          SELECT attname AS column, format_type(atttypid, atttypmod) AS type FROM pg_attribute
          WHERE attrelid = ${table}::regclass AND attnum > 0 AND NOT attisdropped`
        assert.sameMembers(
          modelled(columns),
          rows.flatMap(({ column, type }) => (MADE.includes(column) ? [] : `${column} ${type}`)),
        )
      }),
    )
  })
})
