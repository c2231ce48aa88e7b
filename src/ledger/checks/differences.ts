import { Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { decodeRows } from "../../database/decode-rows.ts"
import { MAX_EXAMPLES } from "../../domain/Finding.ts"

/** Finds the groups in which what the rollups store is not the sum of the rows. */

const Sums = Schema.Record(Schema.String, Schema.Finite)

const sides = { stream: Schema.Boolean, rows: Sums, rollup: Sums }

/** The sums of a group, by name: of its rows, and as the rollups have them. */
export type Difference = Schema.Struct.Type<typeof sides>

/** Decodes what a statement that ends with `differences` answers; `fields` are what it groups by, beside the stream. */
export const decodeDifferences = <const Fields extends Readonly<Record<string, typeof Schema.String>>>(
  fields: Fields,
) =>
  decodeRows(
    Schema.Struct({
      groups: Schema.Finite,
      differing: Schema.Finite,
      examples: Schema.Array(Schema.Struct({ ...fields, ...sides })),
    }),
  )

/**
 * Returns the end of a statement: how many groups there are, how many differ, and some of those. Before it come `summed`,
 * of the rows, and `stored`, of the rollups, both with `sums` for each `group`.
 */
export const differences = (
  sql: SqlClient.SqlClient,
  group: Statement.Fragment,
  sums: ReadonlyArray<string>,
): Statement.Fragment => {
  const objectOf = (table: string) =>
    sql.literal(
      `jsonb_build_object(${sums.map((name) => `'${name}', coalesce(${table}.${name}, 0)`).join(", ")})`,
    )
  const differs = sql.literal(
    sums.map((name) => `coalesce(stored.${name}, 0) <> coalesce(summed.${name}, 0)`).join(" OR "),
  )
  return sql`
    differing AS (
      SELECT ${group}, ${objectOf("summed")} AS rows, ${objectOf("stored")} AS rollup
      FROM summed FULL JOIN stored USING (${group})
      WHERE ${differs}
    )
    SELECT
      (SELECT count(*) FROM summed)::float8 AS groups, (SELECT count(*) FROM differing)::float8 AS differing,
      (
        SELECT coalesce(jsonb_agg(first), '[]')
        FROM (SELECT * FROM differing ORDER BY ${group} LIMIT ${MAX_EXAMPLES}) AS first
      ) AS examples`
}
