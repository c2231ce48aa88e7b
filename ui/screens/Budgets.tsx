import { useState } from "preact/hooks"
import type { ApiKey, Budget } from "../admin-types.ts"
import { list } from "../listing.ts"
import { BudgetBar, usedShare } from "../parts/BudgetBar.tsx"
import { BudgetDialog, type BudgetStep, SCOPES } from "../parts/BudgetForm.tsx"
import { BudgetButtons } from "../parts/BudgetList.tsx"
import { Notice } from "../parts/Notice.tsx"
import { Segments } from "../parts/Segments.tsx"
import { Shown } from "../parts/Shown.tsx"
import { Table } from "../parts/Table.tsx"
import { Text } from "../parts/Text.tsx"
import { isAdmin } from "../session.ts"
import { useFilters } from "../use-filters.ts"
import { useLoaded } from "../use-loaded.ts"

/** Which is nearest to its end is known of those that are loaded: all, where there are no more. */
const MOST = 5_000
const RELOAD_MS = 15_000

export default function Budgets() {
  const { filters, setFilters } = useFilters()
  const { scope, subject } = filters
  const [step, setStep] = useState<BudgetStep>()
  const budgets = useLoaded(
    (abort) => list<Budget>("/admin/budgets", { query: { scope, subject }, wanted: MOST, abort }),
    [scope, subject],
    RELOAD_MS,
  )
  const close = () => setStep(undefined)

  return (
    <>
      <div class="head">
        <h1>Budgets</h1>
        {isAdmin.value && (
          <button type="button" onClick={() => setStep({ kind: "create" })}>
            Create a budget
          </button>
        )}
      </div>
      <div class="row filters">
        <Segments
          label="Whose budgets"
          options={[
            ["", "All"],
            ["gateway", "Gateway"],
            ["team", "Teams"],
            ["key", "Keys"],
            ["user", "Users"],
            ["tag", "Tags"],
          ]}
          chosen={scope ?? ""}
          choose={(scope) => setFilters({ scope, subject: undefined })}
        />
        {subject !== undefined && (
          <button type="button" class="plain" onClick={() => setFilters({ subject: undefined })}>
            Of <Text value={subject} longest={32} /> alone: show the others
          </button>
        )}
      </div>
      <Shown of={budgets}>
        {({ hasMore, rows }) => (
          <>
            {rows.length === 0 ? (
              <Notice title={scope === undefined ? "There are no budgets yet" : "There are no such budgets"}>
                A budget bounds what a key, a team, an end user, a tag or everybody together spends in a
                window: requests beyond it are refused.
              </Notice>
            ) : (
              <BudgetTable budgets={rows} choose={setStep} />
            )}
            {hasMore && <p class="hint more">These are the newest {MOST} budgets; there are more.</p>}
          </>
        )}
      </Shown>
      {step !== undefined && (
        <BudgetDialog
          step={step}
          close={close}
          done={() => {
            close()
            budgets.reload()
          }}
        />
      )}
    </>
  )
}

const TITLES = new Map(SCOPES)

const BudgetTable = ({
  budgets,
  choose,
}: {
  readonly budgets: ReadonlyArray<Budget>
  readonly choose: (step: BudgetStep) => void
}) => {
  const names = useNames(budgets.some(({ scope }) => scope === "key"))
  return (
    <Table
      caption="Budgets, those nearest to their end first"
      isOfCards
      rows={budgets.toSorted((a, b) => usedShare(b) - usedShare(a))}
      keyOf={({ id }) => String(id)}
      columns={[
        {
          title: "Whose",
          cell: ({ scope, subject }) => (
            <div class="key-name">
              {scope === "gateway" ? (
                <strong>Whole gateway</strong>
              ) : (
                <>
                  <small>{TITLES.get(scope)}</small>
                  <Subject scope={scope} subject={subject} name={names.get(subject)} />
                </>
              )}
            </div>
          ),
        },
        { title: "Spent", cell: (budget) => <BudgetBar budget={budget} /> },
        {
          title: "Alerts at",
          cell: ({ alert_percents }) =>
            alert_percents.length === 0 ? (
              <span class="hint">none</span>
            ) : (
              <span class="number">{alert_percents.map((percent) => `${percent}%`).join(" ")}</span>
            ),
        },
        { title: "Calendar", cell: ({ time_zone }) => <span class="hint">{time_zone}</span> },
        ...(isAdmin.value
          ? [
              {
                title: "Actions",
                cell: (budget: Budget) => <BudgetButtons budget={budget} choose={choose} />,
              },
            ]
          : []),
      ]}
    />
  )
}

const Subject = ({
  name,
  scope,
  subject,
}: {
  readonly scope: Budget["scope"]
  readonly subject: string
  readonly name: string | undefined
}) => {
  if (scope === "key")
    return (
      <a href={`/ui/keys/${subject}`}>
        <Text value={name ?? subject} longest={48} />
      </a>
    )
  if (scope === "team")
    return (
      <a href="/ui/teams">
        <Text value={subject} longest={48} />
      </a>
    )
  return <Text value={subject} longest={48} />
}

const MOST_NAMES = 1_000

/** Names of keys by their ids, of the newest; the others are known by their ids. */
const useNames = (isAsked: boolean): ReadonlyMap<string, string> => {
  const keys = useLoaded(
    async (abort) => (isAsked ? (await list<ApiKey>("/admin/keys", { wanted: MOST_NAMES, abort })).rows : []),
    [isAsked],
  )
  return new Map(keys.data?.map(({ id, name }) => [id, name]))
}
