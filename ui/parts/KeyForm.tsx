import type { Signal } from "@preact/signals"
import type { ApiKey, IssuedKey, Team } from "../admin-types.ts"
import { send } from "../api.ts"
import { changesOf, instantOf, listOf, localText, type Texts, useTexts } from "../form-texts.ts"
import { list } from "../listing.ts"
import { useLoaded } from "../use-loaded.ts"
import { WINDOWS } from "./BudgetForm.tsx"
import { Choice, Field, TextArea } from "./Field.tsx"
import { FormDialog } from "./FormDialog.tsx"
import { LimitFields, limitReaders, limitTexts } from "./LimitFields.tsx"

const textsOf = (key?: ApiKey) => ({
  name: key?.name ?? "",
  team: key?.team ?? "",
  tags: key?.tags.join(", ") ?? "",
  models: key?.models?.join("\n") ?? "",
  ...limitTexts(key),
  expires_at: localText(key?.expires_at ?? null),
  may_issue: key?.may_issue === true ? "yes" : "",
})

type KeyTexts = Texts<keyof ReturnType<typeof textsOf>>

const asItIs = (text: string): string => text

const readers = {
  name: asItIs,
  team: asItIs,
  tags: listOf,
  models: listOf,
  ...limitReaders,
  expires_at: instantOf,
  may_issue: asItIs,
}

const bodyOf = (texts: KeyTexts): Readonly<Record<string, unknown>> => {
  const { may_issue, ...body } = changesOf(texts, readers)
  return may_issue === undefined ? body : { ...body, may_issue: may_issue === "yes" }
}

/** A form for a new key, which comes back whole. */
export const CreateKey = ({
  close,
  created,
}: {
  readonly close: () => void
  readonly created: (key: IssuedKey) => void
}) => {
  const texts = useTexts(textsOf())
  const budget = useTexts({ usd: "", window: "month" }).now
  const run = async () => {
    const usd = budget.usd.value.trim()
    const bound = usd === "" ? {} : { budget_usd: Number(usd), budget_window: budget.window.value }
    created(await send<IssuedKey>("POST", "/admin/keys", { ...bodyOf(texts), ...bound }))
  }
  return (
    <FormDialog title="Create a key" action="Create" run={run} close={close}>
      <Field label="Name" value={texts.now.name} required autofocus placeholder="billing-service" />
      <TeamChoice team={texts.now.team} />
      <div class="pair">
        <Field label="Budget in USD" value={budget.usd} type="number" min={0} step="any" placeholder="none" />
        <Choice label="Budget window" value={budget.window} options={WINDOWS} />
      </div>
      <LimitFields texts={texts} none="the default" />
      <details>
        <summary>Tags, models, expiry, keys of its own</summary>
        <LessUsual texts={texts} />
      </details>
    </FormDialog>
  )
}

/** A form of all that can change about a key, but its budgets. Sends what was changed. */
export const ChangeKey = ({
  apiKey,
  changed,
  close,
}: {
  readonly apiKey: ApiKey
  readonly close: () => void
  readonly changed: () => void
}) => {
  const texts = useTexts(textsOf(apiKey))
  const run = async () => {
    await send("PATCH", `/admin/keys/${apiKey.id}`, bodyOf(texts))
    changed()
  }
  return (
    <FormDialog title="Change the key" action="Save" run={run} close={close}>
      <Field label="Name" value={texts.now.name} required autofocus />
      <TeamChoice team={texts.now.team} />
      <LimitFields texts={texts} none="the default" />
      <LessUsual texts={texts} />
    </FormDialog>
  )
}

const MOST_TEAMS = 1_000

const TeamChoice = ({ team }: { readonly team: Signal<string> }) => {
  const teams = useLoaded((abort) => list<Team>("/admin/teams", { wanted: MOST_TEAMS, abort }), [])
  const names = new Set(teams.data?.rows.map(({ name }) => name))
  if (team.value !== "") names.add(team.value)
  return (
    <Choice
      label="Team"
      value={team}
      options={[["", "no team"], ...[...names].map((name) => [name, name] as const)]}
    />
  )
}

const LessUsual = ({ texts: { now } }: { readonly texts: KeyTexts }) => (
  <div class="form">
    <Field
      label="Tags"
      value={now.tags}
      placeholder="prod, eu"
      hint="Of every request with the key, apart by commas"
    />
    <TextArea label="Models that it may use, one on a line" value={now.models} rows={2} placeholder="all" />
    <Field
      label="Expires"
      value={now.expires_at}
      type="datetime-local"
      hint="In your time zone. Empty: never."
    />
    <Check label="May issue short-lived keys of its own" value={now.may_issue} />
  </div>
)

const Check = ({ label, value }: { readonly label: string; readonly value: Signal<string> }) => (
  <label class="check">
    <input
      type="checkbox"
      checked={value.value === "yes"}
      onChange={({ currentTarget }) => {
        value.value = currentTarget.checked ? "yes" : ""
      }}
    />
    {label}
  </label>
)
