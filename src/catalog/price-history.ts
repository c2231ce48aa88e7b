import type { Price, PriceRow } from "./model.ts"

/** Rows of one model over time: each holds from its first day (UTC) until the next one does. */

const holds = ({ validFrom }: PriceRow, atMs: number): boolean => validFrom === undefined || atMs >= validFrom

/** Returns the row that holds at a moment (epoch milliseconds); undefined when none does yet. */
export const priceAt = (price: Price | undefined, atMs: number): PriceRow | undefined =>
  price === undefined || holds(price, atMs) ? price : price.earlier?.find((row) => holds(row, atMs))

const since = ({ validFrom = Number.NEGATIVE_INFINITY }: PriceRow): number => validFrom

/** Makes one price of rows that each have another first day, in whatever order they come. */
export const priceOf = (rows: ReadonlyArray<PriceRow>): Price | undefined => {
  const [last, ...earlier] = rows.toSorted((a, b) => since(b) - since(a))
  return last === undefined || earlier.length === 0 ? last : { ...last, earlier }
}

/** Returns the rows of a price, latest first. */
export const rowsOf = (price: Price | undefined): ReadonlyArray<PriceRow> => {
  if (price === undefined) return []
  const { earlier = [], ...last } = price
  return [last, ...earlier]
}

/** Lays one price over another: it holds from its own first day on, and what lies below until then. */
export const laidOver = (upper: Price | undefined, lower: Price | undefined): Price | undefined => {
  const rows = rowsOf(upper)
  const first = rows.at(-1)
  return first === undefined
    ? lower
    : priceOf([...rows, ...rowsOf(lower).filter((row) => since(row) < since(first))])
}
