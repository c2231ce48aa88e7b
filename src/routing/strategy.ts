/** A route's own order of its candidates. Pure: the one place that knows what each strategy means. */
import type { RouteConfig, Strategy } from "../config/GatewayConfig.ts"
import type { Tier, Weights } from "./score.ts"

export interface Rules
  extends Pick<
    RouteConfig,
    "strategy" | "weights" | "exploration" | "hysteresis" | "hedge" | "parameters" | "saveFrom"
  > {
  /** `provider/model` -> place in the order as written; candidates first, then those for longer prompts. */
  readonly places: ReadonlyMap<string, number>
  /** `provider/model` -> weight in the draw; only of weighted routes. */
  readonly shares: ReadonlyMap<string, number>
}

export const rulesOf = (route: RouteConfig): Rules => {
  const { candidates, exploration, hedge, hysteresis, largerContext, parameters, strategy, weights } = route
  const { saveFrom } = route
  const places = new Map<string, number>()
  for (const { model, provider } of [...candidates, ...largerContext]) {
    places.set(`${provider}/${model}`, places.size)
  }
  const shares = new Map<string, number>()
  for (const { model, provider, weight = 0 } of candidates) {
    if (weight > 0) shares.set(`${provider}/${model}`, weight)
  }
  return {
    ...{ strategy, weights, exploration, hysteresis, parameters, places, shares },
    ...(hedge && { hedge }),
    ...(saveFrom !== undefined && { saveFrom }),
  }
}

/** Returns the weights of a request of whose budget so much is used up. */
export const weightsAt = (
  { saveFrom, weights }: Pick<Rules, "saveFrom" | "weights">,
  used: number,
): Weights => {
  if (saveFrom === undefined || used <= saveFrom) return weights
  const latency = Math.max(0, (weights.latency * (1 - used)) / (1 - saveFrom))
  return { latency, cost: 1 - latency }
}

interface Placeable {
  /** `provider/model`. */
  readonly key: string
  readonly tier: Tier
}

/** Why a candidate is the first. */
interface Choice {
  readonly by: "score" | "cost" | "latency" | "priority" | "weight"
  /** Chance with which it was drawn; 1 when nothing was drawn. */
  readonly probability: number
}

/** Of strategies that nothing is drawn for. Those that compare one thing are scores that count nothing else. */
const choices: Readonly<Record<Strategy, Choice>> = {
  score: { by: "score", probability: 1 },
  cheapest: { by: "cost", probability: 1 },
  fastest: { by: "latency", probability: 1 },
  priority: { by: "priority", probability: 1 },
  weighted: { by: "score", probability: 1 },
}

/** Tells that the order is by what is predicted, so that a leader may be kept and another one explored. */
export const isByPrediction = (strategy: Strategy): boolean =>
  strategy === "score" || strategy === "cheapest" || strategy === "fastest"

/**
 * Puts candidates, which come by tier and then by score, in the order that the route wants; a worse tier stays behind a
 * better one. `draw` gives a number from 0 to 1, and is asked at most once.
 */
export const arrange = <C extends Placeable>(
  candidates: Array<C>,
  { places, shares, strategy }: Rules,
  draw: () => number,
): Choice => {
  if (strategy === "priority") {
    const placeOf = ({ key }: C) => places.get(key) ?? places.size
    candidates.sort((a, b) => a.tier - b.tier || placeOf(a) - placeOf(b))
  }
  return (strategy === "weighted" ? drawFirst(candidates, shares, draw) : undefined) ?? choices[strategy]
}

/** Moves one of the best tier to the front, by chance; undefined when none of them has a share. */
const drawFirst = <C extends Placeable>(
  candidates: Array<C>,
  shares: Rules["shares"],
  draw: () => number,
): Choice | undefined => {
  const best = candidates[0]?.tier
  const shareOf = ({ key, tier }: C) => (tier === best ? (shares.get(key) ?? 0) : 0)
  let sum = 0
  for (const candidate of candidates) sum += shareOf(candidate)
  if (sum === 0) return undefined
  let left = draw() * sum
  const drawn = candidates.findIndex((candidate) => {
    left -= shareOf(candidate)
    return left < 0
  })
  // Sums of fractions may leave a rest: it is the last one's.
  const index = drawn >= 0 ? drawn : candidates.findLastIndex((candidate) => shareOf(candidate) > 0)
  const [first] = candidates.splice(index, 1)
  if (first === undefined) return undefined
  candidates.unshift(first)
  return { by: "weight", probability: shareOf(first) / sum }
}
