import type { Signal } from "@preact/signals"
import type { ApiKey, Budget, Team } from "../admin-types.ts"
import { send } from "../api.ts"
import { listOf, useTexts } from "../form-texts.ts"
import { list } from "../listing.ts"
import { useLoaded } from "../use-loaded.ts"
import { BudgetName, PER_WINDOW } from "./BudgetBar.tsx"
import { Choice, Field } from "./Field.tsx"
import { FormDialog } from "./FormDialog.tsx"
import { seenText } from "./Text.tsx"

export type Scope = Budget["scope"]

/** Whose budgets there are. */
export const SCOPES: ReadonlyArray<readonly [scope: Scope, title: string]> = [
  ["gateway", "Whole gateway"],
  ["team", "Team"],
  ["key", "Key"],
  ["user", "End user"],
  ["tag", "Tag"],
]

export const WINDOWS = Object.entries(PER_WINDOW)

/** What is to be done with budgets: one is made (for a subject, where that is settled), or something happens to one. */
export type BudgetStep =
  | { readonly kind: "create"; readonly scope?: Scope; readonly subject?: string }
  | { readonly kind: "change" | "reset" | "delete"; readonly budget: Budget }

/** Asks for the rest of a step, and takes it. */
export const BudgetDialog = ({
  close,
  done,
  step,
}: {
  readonly step: BudgetStep
  readonly close: () => void
  readonly done: () => void
}) => {
  if (step.kind === "create") return <SetBudget {...step} close={close} done={done} />
  const { budget, kind } = step
  if (kind === "change")
    return (
      <SetBudget budget={budget} scope={budget.scope} subject={budget.subject} close={close} done={done} />
    )
  const isReset = kind === "reset"
  const run = async () => {
    if (isReset) await send("POST", `/admin/budgets/${budget.id}/reset`)
    else await send("DELETE", `/admin/budgets/${budget.id}`)
    done()
  }
  return (
    <FormDialog
      title={isReset ? "Reset the budget?" : "Delete the budget?"}
      action={isReset ? "Reset" : "Delete"}
      isDangerous
      run={run}
      close={close}
    >
      <p>
        <BudgetName budget={budget} />
      </p>
      <p>
        {isReset
          ? "What was spent in this window is forgotten: all of the limit can be spent again until it ends. What running requests hold stays held. Usage and costs in the analytics stay as they are."
          : "Nothing bounds this spending any more, but for other budgets. What was spent in the window is forgotten with it."}
      </p>
    </FormDialog>
  )
}

const SetBudget = ({
  budget,
  close,
  done,
  scope,
  subject,
}: {
  readonly budget?: Budget
  readonly scope?: Scope
  readonly subject?: string
  readonly close: () => void
  readonly done: () => void
}) => {
  const { now } = useTexts({
    scope: scope ?? "gateway",
    subject: subject ?? "",
    window: budget?.window ?? "month",
    limit_usd: String(budget?.limit_usd ?? ""),
    alert_percents: budget?.alert_percents.join(", ") ?? "",
    time_zone: budget?.time_zone ?? "",
  })
  const run = async () => {
    const zone = now.time_zone.value.trim()
    await send("PUT", "/admin/budgets", {
      scope: now.scope.value,
      ...(now.scope.value !== "gateway" && { subject: now.subject.value.trim() }),
      window: now.window.value,
      limit_usd: Number(now.limit_usd.value),
      alert_percents: listOf(now.alert_percents.value).map(Number),
      ...(zone !== "" && { time_zone: zone }),
    })
    done()
  }
  return (
    <FormDialog
      title={budget === undefined ? "Create a budget" : "Change the budget"}
      action={budget === undefined ? "Create" : "Save"}
      run={run}
      close={close}
    >
      {budget !== undefined && (
        <p>
          <BudgetName budget={budget} />
        </p>
      )}
      {scope === undefined && (
        <div class="pair">
          <Choice label="Whose spending" value={now.scope} options={SCOPES} />
          <Subject scope={now.scope.value} value={now.subject} />
        </div>
      )}
      <div class="pair">
        <Field
          label="Limit in USD"
          value={now.limit_usd}
          type="number"
          min={0}
          step="any"
          required
          autofocus={scope !== undefined}
        />
        {budget === undefined && <Choice label="Window" value={now.window} options={WINDOWS} />}
      </div>
      <div class="pair">
        <Field
          label="Alert at percent"
          value={now.alert_percents}
          placeholder="50, 80"
          hint="Apart by commas. Empty: no alerts."
        />
        <Field
          label="Time zone"
          value={now.time_zone}
          placeholder="Europe/Berlin"
          hint="Whose calendar it follows. Empty: the gateway's."
        />
      </div>
      {budget === undefined && (
        <p class="hint">It replaces the one that there is for the same window. What is spent stays spent.</p>
      )}
    </FormDialog>
  )
}

const MOST_CHOICES = 1_000

const Subject = ({ scope, value }: { readonly scope: string; readonly value: Signal<string> }) => {
  const known = useLoaded(
    async (abort) => {
      const wanted = { wanted: MOST_CHOICES, abort }
      if (scope === "team") return (await list<Team>("/admin/teams", wanted)).rows
      if (scope !== "key") return []
      return (await list<ApiKey>("/admin/keys", { ...wanted, query: { active: true } })).rows
    },
    [scope],
  )
  if (scope === "gateway") return null
  if (scope !== "team" && scope !== "key")
    return <Field label={scope === "user" ? "End user, as requests name it" : "Tag"} value={value} required />
  const options = (known.data ?? []).map((row): readonly [string, string] =>
    "id" in row ? [row.id, `${seenText(row.name)} (${row.id})`] : [row.name, row.name],
  )
  return (
    <Choice
      label={scope === "team" ? "Which team" : "Which key"}
      value={value}
      options={[["", known.isLoading ? "Loading…" : "Choose one"], ...options]}
    />
  )
}
