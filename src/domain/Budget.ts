/** Whose spending a budget bounds; `gateway`: everybody's together. */
export const BUDGET_SCOPES = ["key", "team", "user", "tag", "gateway"] as const
export type BudgetScope = (typeof BUDGET_SCOPES)[number]

/** Windows by the calendar of the budget's time zone; `total` has no end. A week begins on Monday. */
export const BUDGET_PERIODS = ["hour", "day", "week", "month", "total"] as const
type BudgetPeriod = (typeof BUDGET_PERIODS)[number]

/** How much may be spent in each window. */
export interface Budget {
  readonly id: number
  readonly scope: BudgetScope
  /** A key's id, or the name of a team, a user or a tag; empty for the whole gateway. */
  readonly subject: string
  readonly period: BudgetPeriod
  readonly limitNanoUsd: number
}

/** What a request cost, or may have cost, of one budget in one window; `holder` is the process that answered for it. */
export interface Charge {
  readonly budget: number
  /** Epoch milliseconds; null: the window of `total`. */
  readonly starts_at_ms: number | null
  readonly holder: string
  readonly nano_usd: number
}
