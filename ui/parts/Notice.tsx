import type { ComponentChildren } from "preact"

/** Says something in place of what would be here, or about it. */
export const Notice = ({
  children,
  kind = "plain",
  title,
}: {
  readonly title: string
  readonly kind?: "plain" | "fault" | "good"
  readonly children?: ComponentChildren
}) => (
  <div class={`notice ${kind}`} role={kind === "fault" ? "alert" : "status"}>
    <strong>{title}</strong>
    {children !== undefined && <div>{children}</div>}
  </div>
)
