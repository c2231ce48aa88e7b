import { useSignal } from "@preact/signals"
import { ApiError, isSessionOver } from "./api.ts"
import { Field } from "./parts/Field.tsx"
import { Notice } from "./parts/Notice.tsx"
import { signIn, signInFault } from "./session.ts"

export const SignIn = () => {
  const token = useSignal("")
  const fault = useSignal(signInFault.value)
  const isBusy = useSignal(false)

  const submit = async (event: Event) => {
    event.preventDefault()
    isBusy.value = true
    try {
      await signIn(token.value.trim())
    } catch (error) {
      fault.value = error instanceof ApiError ? error.message : String(error)
    }
    isBusy.value = false
  }

  return (
    <main class="sign-in">
      <h1>LLM Inference Gateway</h1>
      {isSessionOver.value && fault.value === undefined && (
        <Notice title="The session is over">Sign in again to go on where you were.</Notice>
      )}
      <form onSubmit={submit}>
        <Field
          label="Admin token"
          type="password"
          autocomplete="off"
          required
          autofocus
          value={token}
          fault={fault.value}
        />
        <button type="submit" disabled={isBusy.value}>
          {isBusy.value ? "Signing in…" : "Sign in"}
        </button>
      </form>
      <p class="hint">
        The first start prints one, with a link that signs you in. Any other comes from{" "}
        <code>llm-gateway admin token --role viewer</code> (or <code>admin</code>), run where the gateway's
        settings are.
      </p>
    </main>
  )
}
