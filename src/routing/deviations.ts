/** What deliberately deviates from the order by tier and score. */
import type { Candidate } from "./plan.ts"

/** Beyond it a call that is made to see how a candidate is says enough. */
const LEAST_TRIAL_MS = 1_500
const TRIAL_RATIO = 3

/** Has a candidate asked first that is not the best: it is waited for no longer than that is worth. */
export const tryFirst = (candidates: Array<Candidate>, index: number): void => {
  const tried = candidates[index]
  if (tried === undefined) return
  moveToFront(candidates, index)
  const patienceMs = Math.min(tried.patienceMs, Math.max(LEAST_TRIAL_MS, TRIAL_RATIO * tried.expectedMs))
  candidates[0] = { ...tried, patienceMs }
}

const moveToFront = (candidates: Array<Candidate>, index: number): void => {
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

/** A candidate that was asked so lately is known as well as it may be by half. */
const NEWS_HALF_LIFE_MS = 10_000
const MIN_COST = 0.05
/** Of a candidate that has hardly answered yet. */
const FIRST_CHANCE = 0.2
const MAX_CHANCE = 0.1
/** The share is so many times as much for a candidate without an answer, and twice as much for one with so many. */
const LITTLE_KNOWN = 100

/** What asking a candidate costs in its leader's place, as a share of the leader's score. Its chance falls as it grows. */
export const costOfExploring = (score: number, leaderScore: number): number =>
  Math.max(MIN_COST, (score - leaderScore) / leaderScore)

/**
 * The chance of each candidate, by position, to be asked first: the leader's, and those of others in its place to see how they
 * are now, so that all of these together cost no more than `share` of the score. Who is nearly as good is asked often, and who is far behind
 * seldom; tripped ones and those that were asked just now, not at all.
 */
export const explorationChances = (
  candidates: ReadonlyArray<Candidate>,
  share: number,
  askedMsAgo: (key: string) => number,
): ReadonlyArray<number> => {
  const [leader] = candidates
  if (leader === undefined || share === 0) return [1]
  let many = 0
  for (const { tier } of candidates) if (tier < 2) many += 1
  // But for the leader, who is no tripped one where anybody else may be explored.
  many = Math.max(1, many - 1)
  let left = 1
  const chances = candidates.map(({ answers, key, known, score, tier }, position) => {
    if (position === 0 || tier === 2) return 0
    const worth = share * (1 + LITTLE_KNOWN / (1 + answers))
    const chance = known
      ? Math.min(Math.max(MAX_CHANCE, share), worth / costOfExploring(score, leader.score)) *
        (1 - 2 ** (-askedMsAgo(key) / NEWS_HALF_LIFE_MS))
      : FIRST_CHANCE
    left -= chance / many
    return chance / many
  })
  chances[0] = left
  return chances
}

/** Draws a position by its chance. */
export const drawPosition = (chances: ReadonlyArray<number>, draw: () => number): number => {
  let left = draw()
  for (let position = 1; position < chances.length; position++) {
    left -= chances[position] ?? 0
    if (left < 0) return position
  }
  return 0
}

/**
 * Finds a candidate behind the first that this request should probe: only when the first is well, and there is time to
 * fall back on it. Returns its position, or -1.
 */
export const findProbe = (
  candidates: ReadonlyArray<Candidate>,
  remainingMs: number,
  offersProbe: (key: string, usualMs: number, gain: number) => boolean,
): number => {
  const [first] = candidates
  if (first === undefined || first.tier > 0) return -1
  return candidates.findIndex(
    ({ key, patienceMs, soundScore }, position) =>
      position > 0 &&
      patienceMs + first.expectedMs <= remainingMs &&
      offersProbe(key, first.expectedMs, (first.soundScore - soundScore) / first.soundScore),
  )
}
