import { useState } from "preact/hooks"
import type { ApiKey, IssuedKey } from "../admin-types.ts"
import { send } from "../api.ts"
import { useTexts } from "../form-texts.ts"
import { issuedKey } from "../issued-key.ts"
import { Choice, Field } from "./Field.tsx"
import { FormDialog } from "./FormDialog.tsx"
import { ChangeKey } from "./KeyForm.tsx"
import { Text } from "./Text.tsx"

/** What can be done with a key that is not revoked. */
export const KeyActions = ({
  apiKey,
  changed,
}: {
  readonly apiKey: ApiKey
  readonly changed: () => void
}) => {
  const [open, setOpen] = useState<"change" | "rotate" | "revoke">()
  const close = () => setOpen(undefined)
  const closeChanged = () => {
    close()
    changed()
  }
  return (
    <div class="row">
      <button type="button" class="quiet" onClick={() => setOpen("change")}>
        Change
      </button>
      <button type="button" class="quiet" onClick={() => setOpen("rotate")}>
        Rotate
      </button>
      <button type="button" class="quiet bad" onClick={() => setOpen("revoke")}>
        Revoke
      </button>
      {open === "change" && <ChangeKey apiKey={apiKey} close={close} changed={closeChanged} />}
      {open === "rotate" && (
        <Rotate
          apiKey={apiKey}
          close={close}
          rotated={(key) => {
            close()
            issuedKey.value = key
            changed()
          }}
        />
      )}
      {open === "revoke" && <Revoke apiKey={apiKey} close={close} revoked={closeChanged} />}
    </div>
  )
}

const SECONDS: Readonly<Record<string, number>> = { seconds: 1, minutes: 60, hours: 3_600, days: 86_400 }

const Rotate = ({
  apiKey,
  close,
  rotated,
}: {
  readonly apiKey: ApiKey
  readonly close: () => void
  readonly rotated: (key: IssuedKey) => void
}) => {
  const { now } = useTexts({ grace: "1", unit: "hours" })
  const run = async () => {
    const grace_seconds = Number(now.grace.value) * (SECONDS[now.unit.value] ?? 1)
    rotated(await send<IssuedKey>("POST", `/admin/keys/${apiKey.id}/rotate`, { grace_seconds }))
  }
  return (
    <FormDialog title="Rotate the key" action="Rotate" run={run} close={close}>
      <p>
        <Text value={apiKey.name} /> gets a new secret, which is shown once. Its id, limits, budgets and usage
        stay. The secret that it has now works on for a while, so that applications can change over.
      </p>
      <div class="pair">
        <Field
          label="The present secret works for another"
          value={now.grace}
          type="number"
          min={0}
          step={1}
          required
          autofocus
          hint="0 ends it at once"
        />
        <Choice
          label="Unit"
          value={now.unit}
          options={Object.keys(SECONDS).map((unit) => [unit, unit] as const)}
        />
      </div>
    </FormDialog>
  )
}

const Revoke = ({
  apiKey,
  close,
  revoked,
}: {
  readonly apiKey: ApiKey
  readonly close: () => void
  readonly revoked: () => void
}) => {
  const run = async () => {
    await send("POST", `/admin/keys/${apiKey.id}/revoke`)
    revoked()
  }
  return (
    <FormDialog title="Revoke the key?" action="Revoke for good" isDangerous run={run} close={close}>
      <p>
        Within a second every gateway refuses requests with <Text value={apiKey.name} />, and with each key
        that it issued. There is no way back: applications need another key. Usage and costs stay in the
        analytics.
      </p>
    </FormDialog>
  )
}
