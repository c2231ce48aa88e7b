import type { ComponentChildren } from "preact"

/** One number to be read at a glance. */
export const Tile = ({
  children,
  title,
  value,
}: {
  readonly title: string
  readonly value: ComponentChildren
  /** What it is beside. */
  readonly children?: ComponentChildren
}) => (
  <div class="tile">
    <dt>{title}</dt>
    <dd>
      <strong>{value}</strong>
      {children !== undefined && <small>{children}</small>}
    </dd>
  </div>
)

export const Tiles = ({ children }: { readonly children: ComponentChildren }) => (
  <dl class="tiles">{children}</dl>
)
