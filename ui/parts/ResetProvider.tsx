import { useSignal } from "@preact/signals"
import { send } from "../api.ts"
import { Dialog } from "./Dialog.tsx"
import { Text } from "./Text.tsx"

/** Asks before a provider's trouble is forgotten. */
export const ResetProvider = ({
  name,
  onClose,
}: {
  readonly name: string
  readonly onClose: (isReset: boolean) => void
}) => {
  const fault = useSignal<string | undefined>(undefined)
  const isBusy = useSignal(false)
  const submit = async (event: Event) => {
    event.preventDefault()
    isBusy.value = true
    try {
      await send("POST", `/admin/providers/${encodeURIComponent(name)}/reset`)
      onClose(true)
    } catch (error) {
      fault.value = error instanceof Error ? error.message : String(error)
      isBusy.value = false
    }
  }
  return (
    <Dialog title="Reset this provider?" onClose={() => onClose(false)}>
      <form onSubmit={submit}>
        <p>
          The gateway forgets the circuits, cooldowns and statistics of <Text value={name} />, and sends it
          traffic at once. If it is still down, requests pay for finding that out again.
        </p>
        {fault.value !== undefined && (
          <p class="fault" role="alert">
            {fault}
          </p>
        )}
        <div class="actions">
          <button type="button" class="plain" onClick={() => onClose(false)}>
            Leave it
          </button>
          <button type="submit" disabled={isBusy}>
            Reset
          </button>
        </div>
      </form>
    </Dialog>
  )
}
