import type { ComponentChildren } from "preact"
import { useEffect, useId, useRef } from "preact/hooks"

/** A window over the page, with the browser's own keys and focus. There while it is rendered. */
export const Dialog = ({
  children,
  isKept = false,
  onClose,
  title,
}: {
  readonly title: string
  readonly onClose: () => void
  /** Whether it stays until one of its buttons is pressed. */
  readonly isKept?: boolean
  readonly children: ComponentChildren
}) => {
  const element = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const before = document.activeElement
    element.current?.showModal()
    // Gives the focus back, which the browser does for a dialog that is closed, not for one that goes away.
    return () => {
      if (before instanceof HTMLElement) before.focus()
    }
  }, [])
  return (
    <dialog ref={element} aria-labelledby={id} closedby={isKept ? "none" : undefined} onClose={onClose}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  )
}
