import { NanoUsd } from "../domain/Money.ts"
import type { Usage } from "../domain/Usage.ts"
import type { Price } from "./model.ts"

/** Why a cost is unknown. Unknown is null, never 0. */
type UnpricedReason = "unknown_model" | "missing_usage"

export type Cost =
  | { readonly nanoUsd: NanoUsd; readonly reason: null; readonly priceVersion: string }
  | { readonly nanoUsd: null; readonly reason: UnpricedReason; readonly priceVersion: string | null }

/** Names the price row that a cost was computed from, stored beside it. */
export const priceVersion = (price: Price): string => `${price.source}@${price.asOf}`

type Rates = Omit<NonNullable<Price["longContext"]>, "aboveTokens">

/** Returns the prices of a request with so many input tokens: one band holds for all of its tokens. */
const ratesFor = (price: Price, inputTokens: number): Rates =>
  price.longContext !== undefined && inputTokens > price.longContext.aboveTokens ? price.longContext : price

const PER = 1_000_000n

/** Price of one answer, rounded half up to the nano-dollar. Exact: products exceed 2^53, so BigInt. */
export const costOf = (price: Price | undefined, usage: Usage | null): Cost => {
  if (price === undefined) return { nanoUsd: null, reason: "unknown_model", priceVersion: null }
  if (usage === null) return { nanoUsd: null, reason: "missing_usage", priceVersion: priceVersion(price) }
  const { inputTokens, cachedTokens, cacheWriteTokens, outputTokens } = usage
  const { inputNanoPer1M, cachedInputNanoPer1M, cacheWriteNanoPer1M, outputNanoPer1M } = ratesFor(
    price,
    inputTokens,
  )
  let total =
    BigInt(inputTokens - cachedTokens - cacheWriteTokens) * BigInt(inputNanoPer1M) +
    BigInt(cachedTokens) * BigInt(cachedInputNanoPer1M ?? inputNanoPer1M) +
    BigInt(outputTokens) * BigInt(outputNanoPer1M)
  // Few vendors write to a cache, and a product costs what the other three do.
  if (cacheWriteTokens > 0) total += BigInt(cacheWriteTokens) * BigInt(cacheWriteNanoPer1M ?? inputNanoPer1M)
  return {
    nanoUsd: NanoUsd.make(Number((total + PER / 2n) / PER)),
    reason: null,
    priceVersion: priceVersion(price),
  }
}

/** Expected price before the call, in nano-dollars; undefined when the model has no price. */
export const expectedCost = (
  price: Price | undefined,
  inputTokens: number,
  outputTokens: number,
): number | undefined => {
  if (price === undefined) return undefined
  const { inputNanoPer1M, outputNanoPer1M } = ratesFor(price, inputTokens)
  return (inputTokens * inputNanoPer1M + outputTokens * outputNanoPer1M) / 1e6
}
