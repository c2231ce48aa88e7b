import type { Price } from "../catalog/model.ts"
import { USUAL_TIERS } from "../domain/Usage.ts"

/** Tells whether a request asks for a service tier whose price is not known where those of others are. */
export const asksUnpricedTier = (tier: unknown, price: Price | undefined): boolean => {
  const known = price?.serviceTiers
  if (known === undefined || tier === null || tier === undefined || USUAL_TIERS.has(tier)) return false
  return typeof tier !== "string" || !Object.hasOwn(known, tier)
}
