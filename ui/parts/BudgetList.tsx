import { useState } from "preact/hooks"
import type { Budget } from "../admin-types.ts"
import { isAdmin } from "../session.ts"
import { BudgetBar, PER_WINDOW } from "./BudgetBar.tsx"
import { BudgetDialog, type BudgetStep, type Scope } from "./BudgetForm.tsx"
import { seenText } from "./Text.tsx"

/** What can be done with a budget, for those who may. */
export const BudgetButtons = ({
  budget,
  choose,
}: {
  readonly budget: Budget
  readonly choose: (step: BudgetStep) => void
}) => {
  if (!isAdmin.value) return null
  const name = `the budget of ${seenText(budget.subject) || "the whole gateway"}, ${PER_WINDOW[budget.window]}`
  return (
    <div class="buttons">
      <button
        type="button"
        class="plain"
        aria-label={`Change ${name}`}
        onClick={() => choose({ kind: "change", budget })}
      >
        Change
      </button>
      <button
        type="button"
        class="plain"
        aria-label={`Reset ${name}`}
        onClick={() => choose({ kind: "reset", budget })}
      >
        Reset
      </button>
      <button
        type="button"
        class="plain"
        aria-label={`Delete ${name}`}
        onClick={() => choose({ kind: "delete", budget })}
      >
        Delete
      </button>
    </div>
  )
}

/** The budgets of one subject, each with what can be done with it. */
export const BudgetList = ({
  budgets,
  changed,
  hint,
  scope,
  subject,
}: {
  readonly scope: Scope
  readonly subject: string
  readonly budgets: ReadonlyArray<Budget>
  /** Says what holds where there are none. */
  readonly hint: string
  readonly changed: () => void
}) => {
  const [step, setStep] = useState<BudgetStep>()
  const close = () => setStep(undefined)
  return (
    <section class="panel">
      <div class="head">
        <h2>Budgets</h2>
        {isAdmin.value && (
          <button type="button" class="plain" onClick={() => setStep({ kind: "create", scope, subject })}>
            Add a budget
          </button>
        )}
      </div>
      {budgets.length === 0 && <p class="hint">{hint}</p>}
      <ul class="budget-list">
        {budgets.map((budget) => (
          <li key={budget.id}>
            <BudgetBar budget={budget} />
            <BudgetButtons budget={budget} choose={setStep} />
          </li>
        ))}
      </ul>
      {step !== undefined && (
        <BudgetDialog
          step={step}
          close={close}
          done={() => {
            close()
            changed()
          }}
        />
      )}
    </section>
  )
}
