import { NanoUsd } from "../domain/Money.ts"
import type { Usage } from "../domain/Usage.ts"
import { dayOf, type Price, type PriceRow } from "./model.ts"
import { priceAt } from "./price-history.ts"

/** Why a cost is unknown. Unknown is null, never 0. */
type UnpricedReason = "unknown_model" | "missing_usage" | "unknown_service_tier"

export type Cost =
  | { readonly nanoUsd: NanoUsd; readonly reason: null; readonly priceVersion: string }
  | { readonly nanoUsd: null; readonly reason: UnpricedReason; readonly priceVersion: string | null }

/** Stands for the price row of a cost that the provider itself reported. */
const REPORTED = "provider"

/** Names the price row that a cost was computed from, stored beside it: its source, when it was read and since when it holds. */
export const priceVersion = ({ source, asOf, validFrom }: PriceRow): string =>
  validFrom === undefined ? `${source}@${asOf}` : `${source}@${asOf} from ${dayOf(validFrom)}`

type Rates = Omit<NonNullable<PriceRow["longContext"]>, "aboveTokens">

/** Returns the prices of a request with so many input tokens: one band holds for all of its tokens. */
const ratesFor = (price: PriceRow, inputTokens: number): Rates =>
  price.longContext !== undefined && inputTokens > price.longContext.aboveTokens ? price.longContext : price

const PER = 1_000_000n

/** Factors of service tiers are kept to this part. */
const FACTOR_PARTS = 1_000_000

/** Returns the factor of a tier in parts; undefined where a row that knows tiers does not know this one. */
const tierFactor = ({ serviceTiers }: PriceRow, tier: string | undefined): number | undefined => {
  if (tier === undefined || serviceTiers === undefined) return FACTOR_PARTS
  // The provider names it: what every object has is no tier.
  const factor = Object.hasOwn(serviceTiers, tier) ? serviceTiers[tier] : undefined
  return factor === undefined ? undefined : Math.round(factor * FACTOR_PARTS)
}

/**
 * Price of one answer, rounded half up to the nano-dollar, by the row that held when its request started (epoch
 * milliseconds). Exact: products exceed 2^53, so BigInt. What the provider itself reports is believed.
 */
export const costOf = (history: Price | undefined, usage: Usage | null, startedAt: number): Cost => {
  if (usage?.reportedNanoUsd !== undefined) {
    return { nanoUsd: NanoUsd.make(usage.reportedNanoUsd), reason: null, priceVersion: REPORTED }
  }
  const price = priceAt(history, startedAt)
  if (price === undefined) return { nanoUsd: null, reason: "unknown_model", priceVersion: null }
  if (usage === null) return { nanoUsd: null, reason: "missing_usage", priceVersion: priceVersion(price) }
  const { inputTokens, cachedTokens, cacheWriteTokens, outputTokens, serviceTier } = usage
  const factor = tierFactor(price, serviceTier)
  if (factor === undefined) {
    return { nanoUsd: null, reason: "unknown_service_tier", priceVersion: priceVersion(price) }
  }
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
  const per = factor === FACTOR_PARTS ? PER : PER * BigInt(FACTOR_PARTS)
  if (factor !== FACTOR_PARTS) total *= BigInt(factor)
  return {
    nanoUsd: NanoUsd.make(Number((total + per / 2n) / per)),
    reason: null,
    priceVersion: priceVersion(price),
  }
}

/** Expected price before the call, in nano-dollars; undefined when the model has no price. */
export const expectedCost = (
  history: Price | undefined,
  inputTokens: number,
  outputTokens: number,
  nowMs: number,
): number | undefined => {
  const price = priceAt(history, nowMs)
  if (price === undefined) return undefined
  const { inputNanoPer1M, outputNanoPer1M } = ratesFor(price, inputTokens)
  return (inputTokens * inputNanoPer1M + outputTokens * outputNanoPer1M) / 1e6
}
