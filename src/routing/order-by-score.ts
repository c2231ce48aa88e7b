import type { Clock } from "effect"
import { expectedCost } from "../catalog/cost.ts"
import { priceAt } from "../catalog/price-history.ts"
import { inputTokensOf, modeOf, outputLimitOf, type Task } from "../domain/Task.ts"
import { getOrInsert } from "../platform/get-or-insert.ts"
import type { Breakers } from "./Breakers.ts"
import type { CandidateHealth } from "./CandidateHealth.ts"
import type { Conversations } from "./Conversations.ts"
import { applicationOf } from "./identity.ts"
import type { Candidate } from "./plan.ts"
import type { ReadyTarget } from "./prepare-calls.ts"
import { RecentErrors } from "./RecentErrors.ts"
import type { RoutingMemory } from "./RoutingMemory.ts"
import type { Features, Prediction, Statistics } from "./Statistics.ts"
import { rank, type Scorable, type Tier, type Weights } from "./score.ts"

/**
 * What is expected of the turns to come makes a turn at most so many times as good as it is by itself: a bound on how dear
 * loyalty can be.
 */
const MAX_LOYALTY = 3
/** What a failure costs beside its time, in milliseconds: an attempt less, and a wait before the next. */
const FAILURE_COST_MS = 100

/** A candidate while it is made: its score is set once all are known. */
type Scored = Omit<Candidate, "score" | "soundScore"> & {
  score: number
  soundScore: number
  readonly failuresMs: number
}

interface Request {
  readonly task: Task
  /** See `conversationOf`. */
  readonly conversation: string | undefined
  readonly nowMs: number
}

/** What is known of candidates, in this process. */
interface Knowledge {
  readonly statistics: Statistics["Service"]
  readonly breakers: Breakers["Service"]
  readonly conversations: Conversations
  readonly errors: RoutingMemory["Service"]["errors"]
  /** Prices go by the calendar, everything else by the clock that never steps. */
  readonly clock: Clock.Clock
}

const noErrors = () => new RecentErrors()

/** As if it were well, and so were all others. */
const sound = ({ failuresMs, weighedMs, weighedNanoUsd }: Scored): Scorable => ({
  tier: 0,
  expectedMs: weighedMs - failuresMs,
  expectedNanoUsd: weighedNanoUsd,
})

/** Makes what predicts a request at each target, and puts them in order: by tier, and then by the score of what is weighed. */
export const makeOrderByScore = ({ breakers, clock, conversations, errors, statistics }: Knowledge) => {
  /** By `provider/model`: only configured ones get here. */
  const tierOf = (
    { call, refuses }: ReadyTarget,
    health: CandidateHealth,
    { isDoubtful, isUnhealthy }: Prediction,
    nowMs: number,
  ): Tier => {
    if (health.trippedForMs(nowMs) > 0) return 2
    if (call.isReduced === true || refuses === true) return 1
    if (health.isResting(nowMs) || health.isAtLimit) return 1
    // Who is not in doubt is not probed, and would stay behind.
    if (isUnhealthy || (isDoubtful && health.isInDoubt(nowMs))) return 1
    return health.isSuspect(nowMs) ? 1 : 0
  }

  const byScore = (
    ready: ReadonlyArray<ReadyTarget>,
    weights: Weights,
    { conversation, nowMs, task }: Request,
  ): Array<Candidate> => {
    const inputTokens = inputTokensOf(task)
    const mode = modeOf(task)
    const asked = outputLimitOf(task)
    const pricedAt = clock.currentTimeMillisUnsafe()
    const { rest } = conversations
    const application = applicationOf(task)
    const candidates = ready.map((each): Scored => {
      const { key, model, provider } = each.target
      const health = breakers.healthOf(key)
      const price = priceAt(model.price, pricedAt)
      const discounted = price !== undefined && price.cachedInputNanoPer1M < price.inputNanoPer1M
      const warmth =
        conversation === undefined
          ? undefined
          : conversations.warmth(conversation, key, discounted, inputTokens, nowMs)
      const features: Features = {
        application,
        conversation,
        inputTokens,
        cachedTokens: warmth?.now ?? 0,
        outputLimit: asked,
        modelLimit: model.maxOutputTokens,
        inFlight: health.inFlight,
      }
      const predicted = statistics.predict(key, mode, nowMs, features)
      const { availability, burdenMs, failureMs, lateAfterMs, ms, outputTokens, patienceMs } = predicted
      const costOf = (cachedTokens: number): number | undefined =>
        price && expectedCost(price, predicted.inputTokens, cachedTokens, outputTokens)
      const expectedNanoUsd = costOf(features.cachedTokens)
      const failuresMs = ((1 - availability) / availability) * (failureMs + FAILURE_COST_MS)
      // What a turn leaves in a cache is worth something to those that follow.
      let scoredMs = ms
      let scoredNanoUsd = expectedNanoUsd
      if (warmth !== undefined && rest > 0) {
        const next = statistics.predict(key, mode, nowMs, { ...features, cachedTokens: warmth.next })
        scoredMs = Math.max(ms / MAX_LOYALTY, (ms + rest * next.ms) / (1 + rest))
        const nextNanoUsd = costOf(warmth.next)
        if (expectedNanoUsd !== undefined && nextNanoUsd !== undefined) {
          scoredNanoUsd = Math.max(
            expectedNanoUsd / MAX_LOYALTY,
            (expectedNanoUsd + rest * nextNanoUsd) / (1 + rest),
          )
        }
      }
      return {
        provider,
        model,
        key,
        call: each.call,
        score: 0,
        soundScore: 0,
        features,
        errors: getOrInsert(errors[mode], key, noErrors),
        known: predicted.known,
        answers: predicted.answers,
        availability,
        tier: tierOf(each, health, predicted, nowMs),
        expectedMs: ms,
        weighedMs: scoredMs + burdenMs + failuresMs,
        weighedNanoUsd: scoredNanoUsd,
        failuresMs,
        lateAfterMs,
        patienceMs,
        expectedNanoUsd,
        expectedOutputTokens: outputTokens,
      }
    })
    const { order, scores } = rank(
      candidates.map(({ tier, weighedMs, weighedNanoUsd }) => ({
        tier,
        expectedMs: weighedMs,
        expectedNanoUsd: weighedNanoUsd,
      })),
      weights,
    )
    // Nearly always: then these are the same, and need not be made for each request.
    const areSound = candidates.every(({ failuresMs, tier }) => tier === 0 && failuresMs === 0)
    const soundScores = areSound ? scores : rank(candidates.map(sound), weights).scores
    const ordered: Array<Candidate> = []
    for (const position of order) {
      const candidate = candidates[position]
      const score = scores[position]
      if (candidate === undefined || score === undefined) continue
      candidate.score = score
      candidate.soundScore = soundScores[position] ?? score
      ordered.push(candidate)
    }
    return ordered
  }

  /** Forgets how far predictions of a candidate were off. */
  const forgetErrors = (key: string): void => {
    for (const known of Object.values(errors)) known.get(key)?.forget()
  }

  return { byScore, forgetErrors }
}
