import type { ComponentChildren } from "preact"

export interface Bar {
  readonly key: string
  readonly name: ComponentChildren
  /** Length beside the longest. */
  readonly value: number
  readonly text: ComponentChildren
}

/** A ranking: the longest bar is the first. */
export const Bars = ({
  bars,
  hint,
  title,
}: {
  readonly title: string
  readonly bars: ReadonlyArray<Bar>
  /** What has to be known to read it right. */
  readonly hint?: string | undefined
}) => {
  const longest = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE)
  return (
    <section class="panel">
      <h2>{title}</h2>
      {hint !== undefined && <p class="hint">{hint}</p>}
      {bars.length === 0 ? (
        <p class="hint">Nothing yet.</p>
      ) : (
        <ol class="bars">
          {bars.map(({ key, name, text, value }) => (
            <li key={key}>
              <span class="name">{name}</span>
              <span class="number">{text}</span>
              <meter value={value} max={longest} aria-hidden="true" />
            </li>
          ))}
        </ol>
      )}
    </section>
  )
}
