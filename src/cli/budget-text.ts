import { DateTime } from "effect"
import type { BudgetState } from "../budgets/budget-rows.ts"

/** Decimal dollars with as many decimals as they have, two at least. */
export const shortDollars = (nanoUsd: bigint): string => {
  const digits = nanoUsd.toString().padStart(10, "0")
  const decimals = digits.slice(-9).replace(/0{1,7}$/, "")
  return `${digits.slice(0, -9)}.${decimals}`
}

const BAR = 10

/** How much of a limit is spent or reserved, as a bar and as whole percents; what is over it is not drawn. */
const usedBar = ({
  limitNanoUsd,
  spentNanoUsd,
  reservedNanoUsd,
}: Pick<BudgetState, "limitNanoUsd" | "spentNanoUsd" | "reservedNanoUsd">): string => {
  const share = limitNanoUsd === 0 ? 1 : Number(spentNanoUsd + reservedNanoUsd) / limitNanoUsd
  const filled = Math.min(BAR, Math.floor(share * BAR))
  return `${"█".repeat(filled)}${"░".repeat(BAR - filled)} ${Math.floor(share * 100)} %`
}

const resets = ({ resetsAt }: BudgetState): string =>
  resetsAt === null ? "never" : DateTime.formatIso(resetsAt)

export const BUDGET_COLUMNS = [
  "id",
  "scope",
  "subject",
  "window",
  "limit",
  "spent",
  "reserved",
  "left",
  "used",
  "resets",
]

export const budgetCells = (budget: BudgetState): ReadonlyArray<string> => [
  String(budget.id),
  budget.scope,
  budget.subject === "" ? "-" : budget.subject,
  budget.period,
  shortDollars(BigInt(budget.limitNanoUsd)),
  shortDollars(budget.spentNanoUsd),
  shortDollars(budget.reservedNanoUsd),
  shortDollars(budget.remainingNanoUsd),
  usedBar(budget),
  resets(budget),
]

/** One budget within what is printed of its key or team. */
export const budgetLine = (budget: BudgetState): string =>
  `${shortDollars(BigInt(budget.limitNanoUsd))} USD, window ${budget.period}, ${usedBar(budget)}, ` +
  `${shortDollars(budget.remainingNanoUsd)} left, resets ${resets(budget)} (budget ${budget.id})`
