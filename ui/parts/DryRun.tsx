import { useSignal } from "@preact/signals"
import { ApiError, send } from "../api.ts"
import { Decision, type RoutingDecision } from "./Decision.tsx"
import { Field, TextArea } from "./Field.tsx"
import { Notice } from "./Notice.tsx"

/** Tells who would be asked now, and why. Nobody is. */
export const DryRun = ({ names }: { readonly names: ReadonlyArray<string> }) => {
  const prompt = useSignal("")
  const model = useSignal("auto")
  const maxTokens = useSignal("")
  const outcome = useSignal<RoutingDecision | ApiError | undefined>(undefined)

  const submit = async (event: Event) => {
    event.preventDefault()
    const body = {
      model: model.value.trim() || "auto",
      prompt: prompt.value,
      ...(maxTokens.value !== "" && { max_tokens: Number(maxTokens.value) }),
    }
    outcome.value = await send<{ readonly decision: RoutingDecision }>(
      "POST",
      "/admin/routes/dry-run",
      body,
    ).then(
      ({ decision }) => decision,
      (error: unknown) => (error instanceof ApiError ? error : new ApiError(0, "unknown", String(error))),
    )
  }

  return (
    <section class="panel stack">
      <h2>What would happen now</h2>
      <form class="dry-run" onSubmit={submit}>
        <TextArea
          label="A prompt"
          rows={2}
          required
          placeholder="Nobody is asked: this tells who would be"
          value={prompt}
        />
        <Field label="Model or route" required list="model-names" value={model} />
        <datalist id="model-names">
          {names.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <Field
          label="Max tokens"
          type="number"
          min={1}
          step={1}
          placeholder="the model's"
          value={maxTokens}
        />
        <button type="submit">Show</button>
      </form>
      <div class="outcome" role="status">
        {outcome.value instanceof ApiError ? (
          <Notice kind="fault" title={outcome.value.message} />
        ) : (
          outcome.value !== undefined && <Decision of={outcome.value} />
        )}
      </div>
    </section>
  )
}
