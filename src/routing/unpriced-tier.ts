import type { Price } from "../catalog/model.ts"
import { USUAL_TIERS } from "../domain/Usage.ts"

/** Fields that ask for an answer of another price, with what an answer says that it was made so. */
const asking = {
  service_tier: (tier: unknown) => (USUAL_TIERS.has(tier) ? undefined : tier),
  // Claude's, which its usage names as tiers too.
  speed: (speed: unknown) => (speed === "standard" ? undefined : speed),
  inference_geo: (geo: unknown) => (geo === "us" ? geo : undefined),
} as const

/** Names the field by which a request asks for a service tier that the model's price does not know; undefined when none does. */
export const unpricedTier = (
  request: Readonly<Record<string, unknown>>,
  price: Price | undefined,
): string | undefined => {
  if (price === undefined) return undefined
  const known = price.serviceTiers ?? {}
  const asked = Object.entries(asking).flatMap(([field, tierOf]) => {
    const tier = tierOf(request[field])
    return tier === null || tier === undefined ? [] : [{ field, tier }]
  })
  const isKnown = asked.every(({ tier }) => typeof tier === "string")
  return isKnown && Object.hasOwn(known, asked.map(({ tier }) => tier).join("-"))
    ? undefined
    : asked[0]?.field
}
