import { Schema } from "effect"
import { priceVersion } from "../catalog/cost.ts"
import { dayOf, PriceRow } from "../catalog/model.ts"
import { type LayeredRow, layered, type PriceLayers } from "../catalog/price-history.ts"
import { RATES } from "../catalog/price-jumps.ts"
import { toUsd } from "../domain/Money.ts"

/** What a model costs and who says so, for people and for scripts. */

const encode = Schema.encodeSync(PriceRow)

type State = "holds" | "held" | "will hold" | "overridden"

const stateOf = ({ overriddenBy, row, until }: LayeredRow, nowMs: number): State => {
  if (overriddenBy !== undefined) return "overridden"
  if (row.validFrom !== undefined && row.validFrom > nowMs) return "will hold"
  return until !== undefined && until <= nowMs ? "held" : "holds"
}

/** Returns the row that holds now; undefined when none does. */
export const rowNow = (layers: PriceLayers, nowMs: number): LayeredRow | undefined =>
  layered(layers).find((each) => stateOf(each, nowMs) === "holds")

/** Returns a row with its layer and state, its prices as a file would state them. */
export const rowJson = (each: LayeredRow, nowMs: number) => ({
  layer: each.layer,
  state: stateOf(each, nowMs),
  ...(each.overriddenBy !== undefined && { overridden_by: each.overriddenBy }),
  ...(each.until !== undefined && { until: dayOf(each.until) }),
  price_version: priceVersion(each.row),
  ...encode(each.row),
})

const rates = (of: Omit<NonNullable<PriceRow["bands"]>[number], "aboveTokens">): string =>
  RATES.flatMap(([rate, what]) => {
    const nano = of[rate]
    return nano === undefined ? [] : `${what} ${toUsd(nano)}`
  }).join(", ")

const span = ({ row, until }: LayeredRow): string =>
  [
    row.validFrom === undefined ? "" : ` from ${dayOf(row.validFrom)}`,
    until === undefined ? "" : ` until ${dayOf(until)}`,
  ].join("")

/** Returns the lines of one row. */
export const rowText = (each: LayeredRow, nowMs: number): ReadonlyArray<string> => {
  const { layer, overriddenBy, row } = each
  const state = overriddenBy === undefined ? stateOf(each, nowMs) : `overridden by ${overriddenBy}`
  const calls = [
    ["request", row.requestNano],
    ["web search", row.webSearchNano],
    ["file search", row.fileSearchNano],
  ].flatMap(([what, nano]) => (typeof nano === "number" ? `${what} ${toUsd(nano)} USD` : []))
  const tiers = Object.entries(row.serviceTiers ?? {}).map(([tier, factor]) => `${tier} x ${factor}`)
  return [
    `  ${layer}: ${state}${span(each)}`,
    `    ${rates(row)} USD per million tokens`,
    ...(row.bands ?? []).map((band) => `    above ${band.aboveTokens} input tokens: ${rates(band)}`),
    ...(calls.length > 0 ? [`    ${calls.join(", ")}`] : []),
    ...(row.serviceTiers === undefined
      ? []
      : [`    service tiers: ${[...tiers, "others unknown"].join(", ")}`]),
    `    price version: ${priceVersion(row)}`,
  ]
}
