import { type Price, type PriceRow, startOf } from "./model.ts"

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

/** Who says what a model costs, the strongest first: the YAML file, the last `prices update`, the built-in list. */
const LAYERS = ["file", "update", "built-in"] as const
type PriceLayer = (typeof LAYERS)[number]
export type PriceLayers = { readonly [Layer in PriceLayer]?: Price | undefined }

/** The data set that updates come from, and most built-in rows. */
const DATA_SET = "genai-prices"

/**
 * Returns what an update says: nothing where the built-in list was read on a later day, as after an upgrade, and nothing of a
 * price that was built in from elsewhere because the data set had not heard of it, until it has a row of that day or a later one.
 */
export const updatedPrice = (
  rows: ReadonlyArray<PriceRow>,
  builtIn: Price | undefined,
): Price | undefined => {
  if (builtIn === undefined) return priceOf(rows)
  const { asOf, source, validFrom = startOf(asOf) } = builtIn
  const news = rows.filter((row) => row.asOf >= asOf)
  const hasHeard = source.startsWith(DATA_SET) || news.some((row) => since(row) >= validFrom)
  return hasHeard ? priceOf(news) : undefined
}

/** A row that some layer states, and what has become of it. */
export interface LayeredRow {
  readonly layer: PriceLayer
  readonly row: PriceRow
  /** The stronger layer that holds on every day of this row. */
  readonly overriddenBy?: PriceLayer
  /** The next row takes over then, of whichever layer; absent: none does. */
  readonly until?: number
}

/** Lays the layers over each other: each holds from its own first day on, and what lies below until then. */
export const layered = (layers: PriceLayers): ReadonlyArray<LayeredRow> => {
  const found: Array<LayeredRow> = []
  let top: { readonly layer: PriceLayer; readonly since: number } | undefined
  let until: number | undefined
  for (const layer of LAYERS) {
    const rows = rowsOf(layers[layer])
    for (const row of rows) {
      if (top !== undefined && since(row) >= top.since) found.push({ layer, row, overriddenBy: top.layer })
      else {
        found.push({ layer, row, ...(until !== undefined && { until }) })
        until = row.validFrom
      }
    }
    const first = rows.at(-1)
    if (first !== undefined && (top === undefined || since(first) < top.since)) {
      top = { layer, since: since(first) }
    }
  }
  return found
}

/** Returns what holds of the layers. */
export const priceOfLayers = (layers: PriceLayers): Price | undefined =>
  priceOf(layered(layers).flatMap(({ overriddenBy, row }) => (overriddenBy === undefined ? row : [])))
