import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"

/**
 * Ends the leases of a process whose records are all in the database: what else it was granted of budgets, it never spent. A
 * process that died without a journal that anybody finds keeps all that it held.
 */
export const endLeases = (sql: SqlClient.SqlClient, holder: string): Effect.Effect<void, SqlError.SqlError> =>
  Effect.asVoid(sql`
    WITH own AS (
      SELECT budget_id, starts_at FROM budget_leases
      WHERE holder = ${holder} AND granted_nano_usd - returned_nano_usd - settled_nano_usd > 0
      ORDER BY budget_id, starts_at
      FOR UPDATE
    )
    UPDATE budget_leases AS lease SET returned_nano_usd = granted_nano_usd - settled_nano_usd
    FROM own
    WHERE holder = ${holder} AND (lease.budget_id, lease.starts_at) = (own.budget_id, own.starts_at)`)

/** Forgets leases that hold nothing any more, and those of windows that have been over for long. */
export const forgetLeases = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError.SqlError> =>
  Effect.asVoid(sql`
    DELETE FROM budget_leases AS lease
    WHERE seen_at < now() - interval '1 day' AND (
      granted_nano_usd - returned_nano_usd - settled_nano_usd <= 0
      OR (starts_at > '-infinity' AND starts_at < now() - interval '40 days')
      OR NOT EXISTS (SELECT FROM budgets WHERE id = budget_id)
    )`)
