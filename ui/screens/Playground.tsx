import { useSignal } from "@preact/signals"
import { useEffect, useRef } from "preact/hooks"
import { callAsCode, type Language, languages } from "../call-as-code.ts"
import { chosenKey } from "../chosen-key.ts"
import { clientAddress } from "../client-address.ts"
import { Answer, Routed } from "../parts/Answer.tsx"
import { Snippet } from "../parts/Copy.tsx"
import { Field, TextArea } from "../parts/Field.tsx"
import { ModelField } from "../parts/ModelField.tsx"
import { Notice } from "../parts/Notice.tsx"
import { Segments } from "../parts/Segments.tsx"
import * as playground from "../playground.ts"
import { session } from "../session.ts"
import { useModelNames } from "../use-model-names.ts"

export default function Playground() {
  const isHere = session.value?.serves_clients !== false
  return (
    <>
      <div class="head">
        <h1>Playground</h1>
      </div>
      {!isHere && (
        <Notice title="Applications reach this gateway on another port">
          This page is on the operators' port, from which it cannot call their routes. Write the call here and
          run it elsewhere: <a href="/ui/connect">Connect</a> takes the address that stands in it.
        </Notice>
      )}
      <div class="playground">
        <Form isHere={isHere} />
        <div class="stack">
          {isHere && <Answered />}
          <AsCode />
        </div>
      </div>
    </>
  )
}

const Form = ({ isHere }: { readonly isHere: boolean }) => {
  const form = useRef<HTMLFormElement>(null)
  const names = useModelNames(chosenKey.value)
  const isRunning = playground.isRunning.value

  const submit = (event: Event) => {
    event.preventDefault()
    void playground.ask()
  }
  const submitByKeys = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && isHere && !isRunning) {
      form.current?.requestSubmit()
    }
  }
  return (
    <form ref={form} class="panel" aria-label="The call" onSubmit={submit} onKeyDown={submitByKeys}>
      {isHere && (
        <Field
          label="API key"
          type="password"
          autocomplete="off"
          required
          placeholder="gwk_…"
          value={chosenKey}
          hint={
            <>
              Stays in this tab. <a href="/ui/keys">Make one</a>
            </>
          }
          fault={names.error?.message}
        />
      )}
      <ModelField value={playground.model} names={names.data} />
      <TextArea label="System" rows={2} value={playground.system} placeholder="How to answer" />
      <Turns />
      <div class="row parameters">
        <Field
          label="Temperature"
          type="number"
          min={0}
          max={2}
          step="any"
          placeholder="the model's"
          value={playground.temperature}
        />
        <Field
          label="Max tokens"
          type="number"
          min={1}
          step={1}
          placeholder="the model's"
          value={playground.maxTokens}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={playground.isStreamed}
            onChange={({ currentTarget }) => {
              playground.isStreamed.value = currentTarget.checked
            }}
          />
          Stream
        </label>
      </div>
      {isHere && (
        <div class="row buttons">
          <button type="submit" disabled={isRunning}>
            Send
          </button>
          <button type="button" class="plain" disabled={!isRunning} onClick={playground.stop}>
            Stop
          </button>
          <span class="hint">or Ctrl and Enter</span>
        </div>
      )}
    </form>
  )
}

const names = { user: "User", assistant: "Assistant" } as const

const Turns = () => {
  const turns = playground.turns.value
  const element = useRef<HTMLDivElement>(null)
  const shown = useRef(turns.length)
  useEffect(() => {
    if (turns.length > shown.current)
      [...(element.current?.querySelectorAll("textarea") ?? [])].at(-1)?.focus()
    shown.current = turns.length
  }, [turns.length])
  return (
    <div class="turns" ref={element}>
      {turns.map(({ id, role, text }, index) => (
        <div class="turn" key={id}>
          <TextArea
            label={turns.length === 1 ? names[role] : `${names[role]} ${index + 1}`}
            rows={role === "user" ? 4 : 3}
            required
            value={text}
          />
          {turns.length > 1 && (
            <button
              type="button"
              class="plain"
              aria-label={`Remove ${names[role]} ${index + 1}`}
              onClick={() => {
                playground.turns.value = turns.filter((turn) => turn.id !== id)
              }}
            >
              Remove
            </button>
          )}
        </div>
      ))}
      <div class="row">
        {(["user", "assistant"] as const).map((role) => (
          <button
            key={role}
            type="button"
            class="plain"
            onClick={() => {
              playground.turns.value = [...turns, playground.newTurn(role)]
            }}
          >
            Add {role} message
          </button>
        ))}
      </div>
    </div>
  )
}

const Answered = () => {
  const run = playground.run.value
  if (run === undefined) {
    return (
      <section class="panel">
        <h2>Answer</h2>
        <p class="hint">
          Enter a key and a message, and send. The answer comes here as it is written, with what it took, what
          it cost, and why this model was asked.
        </p>
      </section>
    )
  }
  return (
    <>
      <section class="panel stack" aria-busy={playground.isRunning}>
        <h2>Answer</h2>
        <Answer of={run} />
        {run.text !== "" && !playground.isRunning.value && (
          <div>
            <button type="button" class="plain" onClick={playground.takeUpAnswer}>
              Go on from this answer
            </button>
          </div>
        )}
      </section>
      {run.answer !== undefined && <Routed of={run.answer} />}
    </>
  )
}

const AsCode = () => {
  const language = useSignal<Language>("curl")
  const title = languages.find(([id]) => id === language.value)?.[1] ?? ""
  return (
    <section class="panel">
      <div class="code-head">
        <h2>The same call as code</h2>
        <Segments
          label="Language"
          options={languages}
          chosen={language.value}
          choose={(id) => {
            language.value = id as Language
          }}
        />
      </div>
      <Snippet title={title} text={callAsCode(language.value, clientAddress.value, playground.body.value)} />
      <p class="hint">
        <code>LLM_GATEWAY_KEY</code> holds the API key.
      </p>
    </section>
  )
}
