import { Effect, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { decodeRows } from "./decode-rows.ts"
import { neededFunctions, neededTables, neededTriggers } from "./needed-schema.ts"

/** What a schema consists of: for each part its name and what it is, such as `attempts.day`, `date`. */
type Parts = ReadonlyMap<string, string>

const decodeParts = decodeRows(Schema.Struct({ part: Schema.String, is: Schema.String }))

/** Reads the parts of these tables and views, and the functions and triggers that can be seen. */
export const readParts = Effect.fnUntraced(function* (
  tables: ReadonlyArray<string>,
): Effect.fn.Return<Parts, SqlError.SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* decodeParts(sql`
    WITH tables AS (
      SELECT oid AS id, relname AS name FROM pg_class
      WHERE relname = ANY(${tables}::text[]) AND relkind IN ('r', 'p', 'v') AND pg_table_is_visible(oid)
    )
    SELECT name || '.' || attname AS part, format_type(atttypid, atttypmod) AS is
    FROM tables JOIN pg_attribute ON attrelid = id
    WHERE attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT 'primary key of ' || name, string_agg(attname, ', ' ORDER BY place)
    FROM tables
      JOIN pg_index ON indrelid = id AND indisprimary AND indisvalid
      CROSS JOIN unnest(indkey) WITH ORDINALITY AS keys (number, place)
      JOIN pg_attribute ON attrelid = id AND attnum = number
    GROUP BY name
    UNION ALL
    SELECT 'function ' || oid::regprocedure::text, 'there'
    FROM pg_proc
    WHERE pronamespace <> 'pg_catalog'::regnamespace AND pg_function_is_visible(oid)
    UNION ALL
    SELECT 'trigger ' || tgname || ' on ' || name, 'there'
    FROM tables JOIN pg_trigger ON tgrelid = id
    WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')`)
  return new Map(rows.map(({ part, is }) => [part, is]))
})

export const neededParts: Parts = new Map([
  ...Object.entries(neededTables).flatMap(([table, { columns, key }]) => [
    ...Object.entries(columns).map(([column, type]): [string, string] => [`${table}.${column}`, type]),
    ...(key === undefined ? [] : [[`primary key of ${table}`, key] satisfies [string, string]]),
  ]),
  ...[
    ...neededFunctions.map((name) => `function ${name}`),
    ...neededTriggers.map((name) => `trigger ${name}`),
  ].map((part): [string, string] => [part, "there"]),
])

/**
 * Returns what the database lacks of the schema that this version needs, or has otherwise, in words; empty when it is
 * whole. What it has besides is nobody's business here. Reads only.
 */
export const schemaDifferences: Effect.Effect<
  ReadonlyArray<string>,
  SqlError.SqlError,
  SqlClient.SqlClient
> = Effect.gen(function* () {
  const tables = Object.keys(neededTables)
  const found = yield* readParts(tables)
  const there = new Set([...found.keys()].map((part) => part.split(".")[0]))
  const gone = tables.filter((table) => !there.has(table))
  const isOfGone = (part: string) =>
    gone.some(
      (table) =>
        part.startsWith(`${table}.`) || part === `primary key of ${table}` || part.endsWith(` on ${table}`),
    )
  return [
    ...gone.map((table) => `${table} is missing`),
    ...[...neededParts].flatMap(([part, is]) => {
      const actual = found.get(part)
      if (actual === is || isOfGone(part)) return []
      return actual === undefined ? `${part} is missing` : `${part} is ${actual} instead of ${is}`
    }),
  ]
})

/** Returns the columns of tables that this version does not know, as `table.column`: a newer one has added them. */
export const addedColumns = (
  tables: ReadonlyArray<string>,
): Effect.Effect<ReadonlyArray<string>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.map(readParts(tables), (found) =>
    [...found.keys()].filter(
      (part) => tables.some((table) => part.startsWith(`${table}.`)) && !neededParts.has(part),
    ),
  )
