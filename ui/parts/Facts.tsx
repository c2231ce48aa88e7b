import type { ComponentChildren } from "preact"

/** What is known of one thing, line by line. */
export const Facts = ({ children }: { readonly children: ComponentChildren }) => (
  <dl class="facts">{children}</dl>
)

export const Fact = ({
  children,
  title,
}: {
  readonly title: string
  readonly children: ComponentChildren
}) => (
  <div>
    <dt>{title}</dt>
    <dd>{children}</dd>
  </div>
)
