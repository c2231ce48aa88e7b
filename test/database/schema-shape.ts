import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

/**
 * What statements of a version may depend on in a schema: enough to see most of what a migration takes away from gateways
 * that were written for the schema before it. It does not see what functions, triggers and views do, what values mean,
 * and what rows are changed.
 */
export interface Shape {
  /** What is there to be used, and what it is: `column keys.id`, `text`. */
  readonly offers: ReadonlyMap<string, string>
  /** What whoever writes must meet, and the offers that it bears upon. */
  readonly demands: ReadonlyMap<string, ReadonlyArray<string>>
}

export const readShape: Effect.Effect<Shape, SqlError.SqlError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    const offers = yield* sql<{ part: string; is: string }>`
      SELECT 'table ' || relname AS part, CASE relkind WHEN 'v' THEN 'a view' ELSE 'a table' END AS is
      FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
      UNION ALL
      SELECT 'column ' || relname || '.' || attname, format_type(atttypid, atttypmod)
      FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND attnum > 0 AND NOT attisdropped
      UNION ALL
      -- What ON CONFLICT may name.
      SELECT 'unique ' || indrelid::regclass || ' ' || key, coalesce(pg_get_expr(indpred, indrelid), 'all')
      FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
        CROSS JOIN LATERAL (
          SELECT string_agg(pg_get_indexdef(indexrelid, n, true), ', ' ORDER BY n) AS key
          FROM generate_series(1, indnkeyatts) AS n
        ) AS keys
      WHERE relnamespace = 'public'::regnamespace AND indisunique
      UNION ALL
      SELECT 'function ' || pg_proc.oid::regprocedure, CASE
        WHEN proargmodes @> '{t}' THEN 'a table' ELSE pg_get_function_result(pg_proc.oid)
      END
      FROM pg_proc WHERE pronamespace = 'public'::regnamespace
      UNION ALL
      SELECT 'column ' || name || ' of function ' || pg_proc.oid::regprocedure, format_type(type, NULL)
      FROM pg_proc CROSS JOIN unnest(proallargtypes, proargmodes, proargnames) AS argument (type, mode, name)
      WHERE pronamespace = 'public'::regnamespace AND mode = 't'`
    const demands = yield* sql<{ part: string; of: ReadonlyArray<string> }>`
      SELECT relname || '.' || attname || ' must be given' AS part, ARRAY['table ' || relname] AS of
      FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
        AND attnotnull AND NOT atthasdef AND attidentity = ''
      UNION ALL
      SELECT
        relname || ': ' || pg_get_constraintdef(pg_constraint.oid),
        ARRAY(
          SELECT 'column ' || relname || '.' || attname FROM pg_attribute
          WHERE attrelid = conrelid AND attnum = ANY(conkey)
        )
      FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
      WHERE relnamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'x') AND NOT relispartition
      UNION ALL
      SELECT
        relname || ': unique ' || pg_get_indexdef(indexrelid),
        ARRAY(
          SELECT 'column ' || relname || '.' || attname FROM pg_attribute
          WHERE attrelid = indrelid AND attnum = ANY(indkey)
        )
      FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
      WHERE relnamespace = 'public'::regnamespace AND indisunique`
    return {
      offers: new Map(offers.map(({ part, is }) => [part, is])),
      demands: new Map(demands.map(({ part, of }) => [part, of])),
    }
  },
)

/** Returns in words what a gateway that knows the schema before cannot live with in the one after. */
export const contractions = (before: Shape, after: Shape): ReadonlyArray<string> => [
  ...[...before.offers].flatMap(([part, is]) => {
    const now = after.offers.get(part)
    if (now === is) return []
    return now === undefined ? `${part} is gone` : `${part} was ${is}, is ${now}`
  }),
  ...[...after.demands].flatMap(([part, of]) =>
    !before.demands.has(part) && of.some((each) => before.offers.has(each)) ? part : [],
  ),
]
