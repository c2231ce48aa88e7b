/** What deliberately deviates from the order by tier and score. */
import type { Candidate } from "./plan.ts"

export const moveToFront = (candidates: Array<Candidate>, index: number): void => {
  candidates.unshift(...candidates.splice(index, 1))
}

/**
 * Moves the route's leader back to the front unless it was beaten by the margin or fell to a worse tier. True when
 * that changed the order. A leader that this request cannot use (allow-list, size) stays leader for the others.
 */
export const keepIncumbent = (
  candidates: Array<Candidate>,
  incumbents: Map<string, string>,
  route: string,
  hysteresis: number,
): boolean => {
  const best = candidates[0]
  if (best === undefined) return false
  const incumbentKey = incumbents.get(route)
  if (incumbentKey === undefined) {
    incumbents.set(route, best.key)
    return false
  }
  const index = candidates.findIndex((candidate) => candidate.key === incumbentKey)
  const incumbent = candidates[index]
  if (index <= 0 || incumbent === undefined) return false
  if (best.tier < incumbent.tier || best.score < incumbent.score * (1 - hysteresis)) {
    incumbents.set(route, best.key)
    return false
  }
  moveToFront(candidates, index)
  return true
}

/** Candidates behind the first that are not tripped. The order keeps tripped ones last, so they are a prefix. */
export const countExplorable = (candidates: ReadonlyArray<Candidate>): number => {
  let count = 0
  while ((candidates[count + 1]?.tier ?? 2) < 2) count++
  return count
}

/**
 * Finds a candidate behind the first that this request should probe: only when the first is well, and there is time to
 * fall back on it. Returns its position, or -1.
 */
export const findProbe = (
  candidates: ReadonlyArray<Candidate>,
  remainingMs: number,
  offersProbe: (key: string) => boolean,
): number => {
  const [first] = candidates
  if (first === undefined || first.tier > 0) return -1
  return candidates.findIndex(
    ({ key, patienceMs }, position) =>
      position > 0 && patienceMs + first.expectedMs <= remainingMs && offersProbe(key),
  )
}
