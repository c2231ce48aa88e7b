import type { ComponentChildren } from "preact"

/** A word with a colour, which never says more than the word. */
export const Badge = ({
  children,
  kind = "plain",
  title,
}: {
  readonly kind?: "plain" | "good" | "warn" | "bad"
  readonly title?: string
  readonly children: ComponentChildren
}) => (
  <span class={`badge ${kind}`} title={title}>
    {children}
  </span>
)
