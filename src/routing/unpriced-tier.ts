import type { Price } from "../catalog/model.ts"
import { USUAL_TIERS } from "../domain/Usage.ts"

/** Claude's has a name of its own in a request. */
const USUAL: ReadonlySet<unknown> = new Set([...USUAL_TIERS, "standard_only", ""])

/** Fields that ask for an answer of another price, with what an answer says that it was made so. */
const asking = {
  service_tier: (tier: unknown) => (USUAL.has(tier) ? undefined : tier),
  // Claude's, which its usage names as tiers too.
  speed: (speed: unknown) => (speed === "standard" ? undefined : speed),
  inference_geo: (geo: unknown) => (geo === "us" ? geo : undefined),
} as const

type Request = Readonly<Record<string, unknown>>

const askedOf = (request: Request) =>
  Object.entries(asking).flatMap(([field, tierOf]) => {
    const tier = tierOf(request[field])
    return tier === null || tier === undefined ? [] : [{ field, tier }]
  })

/** Names the tier of an answer that is all that its request asks for, as prices do. */
const nameOf = (asked: ReturnType<typeof askedOf>): string => asked.map(({ tier }) => tier).join("-")

/** Names the service tiers of which an answer may be: of any part of what the request asks for. */
export const tiersOf = (request: Request): ReadonlyArray<string> => {
  const { inference_geo: geo, service_tier: tier, speed } = request
  // Nearly all requests.
  if (tier === undefined && speed === undefined && geo === undefined) return NONE
  let tiers: ReadonlyArray<ReturnType<typeof askedOf>> = [[]]
  for (const each of askedOf(request)) tiers = [...tiers, ...tiers.map((before) => [...before, each])]
  return tiers.slice(1).map(nameOf)
}

const NONE: ReadonlyArray<string> = []

/** Names the field by which a request asks for a service tier that the model's price does not know; undefined when none does. */
export const unpricedTier = (request: Request, price: Price | undefined): string | undefined => {
  if (price === undefined) return undefined
  const asked = askedOf(request)
  const isKnown = asked.every(({ tier }) => typeof tier === "string")
  return asked.length === 0 || (isKnown && Object.hasOwn(price.serviceTiers ?? {}, nameOf(asked)))
    ? undefined
    : asked[0]?.field
}
