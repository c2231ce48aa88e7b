import { useSignal } from "@preact/signals"
import { withQuery } from "../api.ts"
import { chosenKey } from "../chosen-key.ts"
import {
  clientAddress,
  isAddress,
  isKey,
  isModelName,
  likelyAddress,
  typedAddress,
} from "../client-address.ts"
import { clients, type Place } from "../clients.ts"
import { Snippet } from "../parts/Copy.tsx"
import { Field } from "../parts/Field.tsx"
import { ModelField } from "../parts/ModelField.tsx"
import { Notice } from "../parts/Notice.tsx"
import { Prose } from "../parts/Prose.tsx"
import { session } from "../session.ts"
import { useFilters } from "../use-filters.ts"
import { useModelNames } from "../use-model-names.ts"

const SOME_KEY = "gwk_…"

/** Tells keys apart and lets nobody use one. */
const masked = (key: string): string => `${key.slice(0, "gwk_".length + 6)}${"•".repeat(12)}`

export default function Connect() {
  const model = useSignal("auto")
  const isKeyShown = useSignal(false)
  const names = useModelNames(chosenKey.value)
  const key = isKey(chosenKey.value) ? chosenKey.value : SOME_KEY
  const place: Place = {
    address: clientAddress.value,
    key,
    model: isModelName(model.value) ? model.value : "auto",
  }
  const shown = key === SOME_KEY || isKeyShown.value ? place : { ...place, key: masked(key) }

  return (
    <>
      <div class="head">
        <h1>Connect</h1>
      </div>
      {session.value?.serves_clients === false && (
        <Notice title="Applications reach this gateway on another port">
          This page is on the operators' port. Enter the address that applications use.
        </Notice>
      )}
      <form
        class="panel place"
        aria-label="What stands in the set-ups"
        onSubmit={(event) => event.preventDefault()}
      >
        <Field
          label="Address"
          placeholder={likelyAddress.value}
          value={typedAddress}
          hint="Where applications reach the gateway; empty: as shown"
          fault={
            typedAddress.value === "" || isAddress(typedAddress.value)
              ? undefined
              : "An address is like https://gateway.example.com"
          }
        />
        <div class="field with-button">
          <Field
            label="API key"
            type="password"
            autocomplete="off"
            placeholder={SOME_KEY}
            value={chosenKey}
            hint={
              <>
                Stays in this tab. <a href="/ui/keys">Make one</a> for each application
              </>
            }
            fault={
              chosenKey.value === "" || isKey(chosenKey.value)
                ? names.error?.message
                : "An API key begins with gwk_"
            }
          />
          {key !== SOME_KEY && (
            <button
              type="button"
              class="plain"
              aria-pressed={isKeyShown}
              onClick={() => {
                isKeyShown.value = !isKeyShown.value
              }}
            >
              {isKeyShown.value ? "Hide the key" : "Show the key"}
            </button>
          )}
        </div>
        <ModelField names={names.data} value={model} />
      </form>
      <SetUp place={place} shown={shown} />
    </>
  )
}

/** How one client is set up. `shown` is what is seen of what is copied. */
const SetUp = ({ place, shown }: { readonly place: Place; readonly shown: Place }) => {
  const { filters } = useFilters()
  const client = clients.find(({ id }) => id === filters.client) ?? clients[0]
  return (
    <div class="connect">
      <nav aria-label="Clients">
        {clients.map(({ id, name }) => (
          <a
            key={id}
            href={withQuery("/ui/connect", { client: id })}
            aria-current={id === client?.id ? "page" : undefined}
          >
            {name}
          </a>
        ))}
      </nav>
      {client !== undefined && (
        <section class="panel">
          <h2>{client.name}</h2>
          <p class="hint">Speaks {client.dialects}.</p>
          {client.steps.map(({ text, title }) => (
            <Snippet key={title} title={title} text={text(place)} shown={text(shown)} />
          ))}
          {client.notes !== undefined && (
            <ul class="hint">
              {client.notes.map((note) => (
                <li key={note}>
                  <Prose text={note} />
                </li>
              ))}
            </ul>
          )}
        </section>
      )}
    </div>
  )
}
