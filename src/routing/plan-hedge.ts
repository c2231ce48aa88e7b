import type { Candidate, Hedge } from "./plan.ts"

/**
 * Plans the hedge of a request: the next that is well, has a price and is likely to answer in the time that was waited by then.
 * `lateRatio` is by how much the first one's prediction is exceeded when it is late; undefined = too little is known. A first
 * one that is not well is asked to hear how it is, which cutting its call would not tell.
 */
export const planHedge = (
  [first, ...others]: ReadonlyArray<Candidate>,
  lateRatio: number | undefined,
): Hedge | undefined => {
  if (first === undefined || first.tier > 0 || lateRatio === undefined) return undefined
  const afterMs = first.expectedMs * lateRatio
  const candidate = others.find(
    ({ expectedMs, expectedNanoUsd, tier }) =>
      tier === 0 && expectedNanoUsd !== undefined && expectedMs <= afterMs,
  )
  return candidate && { first, candidate, afterMs }
}
