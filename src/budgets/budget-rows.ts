import { type DateTime, Effect, Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"
import { BUDGET_PERIODS, BUDGET_SCOPES, type Budget, type BudgetPeriod } from "../domain/Budget.ts"

/** Statements over the table `budgets` and what is spent of each, for whoever owns the subject. */

/** A budget in its current window. */
export interface BudgetState extends Budget {
  /** Soft limits, lowest first. */
  readonly alertPercents: ReadonlyArray<number>
  readonly timeZone: string
  readonly spentNanoUsd: bigint
  /** Held by gateways for requests that are not settled yet, and for those to come. */
  readonly reservedNanoUsd: bigint
  /** Neither spent nor reserved; never negative. */
  readonly remainingNanoUsd: bigint
  /** The end of the window; null for `total`. */
  readonly resetsAt: DateTime.Utc | null
}

/** Returns what operators say of a budget, without what is spent of it. */
export const statedBudget = ({
  id,
  scope,
  subject,
  period,
  limitNanoUsd,
  alertPercents,
  timeZone,
}: BudgetState) => ({
  id,
  scope,
  subject,
  period,
  limitNanoUsd,
  alertPercents,
  timeZone,
})

const decodeBudgets = decodeRows(
  Schema.Struct({
    id: Schema.Int,
    scope: Schema.Literals(BUDGET_SCOPES),
    subject: Schema.String,
    period: Schema.Literals(BUDGET_PERIODS),
    limitNanoUsd: Schema.Int,
    alertPercents: Schema.Array(Schema.Int),
    timeZone: Schema.String,
    spentNanoUsd: Schema.BigInt,
    reservedNanoUsd: Schema.BigInt,
    remainingNanoUsd: Schema.BigInt,
    resetsAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  }),
)

/** Returns the budgets that a condition holds for, newest first. */
export const readBudgets = (
  sql: SqlClient.SqlClient,
  condition: Statement.Fragment,
  limit: number | null = null,
) =>
  decodeBudgets(sql`
    SELECT
      budgets.id::float8 AS id, scope, subject, period, limit_nano_usd::float8 AS "limitNanoUsd",
      alert_percents AS "alertPercents", time_zone AS "timeZone", spent AS "spentNanoUsd", reserved AS "reservedNanoUsd",
      greatest(limit_nano_usd - spent - reserved, 0) AS "remainingNanoUsd",
      CASE WHEN isfinite(ends_at) THEN ends_at END AS "resetsAt"
    FROM budgets
    CROSS JOIN LATERAL (
      SELECT budget_window_start(period, time_zone, now()) AS starts_at, budget_window_end(period, time_zone, now()) AS ends_at
    ) AS now
    CROSS JOIN LATERAL (
      SELECT
        coalesce((
          SELECT spent_nano_usd FROM budget_windows AS past
          WHERE past.budget_id = budgets.id AND past.starts_at = now.starts_at
        ), 0) AS spent,
        coalesce((
          SELECT sum(greatest(granted_nano_usd - returned_nano_usd - settled_nano_usd, 0)) FROM budget_leases AS lease
          WHERE lease.budget_id = budgets.id AND lease.starts_at = now.starts_at
        ), 0)::bigint AS reserved
    ) AS used
    WHERE ${condition}
    ORDER BY budgets.id DESC
    LIMIT ${limit}::integer`)

/** Returns the budgets of each subject of a scope. */
export const readBudgetsOf = (
  sql: SqlClient.SqlClient,
  scope: "key" | "team",
  subjects: ReadonlyArray<string>,
) => readBudgets(sql, sql`scope = ${scope} AND subject = ANY(${subjects}::text[])`)

/** Gives a key a budget, or the one that it has for this window another limit. */
export const putBudgetOfKey = (
  sql: SqlClient.SqlClient,
  budget: {
    readonly keyId: string
    readonly period: BudgetPeriod
    readonly limitNanoUsd: number
    /** Of a budget that is new. */
    readonly timeZone: string
  },
) => sql`
  INSERT INTO budgets (scope, subject, period, limit_nano_usd, time_zone)
  VALUES ('key', ${budget.keyId}, ${budget.period}, ${budget.limitNanoUsd}::bigint, ${budget.timeZone})
  ON CONFLICT (scope, subject, period) DO UPDATE SET limit_nano_usd = excluded.limit_nano_usd`

/**
 * Deletes the budgets that a condition holds for, with what is known of their windows and the alerts that wait, in a
 * transaction. Windows are locked first and in order, as whoever spends of them does.
 */
export const deleteBudgets = (sql: SqlClient.SqlClient, condition: Statement.Fragment) =>
  Effect.andThen(
    sql`
      SELECT FROM budget_windows
      WHERE budget_id IN (SELECT id FROM budgets WHERE ${condition})
      ORDER BY budget_id, starts_at
      FOR UPDATE`,
    sql`
      WITH gone AS (DELETE FROM budgets WHERE ${condition} RETURNING id),
        windows AS (DELETE FROM budget_windows USING gone WHERE budget_id = gone.id),
        leases AS (DELETE FROM budget_leases USING gone WHERE budget_id = gone.id),
        alerts AS (DELETE FROM budget_alerts USING gone WHERE budget_id = gone.id)
      SELECT id FROM gone`,
  )
