import { useState } from "preact/hooks"
import type { Team } from "../admin-types.ts"
import { send, withQuery } from "../api.ts"
import { changesOf, useTexts } from "../form-texts.ts"
import { count } from "../format.ts"
import { list } from "../listing.ts"
import { BudgetBars } from "../parts/BudgetBar.tsx"
import { BudgetDialog } from "../parts/BudgetForm.tsx"
import { Field } from "../parts/Field.tsx"
import { FormDialog } from "../parts/FormDialog.tsx"
import { LimitFields, limitReaders, limitTexts } from "../parts/LimitFields.tsx"
import { Limits } from "../parts/Limits.tsx"
import { Notice } from "../parts/Notice.tsx"
import { Shown } from "../parts/Shown.tsx"
import { Table } from "../parts/Table.tsx"
import { Text } from "../parts/Text.tsx"
import { Ago } from "../parts/Time.tsx"
import { isAdmin } from "../session.ts"
import { useLoaded } from "../use-loaded.ts"

const AT_ONCE = 500
const RELOAD_MS = 30_000

type Step =
  | { readonly kind: "create" }
  | { readonly kind: "change" | "delete" | "budget"; readonly team: Team }

export default function Teams() {
  const [wanted, setWanted] = useState(AT_ONCE)
  const [step, setStep] = useState<Step>()
  const teams = useLoaded((abort) => list<Team>("/admin/teams", { wanted, abort }), [wanted], RELOAD_MS)
  const close = () => setStep(undefined)
  const done = () => {
    close()
    teams.reload()
  }
  return (
    <>
      <div class="head">
        <h1>Teams</h1>
        {isAdmin.value && (
          <button type="button" onClick={() => setStep({ kind: "create" })}>
            Create a team
          </button>
        )}
      </div>
      <Shown of={teams}>
        {({ hasMore, rows }) => (
          <>
            {rows.length === 0 ? (
              <Notice title="There are no teams yet">
                The limits and budgets of a team hold for all of its keys together.
              </Notice>
            ) : (
              <TeamTable teams={rows} choose={setStep} />
            )}
            {hasMore && (
              <p class="more">
                <button type="button" class="plain" onClick={() => setWanted(wanted + AT_ONCE)}>
                  Load {AT_ONCE} more
                </button>
              </p>
            )}
          </>
        )}
      </Shown>
      {step?.kind === "create" && <CreateTeam close={close} done={done} />}
      {step?.kind === "change" && <ChangeTeam team={step.team} close={close} done={done} />}
      {step?.kind === "delete" && <DeleteTeam team={step.team} close={close} done={done} />}
      {step?.kind === "budget" && (
        <BudgetDialog
          step={{ kind: "create", scope: "team", subject: step.team.name }}
          close={close}
          done={done}
        />
      )}
    </>
  )
}

const TeamTable = ({
  choose,
  teams,
}: {
  readonly teams: ReadonlyArray<Team>
  readonly choose: (step: Step) => void
}) => (
  <Table
    caption="Teams by name"
    isOfCards
    rows={teams}
    keyOf={({ name }) => name}
    columns={[
      {
        title: "Team",
        cell: ({ name }) => (
          <strong class="key-name">
            <Text value={name} />
          </strong>
        ),
      },
      {
        title: "Working keys",
        isNumber: true,
        cell: ({ active_keys, name }) =>
          active_keys === 0 ? 0 : <a href={withQuery("/ui/keys", { q: name })}>{count(active_keys)}</a>,
      },
      { title: "Limits", cell: (team) => <Limits of={team} /> },
      {
        title: "Budgets",
        cell: (team) => (
          <>
            <BudgetBars budgets={team.budgets} />
            <div class="buttons more">
              {isAdmin.value && (
                <button
                  type="button"
                  class="plain"
                  aria-label={`Add a budget of ${team.name}`}
                  onClick={() => choose({ kind: "budget", team })}
                >
                  Add a budget
                </button>
              )}
              {team.budgets.length > 0 && (
                <a
                  class="button plain"
                  href={withQuery("/ui/budgets", { scope: "team", subject: team.name })}
                  aria-label={`Manage the budgets of ${team.name}`}
                >
                  Manage
                </a>
              )}
            </div>
          </>
        ),
      },
      { title: "Created", cell: ({ created_at }) => <Ago at={created_at} /> },
      ...(isAdmin.value
        ? [
            {
              title: "Actions",
              cell: (team: Team) => (
                <div class="buttons">
                  <button
                    type="button"
                    class="plain"
                    aria-label={`Change the limits of ${team.name}`}
                    onClick={() => choose({ kind: "change", team })}
                  >
                    Change
                  </button>
                  <button
                    type="button"
                    class="plain"
                    aria-label={`Delete ${team.name}`}
                    onClick={() => choose({ kind: "delete", team })}
                  >
                    Delete
                  </button>
                </div>
              ),
            },
          ]
        : []),
    ]}
  />
)

const NONE = "no limit"

interface DialogProps {
  readonly close: () => void
  readonly done: () => void
}

const CreateTeam = ({ close, done }: DialogProps) => {
  const texts = useTexts({ name: "", ...limitTexts() })
  const run = async () => {
    await send("POST", "/admin/teams", changesOf(texts, { name: String, ...limitReaders }))
    done()
  }
  return (
    <FormDialog title="Create a team" action="Create" run={run} close={close}>
      <Field
        label="Name"
        value={texts.now.name}
        required
        autofocus
        placeholder="search"
        hint="Letters, digits, dots, dashes and underscores. It stays."
      />
      <LimitFields texts={texts} none={NONE} />
    </FormDialog>
  )
}

const ChangeTeam = ({ close, done, team }: DialogProps & { readonly team: Team }) => {
  const texts = useTexts(limitTexts(team))
  const run = async () => {
    await send("PATCH", `/admin/teams/${team.name}`, changesOf(texts, limitReaders))
    done()
  }
  return (
    <FormDialog title={`Limits of ${team.name}`} action="Save" run={run} close={close}>
      <p class="hint">They hold for all keys of the team together.</p>
      <LimitFields texts={texts} none={NONE} />
    </FormDialog>
  )
}

const DeleteTeam = ({ close, done, team }: DialogProps & { readonly team: Team }) => {
  const run = async () => {
    await send("DELETE", `/admin/teams/${team.name}`)
    done()
  }
  return (
    <FormDialog title={`Delete ${team.name}?`} action="Delete" isDangerous run={run} close={close}>
      <p>Its limits go. Keys and budgets have to be gone before, and usage stays in the analytics.</p>
    </FormDialog>
  )
}
