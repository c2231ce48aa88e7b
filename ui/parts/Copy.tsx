import { useSignal } from "@preact/signals"

/** A button that puts a text into the clipboard, and says so. */
export const Copy = ({ label = "Copy", text }: { readonly text: string; readonly label?: string }) => {
  const said = useSignal<string | undefined>(undefined)
  const copy = async ({ currentTarget }: { readonly currentTarget: HTMLElement }) => {
    const isCopied = await write(text, currentTarget).catch(() => false)
    said.value = isCopied ? "Copied" : "Select and copy it by hand"
    setTimeout(() => {
      said.value = undefined
    }, 2_000)
  }
  return (
    <button type="button" class="plain" onClick={copy}>
      <span aria-live="polite">{said.value ?? label}</span>
    </button>
  )
}

/** Writes into the clipboard. Without TLS a browser has no other way than to copy what is selected. */
const write = async (text: string, beside: HTMLElement): Promise<boolean> => {
  if (isSecureContext) return navigator.clipboard.writeText(text).then(() => true)
  const area = document.createElement("textarea")
  area.value = text
  area.className = "unseen"
  // Within the same dialog, beyond which nothing can be selected.
  beside.after(area)
  area.select()
  const isCopied = document.execCommand("copy")
  area.remove()
  beside.focus()
  return isCopied
}

/** A text to be copied, which is code. `shown` stands for it where not all of it is to be seen. */
export const Snippet = ({
  shown,
  text,
  title,
}: {
  readonly text: string
  readonly title: string
  readonly shown?: string
}) => (
  <figure class="snippet">
    <figcaption>
      {title} <Copy text={text} />
    </figcaption>
    {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it by keys */}
    <section tabIndex={0} aria-label={title}>
      <pre>
        <code>{shown ?? text}</code>
      </pre>
    </section>
  </figure>
)
