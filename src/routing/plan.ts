import { Data } from "effect"
import type { ModelConfig } from "../catalog/model.ts"
import type { Strategy } from "../config/GatewayConfig.ts"
import type { CallMode } from "../domain/Chat.ts"
import { toUsd } from "../domain/Money.ts"
import type { PreparedCall, Provider } from "../providers/Provider.ts"
import { type Exclusion, exclusionText } from "./exclusion.ts"
import type { RecentErrors } from "./RecentErrors.ts"
import type { Features } from "./Statistics.ts"
import type { Tier, Weights } from "./score.ts"

/** The router's answer: which models to ask in which order, and why in a form that people and replays can read. */
export interface Plan {
  /** The name of the route that takes the request, or the requested model when no route was named. */
  readonly route: string
  /** Best first, never empty. */
  readonly candidates: ReadonlyArray<Candidate>
  /** For a request that turned out too long for the candidates; best first. */
  readonly largerContext: ReadonlyArray<Candidate>
  /** Only of routes that hedge. */
  readonly hedge?: Hedge | undefined
  readonly decision: Decision
}

export interface Candidate {
  readonly provider: Provider
  readonly model: ModelConfig
  /** The task in this provider's words. */
  readonly call: PreparedCall
  /** `provider/model`. */
  readonly key: string
  /** What its answer is expected from, and later compared by. */
  readonly features: Features
  /** False while it has hardly answered: what is expected of it is a guess. */
  readonly known: boolean
  /** It has been seen to give, at most those that still count. */
  readonly answers: number
  readonly expectedMs: number
  /** See `Statistics`. */
  readonly lateAfterMs: number
  readonly patienceMs: number
  readonly expectedNanoUsd: number | undefined
  /** See `weighed_ms`. */
  readonly weighedMs: number
  readonly weighedNanoUsd: number | undefined
  readonly expectedOutputTokens: number
  readonly availability: number
  readonly tier: Tier
  readonly score: number
  /** What its score would be if all were well and none of their calls failed. */
  readonly soundScore: number
  /** Of its predictions in this mode; its next answer is added. */
  readonly errors: RecentErrors
}

/** Whom to ask beside the first candidate while that one has not answered, and when. */
export interface Hedge {
  readonly first: Candidate
  readonly candidate: Candidate
  /** Milliseconds from the first one's call on. */
  readonly afterMs: number
}

/** Plain JSON with the names of the public API; logged with every request, so numbers are rounded. */
interface Decision {
  /** See `Plan`. */
  readonly route: string
  /** Where conditions sent the request on: the route that was asked for, and each condition on the way, see `Condition`. */
  readonly requested_route?: string
  readonly via?: ReadonlyArray<string>
  readonly strategy: Strategy
  readonly mode: CallMode
  readonly weights: Weights
  readonly estimated_input_tokens: number
  /** Most output tokens that were asked for; absent: the request does not say. */
  readonly output_limit?: number
  /** Turns that are expected to follow in its conversation; absent: it is in none that a cache could hold. */
  readonly expected_turns?: number
  readonly candidates: ReadonlyArray<DecisionCandidate>
  readonly excluded: ReadonlyArray<Excluded>
  readonly chosen_by: ChosenBy
  /** Who is asked too once the first has not answered in so many milliseconds, where the route's shares allow it. */
  readonly hedge?: { readonly provider: string; readonly model: string; readonly after_ms: number }
  /** The chance with which this very candidate is the first. */
  readonly probability: number
}

interface DecisionCandidate {
  readonly provider: string
  readonly model: string
  readonly predicted_ms: number
  readonly predicted_cost_usd: number | null
  readonly predicted_output_tokens: number
  /** Calls under way there; absent: none. */
  readonly in_flight?: number
  /** Input tokens expected in its prompt cache; absent: none. */
  readonly cached_tokens?: number
  /**
   * What the score weighs where that is not the prediction: with the time that failures cost and with what the turns to come
   * will take of a conversation that is where this turn is.
   */
  readonly weighed_ms?: number
  readonly weighed_cost_usd?: number
  readonly availability: number
  readonly tier: "healthy" | "degraded" | "tripped"
  readonly score: number
  /** From 1, the first to be asked. */
  readonly rank: number
}

interface Excluded {
  readonly provider: string
  readonly model: string
  /** See `exclusionText`. */
  readonly reason: string
}

export type ChosenBy =
  | "score"
  | "cost"
  | "latency"
  | "priority"
  | "weight"
  | "hysteresis"
  | "probe"
  | "exploration"
  | "only_candidate"

/** No route, `provider/model` or model has this name. */
export class ModelNotFound extends Data.TaggedError("ModelNotFound")<{ readonly requestedModel: string }> {}

/** The key's allow-list admits neither the name nor any candidate behind it; or not `field`, which may choose another. */
export class ModelNotAllowed extends Data.TaggedError("ModelNotAllowed")<{
  readonly requestedModel: string
  readonly field?: string
}> {}

/** The name is known and allowed, but no model behind it can take this request. */
export class NoCandidate extends Data.TaggedError("NoCandidate")<{
  readonly route: string
  /** Every target behind the name, never empty. */
  readonly excluded: ReadonlyArray<Exclusion>
}> {}

const TIER_NAMES = ["healthy", "degraded", "tripped"] as const

export const describeExclusion = (exclusion: Exclusion): Excluded => ({
  provider: exclusion.provider,
  model: exclusion.model,
  reason: exclusionText(exclusion),
})

const thousandths = (n: number): number => Math.round(n * 1000) / 1000

// What is always there comes first: behind what is spread the engine adds each field the slow way.
export const describe = (candidate: Candidate, index: number): DecisionCandidate => ({
  provider: candidate.provider.name,
  model: candidate.model.name,
  predicted_ms: Math.round(candidate.expectedMs),
  predicted_cost_usd:
    candidate.expectedNanoUsd === undefined ? null : toUsd(Math.round(candidate.expectedNanoUsd)),
  predicted_output_tokens: Math.round(candidate.expectedOutputTokens),
  availability: thousandths(candidate.availability),
  tier: TIER_NAMES[candidate.tier],
  score: thousandths(candidate.score),
  rank: index + 1,
  ...(candidate.features.inFlight > 0 && { in_flight: candidate.features.inFlight }),
  ...(candidate.features.cachedTokens >= 1 && { cached_tokens: Math.round(candidate.features.cachedTokens) }),
  ...(Math.round(candidate.weighedMs) !== Math.round(candidate.expectedMs) && {
    weighed_ms: Math.round(candidate.weighedMs),
  }),
  ...(candidate.weighedNanoUsd !== undefined &&
    Math.round(candidate.weighedNanoUsd) !== Math.round(candidate.expectedNanoUsd ?? Number.NaN) && {
      weighed_cost_usd: toUsd(Math.round(candidate.weighedNanoUsd)),
    }),
})

export const describeHedge = ({
  afterMs,
  candidate: { model, provider },
}: Hedge): NonNullable<Decision["hedge"]> => ({
  provider: provider.name,
  model: model.name,
  after_ms: Math.round(afterMs),
})
