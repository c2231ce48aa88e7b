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

const PER = 1_000_000n

/** Price of one answer, rounded half up to the nano-dollar. Exact: products exceed 2^53, so BigInt. */
export const costOf = (price: Price | undefined, usage: Usage | null): Cost => {
  if (price === undefined) return { nanoUsd: null, reason: "unknown_model", priceVersion: null }
  if (usage === null) return { nanoUsd: null, reason: "missing_usage", priceVersion: priceVersion(price) }
  const total =
    BigInt(usage.inputTokens - usage.cachedTokens) * BigInt(price.inputNanoPer1M) +
    BigInt(usage.cachedTokens) * BigInt(price.cachedInputNanoPer1M) +
    BigInt(usage.outputTokens) * BigInt(price.outputNanoPer1M)
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
): number | undefined =>
  price && (inputTokens * price.inputNanoPer1M + outputTokens * price.outputNanoPer1M) / 1e6
