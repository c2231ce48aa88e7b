import { costOfExploring } from "../routing/deviations.ts"
import { rank, type Scorable, type Weights } from "../routing/score.ts"
import type { LoggedCandidate, LoggedRequest } from "./logged-request.ts"

/** What a route goes by in the policy that is tried. */
export interface NewRules {
  readonly strategy: LoggedRequest["strategy"]
  /** Those of strategies that compare what is predicted, also where it is one thing alone. */
  readonly weights: Weights
  /** True when a share of its requests explores. */
  readonly explores: boolean
  /** `provider/model` in the order written; undefined: those that a decision names. */
  readonly candidates: ReadonlyArray<string> | undefined
  /** The same of those for longer prompts, of which a decision only tells when they are needed. */
  readonly largerContext: ReadonlyArray<string>
  /** `provider/model` -> weight in the draw; only of weighted routes. */
  readonly shares: ReadonlyMap<string, number>
}

export interface NewPolicy {
  /** Returns the rules for a request. `unchanged`: it goes where it went; `no_route`: there is no such route any more. */
  readonly rulesFor: (request: LoggedRequest) => NewRules | "unchanged" | "no_route"
  /** Returns what a candidate is expected to cost, in nano-dollars. */
  readonly expectedNanoUsd: (request: LoggedRequest, candidate: LoggedCandidate) => number | undefined
}

export interface Redecision {
  /** True when nothing that is decided by is another: what else decided then would do so again. */
  readonly unchanged: boolean
  /** Chance of each candidate, `provider/model`, to lead; they sum to 1 where there is one. */
  readonly chances: ReadonlyMap<string, number>
  /** Of a request that was explored with: whom it explores now, and how many there are of its kind. Absent: nobody. */
  readonly trial?: { readonly candidate: LoggedCandidate; readonly times: number }
  /** The logged ones that the policy has, at its prices. */
  readonly candidates: ReadonlyArray<LoggedCandidate>
  /** Candidates of the policy of which the decision says nothing. */
  readonly unknown: ReadonlyArray<string>
}

/** Decides a logged request anew, from the predictions that it was decided by; undefined: its route is gone. */
export const redecide = (request: LoggedRequest, policy: NewPolicy): Redecision | undefined => {
  const rules = policy.rulesFor(request)
  if (rules === "no_route") return undefined
  if (rules === "unchanged") {
    return { unchanged: true, chances: new Map(), candidates: request.candidates, unknown: [] }
  }
  const wanted = rules.candidates && new Set([...rules.candidates, ...rules.largerContext])
  const logged = new Set(request.candidates.map(({ key }) => key))
  const unknown = (rules.candidates ?? []).filter((key) => !logged.has(key) && !request.excluded.has(key))
  const candidates = request.candidates
    .filter(({ key }) => wanted === undefined || wanted.has(key))
    .map((candidate) => priced(request, candidate, policy))
  const chances = chancesOf(candidates, rules)
  const trial = request.choice.by === "explored" ? trialOf(request, candidates, rules) : undefined
  return {
    unchanged: isUnchanged(request, rules, candidates),
    chances,
    ...(trial !== undefined && { trial }),
    candidates,
    unknown,
  }
}

/** Beyond it one trial would say too much. */
const MAX_TIMES = 4

/**
 * Returns what becomes of a trial: it is made of the old leader where its candidate leads now. How often a candidate is tried
 * depends on how far it is behind, and half as often is not half as much: one that is hardly known is worth more.
 */
const trialOf = (
  request: LoggedRequest,
  candidates: ReadonlyArray<LoggedCandidate>,
  rules: NewRules,
): Redecision["trial"] => {
  if (!rules.explores) return undefined
  const before = scoresOf(request.candidates, request.weights)
  const now = scoresOf(candidates, rules.weights)
  const led = loggedLeader(request)?.key
  const explored = request.candidates[0]?.key
  const key = explored === now.leader ? led : explored
  const candidate = candidates.find((each) => each.key === key)
  if (key === undefined || candidate === undefined || candidate.tier === 2 || key === now.leader)
    return undefined
  const costOf = ({ scores }: Scores, of: string | undefined, leader: string | undefined) =>
    costOfExploring(scores.get(of ?? "") ?? 1, scores.get(leader ?? "") ?? 1)
  const times = costOf(before, explored, led) / costOf(now, key, now.leader)
  return { candidate, times: Math.min(Math.sqrt(times), MAX_TIMES) }
}

interface Scores {
  readonly scores: ReadonlyMap<string, number>
  readonly leader: string | undefined
}

const scoresOf = (candidates: ReadonlyArray<LoggedCandidate>, weights: Weights): Scores => {
  const { order, scores } = rank(candidates.map(scorable), weights)
  return {
    scores: new Map(candidates.map(({ key }, i) => [key, scores[i] ?? 1])),
    leader: candidates[order[0] ?? 0]?.key,
  }
}

const scorable = ({ tier, weighedMs, weighedNanoUsd }: LoggedCandidate): Scorable => ({
  tier,
  expectedMs: weighedMs,
  expectedNanoUsd: weighedNanoUsd,
})

const priced = (
  request: LoggedRequest,
  candidate: LoggedCandidate,
  { expectedNanoUsd }: NewPolicy,
): LoggedCandidate => {
  const now = expectedNanoUsd(request, candidate)
  const { predictedNanoUsd: before, weighedNanoUsd: weighed } = candidate
  if (now === before) return candidate
  // What is still to come of a conversation is dearer or cheaper by as much.
  const factor = now !== undefined && before !== undefined && before > 0 ? now / before : undefined
  return {
    ...candidate,
    predictedNanoUsd: now,
    weighedNanoUsd: factor === undefined || weighed === undefined ? now : weighed * factor,
  }
}

const isUnchanged = (
  request: LoggedRequest,
  { strategy, weights }: NewRules,
  candidates: ReadonlyArray<LoggedCandidate>,
): boolean =>
  strategy === request.strategy &&
  // Of the order as written, and of weights, decisions do not tell.
  strategy !== "priority" &&
  strategy !== "weighted" &&
  Math.abs(weights.latency - request.weights.latency) < 1e-9 &&
  candidates.length === request.candidates.length &&
  candidates.every((candidate, i) => candidate === request.candidates[i])

const chancesOf = (
  candidates: ReadonlyArray<LoggedCandidate>,
  rules: NewRules,
): ReadonlyMap<string, number> => {
  const { order } = rank(candidates.map(scorable), rules.weights)
  const best = candidates[order[0] ?? 0]
  if (best === undefined) return new Map()
  const equals = candidates.filter(({ tier }) => tier === best.tier)
  if (rules.strategy === "weighted") {
    const shares = equals.flatMap(({ key }) => {
      const share = rules.shares.get(key) ?? 0
      return share > 0 ? [[key, share] as const] : []
    })
    const sum = shares.reduce((total, [, share]) => total + share, 0)
    if (sum > 0) return new Map(shares.map(([key, share]) => [key, share / sum]))
  }
  if (rules.strategy === "priority") {
    const written = [...(rules.candidates ?? []), ...rules.largerContext]
    const first = written.find((key) => equals.some((each) => each.key === key))
    if (first !== undefined) return new Map([[first, 1]])
  }
  return new Map([[best.key, 1]])
}

/** Returns who was best by the route's order; undefined where the first was drawn. */
export const loggedLeader = ({ candidates, choice }: LoggedRequest): LoggedCandidate | undefined => {
  switch (choice.by) {
    case "drawn":
      return undefined
    case "led":
      return candidates[0]
    default:
      return candidates[1] ?? candidates[0]
  }
}
