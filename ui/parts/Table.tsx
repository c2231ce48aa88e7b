import type { ComponentChildren } from "preact"

export interface Column<Row> {
  readonly title: string
  /** Numbers stand under each other. */
  readonly isNumber?: boolean
  readonly cell: (row: Row) => ComponentChildren
}

/** Rows under titled columns, which scroll sideways where they do not fit. */
export const Table = <Row,>({
  caption,
  columns,
  isOfCards = false,
  keyOf,
  rows,
}: {
  readonly caption: string
  /** Whether on a phone each row is a card, with its titles beside what they are of. */
  readonly isOfCards?: boolean
  readonly columns: ReadonlyArray<Column<Row>>
  readonly keyOf: (row: Row) => string
  readonly rows: ReadonlyArray<Row>
}) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it by keys
  <section class={isOfCards ? "table cards" : "table"} tabIndex={0} aria-label={caption}>
    <table>
      <caption class="unseen">{caption}</caption>
      <thead>
        <tr>
          {columns.map(({ isNumber, title }) => (
            <th key={title} scope="col" class={isNumber ? "number" : undefined}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={keyOf(row)}>
            {columns.map(({ cell, isNumber, title }) => (
              <td key={title} class={isNumber ? "number" : undefined} data-title={title}>
                {cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  </section>
)
