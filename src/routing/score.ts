/**
 * The order of candidates for one request: availability tier first, then one weighted sum of latency and cost,
 * both relative to the least of those in the best tier: what the others would take is not to be had. Pure, and free
 * of units: milliseconds or dollars may be scaled by any factor without changing a score.
 */

/** 0 healthy, 1 degraded, 2 tripped. A worse tier never beats a better one, so failing fast cannot score well. */
export type Tier = 0 | 1 | 2

export interface Scorable {
  readonly tier: Tier
  /** > 0 */
  readonly expectedMs: number
  /** >= 0, or undefined = unknown price. */
  readonly expectedNanoUsd: number | undefined
}

export interface Weights {
  readonly latency: number
  readonly cost: number
}

interface Ranking {
  /** By candidate position; lower is better, 1 is the best on both axes of the best tier (weights sum to 1). */
  readonly scores: ReadonlyArray<number>
  /** Candidate positions, best first. */
  readonly order: ReadonlyArray<number>
}

/** Keeps scores finite; beyond it candidates differ by the tie rules alone. */
const MAX_RATIO = 1e9

/**
 * Equal scores fall to the faster, then the cheaper, then the earlier in configuration order. The first two only
 * matter where rounding or the ratio limit hid a difference: a candidate worse on both axes is never preferred.
 */
export const rank = (candidates: ReadonlyArray<Scorable>, weights: Weights): Ranking => {
  let bestTier: Tier = 2
  for (const { tier } of candidates) if (tier < bestTier) bestTier = tier
  const costRatio = costRatios(candidates, bestTier)
  let minMs = Number.POSITIVE_INFINITY
  for (const { expectedMs, tier } of candidates) if (tier === bestTier) minMs = Math.min(minMs, expectedMs)
  const scored = candidates.map((candidate, position) => ({
    candidate,
    position,
    score:
      weights.latency * Math.min(candidate.expectedMs / minMs, MAX_RATIO) +
      weights.cost * costRatio(candidate.expectedNanoUsd),
  }))
  const scores = scored.map((entry) => entry.score)
  scored.sort(
    (a, b) =>
      a.candidate.tier - b.candidate.tier ||
      a.score - b.score ||
      a.candidate.expectedMs - b.candidate.expectedMs ||
      compareCost(a.candidate.expectedNanoUsd, b.candidate.expectedNanoUsd) ||
      a.position - b.position,
  )
  return { scores, order: scored.map((entry) => entry.position) }
}

/**
 * Ratio to the cheapest. When something is free no ratio to it exists: the free ones count 1 and every other
 * 1 plus its ratio to the cheapest that costs something. An unknown price counts as the worst known one, never
 * as free.
 */
const costRatios = (
  candidates: ReadonlyArray<Scorable>,
  bestTier: Tier,
): ((cost: number | undefined) => number) => {
  let smallestPositive = Number.POSITIVE_INFINITY
  let largest = 0
  let free = 0
  for (const { expectedNanoUsd: cost, tier } of candidates) {
    if (cost === undefined || tier !== bestTier) continue
    if (cost === 0) {
      free = 1
      continue
    }
    smallestPositive = Math.min(smallestPositive, cost)
    largest = Math.max(largest, cost)
  }
  const ratio = (cost: number): number =>
    cost === 0 ? 1 : Math.min(free + cost / smallestPositive, MAX_RATIO)
  const unknown = ratio(largest)
  return (cost) => (cost === undefined ? unknown : ratio(cost))
}

const compareCost = (a: number | undefined, b: number | undefined): number => {
  if (a === b) return 0
  if (a === undefined) return 1
  if (b === undefined) return -1
  return a - b
}
