/** Whose spending a budget bounds; `gateway`: everybody's together. */
export const BUDGET_SCOPES = ["key", "team", "user", "tag", "gateway"] as const
export type BudgetScope = (typeof BUDGET_SCOPES)[number]

/** Windows by the calendar of the budget's time zone; `total` has no end. A week begins on Monday. */
export const BUDGET_PERIODS = ["hour", "day", "week", "month", "total"] as const
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number]

/** How much may be spent in each window. */
export interface Budget {
  readonly id: number
  readonly scope: BudgetScope
  /** A key's id, or the name of a team, a user or a tag; empty for the whole gateway. */
  readonly subject: string
  readonly period: BudgetPeriod
  readonly limitNanoUsd: number
}
