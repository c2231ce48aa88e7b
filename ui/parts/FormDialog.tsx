import { useSignal } from "@preact/signals"
import type { ComponentChildren } from "preact"
import { ApiError } from "../api.ts"
import { Dialog } from "./Dialog.tsx"
import { Notice } from "./Notice.tsx"

/** A dialog that changes something. It says why that was refused, and stays then: whoever opened it closes it. */
export const FormDialog = ({
  action,
  children,
  close,
  isDangerous = false,
  run,
  title,
}: {
  readonly title: string
  /** What its button says. */
  readonly action: string
  /** Has the focus begin on the way out. */
  readonly isDangerous?: boolean
  readonly run: () => Promise<void>
  readonly close: () => void
  readonly children: ComponentChildren
}) => {
  const fault = useSignal<string | undefined>(undefined)
  const isBusy = useSignal(false)

  const submit = async (event: Event) => {
    event.preventDefault()
    fault.value = undefined
    isBusy.value = true
    try {
      await run()
    } catch (error) {
      fault.value = error instanceof ApiError ? error.message : String(error)
    }
    isBusy.value = false
  }

  return (
    <Dialog title={title} onClose={close}>
      <form onSubmit={submit}>
        {children}
        {fault.value !== undefined && <Notice kind="fault" title={fault.value} />}
        <div class="actions">
          <button type="button" class="quiet" autofocus={isDangerous} onClick={close}>
            Cancel
          </button>
          <button type="submit" class={isDangerous ? "danger" : undefined} disabled={isBusy.value}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
