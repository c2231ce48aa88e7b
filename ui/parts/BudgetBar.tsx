import type { Budget } from "../admin-types.ts"
import { money, share } from "../format.ts"
import { Text } from "./Text.tsx"
import { Ago } from "./Time.tsx"

/** How a limit is said with its window. */
export const PER_WINDOW = {
  hour: "an hour",
  day: "a day",
  week: "a week",
  month: "a month",
  total: "in all",
} as const

/** How much of a budget is spent or held: 1 is all of it. */
export const usedShare = ({ limit_usd, reserved_usd, spent_usd }: Budget): number =>
  limit_usd > 0 ? (spent_usd + reserved_usd) / limit_usd : 1

/** Where a budget has no alerts that say it, little is left from here on. */
const LITTLE_LEFT_PERCENT = 80

const levelOf = (budget: Budget): "good" | "warn" | "bad" => {
  if (budget.remaining_usd <= 0) return "bad"
  return usedShare(budget) * 100 >= (budget.alert_percents[0] ?? LITTLE_LEFT_PERCENT) ? "warn" : "good"
}

/** What of a budget is spent, held and left, and when it begins anew. */
export const BudgetBar = ({ budget }: { readonly budget: Budget }) => {
  const { limit_usd, remaining_usd, reserved_usd, resets_at, spent_usd, window } = budget
  const percent = (usd: number) => (limit_usd > 0 ? Math.min(100, (usd / limit_usd) * 100) : 100)
  const spent = percent(spent_usd)
  return (
    <div class="budget-bar number">
      <strong>{money(spent_usd)}</strong> of {money(limit_usd)}
      {window === "total" ? " in all" : `/${window}`}
      <svg class={levelOf(budget)} viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
        <rect class="spent" width={spent} height="1" />
        <rect class="held" x={spent} width={Math.min(100 - spent, percent(reserved_usd))} height="1" />
      </svg>
      <small>
        {limit_usd > 0 && `${share(spent_usd / limit_usd)}, `}
        {remaining_usd < 0 ? `${money(-remaining_usd)} over` : `${money(remaining_usd)} left`}
        {reserved_usd > 0 && `, ${money(reserved_usd)} held`}
        {resets_at !== null && (
          <>
            {", resets "}
            <Ago at={resets_at} />
          </>
        )}
      </small>
    </div>
  )
}

/** Whose budget it is, and for what. */
export const BudgetName = ({
  budget: { limit_usd, scope, subject, window },
}: {
  readonly budget: Budget
}) => (
  <>
    {scope === "gateway" ? (
      "The whole gateway"
    ) : (
      <>
        {NAMES[scope]} <Text value={subject} />
      </>
    )}
    : {money(limit_usd)} {PER_WINDOW[window]}
  </>
)

const NAMES = { key: "Key", team: "Team", user: "End user", tag: "Tag" } as const

export const BudgetBars = ({ budgets }: { readonly budgets: ReadonlyArray<Budget> }) =>
  budgets.length === 0 ? (
    <span class="hint">none</span>
  ) : (
    <div class="budget-bars">
      {budgets.map((budget) => (
        <BudgetBar key={budget.id} budget={budget} />
      ))}
    </div>
  )
