import type { CallMode } from "../domain/Chat.ts"

/**
 * Evidence of one candidate, folded into time-decayed sums from which its next answer is predicted.
 * Old evidence fades two ways: by half-life, so that a candidate nobody asks drifts back to the prior, and by a
 * limit on its total weight, so that a busy candidate's new behaviour shows within tens of requests however many
 * good ones came before.
 */
export interface Observations {
  /** The sums below are decayed to this instant, in `monotonicMs`. */
  readonly atMs: number
  /** Sums over successes: total weight, sums of output tokens and milliseconds, and their products. */
  readonly weight: number
  readonly tokens: number
  readonly ms: number
  readonly tokensTokens: number
  readonly tokensMs: number
  /** Sums over attempts that count for or against availability. */
  readonly attempts: number
  readonly succeeded: number
  /** True when the latest of them succeeded. */
  readonly working: boolean
  /** Answers in a row, up to now, that came out far from their prediction, and the mildest of their ratios to it. */
  readonly surprises: number
  readonly surprise: number
  /**
   * Longest that a call took, forgotten by shorter ones and not by time: long answers must be waited for although they
   * are rare. One that was left is as long as it was waited for, so the next is waited for longer; not so while a known
   * candidate hangs: what was waited for counts with its next answer.
   */
  readonly longestMs: number
  readonly waitedMs: number
  readonly answered: boolean
}

const LATENCY_HALF_LIFE_MS = 60_000
/**
 * Time heals quickly what has been seen to work again, and slowly what failed when last asked: otherwise a
 * provider that always fails would be forgiven between two requests of a quiet gateway, and be asked first again.
 */
const WORKING_HALF_LIFE_MS = 30_000
const FAILING_HALF_LIFE_MS = 10 * 60_000

const MAX_LATENCY_WEIGHT = 100
const MAX_AVAILABILITY_WEIGHT = 50

/** Weight of the latency and length priors in observations: enough to decide for an unknown candidate, no more. */
const PRIOR_WEIGHT = 0.1
const PRIOR_OVERHEAD_MS = 800
/** A whole answer takes longer the longer it is; a first token does not. */
const PRIOR_MS_PER_TOKEN: Readonly<Record<CallMode, number>> = { whole: 10, stream: 0 }
/** Spread of output tokens (as a variance) that the prior slope counts as having been seen at. */
const PRIOR_TOKEN_VARIANCE = 100 ** 2
export const PRIOR_OUTPUT_TOKENS = 300

/** Ratio to its prediction, or its inverse, from which an answer is a surprise: an outlier, or news. */
const SURPRISE = 2.5
/** So many in a row and in one direction are news. */
const SURPRISES_TO_BELIEVE = 3
/** What remains of the weight of older answers then. */
const WEIGHT_AFTER_NEWS = 10
/** By how much each answer makes a longer one before it forgotten. */
const LONGEST_FADE = 0.005

/** A call is late at so many times its prediction, and a caller with a choice leaves it at so many. */
const LATE_RATIO = 3
const MIN_LATE_MS = 1_000
const PATIENCE_RATIO = 5
const MIN_PATIENCE_MS = 10_000
const LONGEST_RATIO = 2
/** Patience with calls that are longer than predicted grows no further than this. */
const MAX_LONGEST_PATIENCE_MS = 60_000

/** A candidate starts as available, with enough weight that one failure alone leaves it at 0.8. */
const PRIOR_AVAILABILITY_WEIGHT = 4

export const empty = (atMs: number): Observations => ({
  atMs,
  weight: 0,
  tokens: 0,
  ms: 0,
  tokensTokens: 0,
  tokensMs: 0,
  attempts: 0,
  succeeded: 0,
  working: true,
  surprises: 0,
  surprise: 1,
  longestMs: 0,
  waitedMs: 0,
  answered: false,
})

/** Factor by which sums fade. */
const decay = (fromMs: number, nowMs: number, halfLifeMs: number): number =>
  2 ** ((fromMs - nowMs) / halfLifeMs)

const availabilityDecay = (self: Observations, nowMs: number): number =>
  decay(self.atMs, nowMs, self.working ? WORKING_HALF_LIFE_MS : FAILING_HALF_LIFE_MS)

/** Factor that decays a sum and leaves room for one more observation under the limit. */
const fade = (factor: number, weight: number, limit: number): number =>
  weight * factor > limit - 1 ? (limit - 1) / weight : factor

/** Adds a success. `outputTokens` null = the provider did not say: the time counts, at the average length. */
export const success = (
  self: Observations,
  nowMs: number,
  ms: number,
  outputTokens: number | null,
): Observations => {
  const latency = fade(decay(self.atMs, nowMs, LATENCY_HALF_LIFE_MS), self.weight, MAX_LATENCY_WEIGHT)
  const availability = fade(availabilityDecay(self, nowMs), self.attempts, MAX_AVAILABILITY_WEIGHT)
  const tokens = outputTokens ?? meanTokens(self)
  return {
    atMs: nowMs,
    weight: self.weight * latency + 1,
    tokens: self.tokens * latency + tokens,
    ms: self.ms * latency + ms,
    tokensTokens: self.tokensTokens * latency + tokens * tokens,
    tokensMs: self.tokensMs * latency + tokens * ms,
    attempts: self.attempts * availability + 1,
    succeeded: self.succeeded * availability + 1,
    working: true,
    surprises: self.surprises,
    surprise: self.surprise,
    longestMs: Math.max(ms, self.waitedMs, self.longestMs + LONGEST_FADE * (ms - self.longestMs)),
    waitedMs: 0,
    answered: true,
  }
}

const unsurprised = (self: Observations): Observations =>
  self.surprises === 0 ? self : { ...self, surprises: 0 }

/**
 * Adds a success by how far it is from its prediction. One that is far is taken for an outlier and counts no further than
 * `SURPRISE`; the third in a row is the candidate's new pace, to which all older answers are scaled.
 */
export const answer = (
  self: Observations,
  nowMs: number,
  mode: CallMode,
  ms: number,
  outputTokens: number | null,
): Observations => {
  const factor = decay(self.atMs, nowMs, LATENCY_HALF_LIFE_MS)
  // A prediction from the prior alone is a guess, and missing it no surprise.
  if (self.weight * factor < PRIOR_WEIGHT) return success(unsurprised(self), nowMs, ms, outputTokens)
  const predictedMs = expectedMs(self, nowMs, mode, outputTokens ?? meanTokens(self))
  const ratio = ms / predictedMs
  const direction = ratio >= SURPRISE ? 1 : ratio <= 1 / SURPRISE ? -1 : 0
  if (direction === 0) return success(unsurprised(self), nowMs, ms, outputTokens)
  const more = self.surprises * direction > 0
  const surprises = more ? self.surprises + direction : direction
  const mildest =
    more && Math.abs(Math.log(self.surprise)) < Math.abs(Math.log(ratio)) ? self.surprise : ratio
  if (Math.abs(surprises) < SURPRISES_TO_BELIEVE) {
    const seen = success(self, nowMs, predictedMs * SURPRISE ** direction, outputTokens)
    return { ...seen, surprises, surprise: mildest, longestMs: Math.max(ms, seen.longestMs) }
  }
  const keep = Math.min(1, WEIGHT_AFTER_NEWS / self.weight)
  const scaled = {
    ...self,
    weight: self.weight * keep,
    tokens: self.tokens * keep,
    tokensTokens: self.tokensTokens * keep,
    ms: self.ms * keep * mildest,
    tokensMs: self.tokensMs * keep * mildest,
    surprises: 0,
  }
  return success(scaled, nowMs, ms, outputTokens)
}

/**
 * Adds a failure, which never feeds latency: a fast failure is not a fast answer. `waitedMs` is how long no answer was
 * waited for, if that was the failure.
 */
export const failure = (self: Observations, nowMs: number, waitedMs = 0): Observations => {
  const latency = decay(self.atMs, nowMs, LATENCY_HALF_LIFE_MS)
  const availability = fade(availabilityDecay(self, nowMs), self.attempts, MAX_AVAILABILITY_WEIGHT)
  return {
    ...self,
    atMs: nowMs,
    weight: self.weight * latency,
    tokens: self.tokens * latency,
    ms: self.ms * latency,
    tokensTokens: self.tokensTokens * latency,
    tokensMs: self.tokensMs * latency,
    attempts: self.attempts * availability + 1,
    succeeded: self.succeeded * availability,
    working: false,
    longestMs: self.answered ? self.longestMs : Math.max(self.longestMs, waitedMs),
    waitedMs: Math.max(self.waitedMs, waitedMs),
  }
}

/** Forgets failures: the candidate has recovered from what they were of. */
export const forgiven = (self: Observations): Observations => ({
  ...self,
  attempts: 0,
  succeeded: 0,
  working: true,
})

const meanTokens = (self: Observations): number =>
  self.weight > 0 ? self.tokens / self.weight : PRIOR_OUTPUT_TOKENS

/** Predicts the share of attempts that succeed, 0..1. */
export const availability = (self: Observations, nowMs: number): number => {
  const factor = availabilityDecay(self, nowMs)
  return (
    (self.succeeded * factor + PRIOR_AVAILABILITY_WEIGHT) /
    (self.attempts * factor + PRIOR_AVAILABILITY_WEIGHT)
  )
}

export const expectedOutputTokens = (self: Observations, nowMs: number, prior: number): number => {
  const factor = decay(self.atMs, nowMs, LATENCY_HALF_LIFE_MS)
  return (self.tokens * factor + PRIOR_WEIGHT * prior) / (self.weight * factor + PRIOR_WEIGHT)
}

/**
 * Milliseconds = overhead + perToken * tokens, by weighted least squares through the mean of what was seen. The
 * slope is drawn to the prior as far as the token counts seen have no spread of their own, and kept where neither
 * it nor the overhead is negative. Always > 0 and finite.
 */
export const expectedMs = (
  self: Observations,
  nowMs: number,
  mode: CallMode,
  outputTokens: number,
): number => {
  const factor = decay(self.atMs, nowMs, LATENCY_HALF_LIFE_MS)
  const weight = self.weight * factor
  const priorSlope = PRIOR_MS_PER_TOKEN[mode]
  const x = meanTokens(self)
  const y = (self.ms * factor + PRIOR_WEIGHT * (PRIOR_OVERHEAD_MS + priorSlope * x)) / (weight + PRIOR_WEIGHT)
  const spread = self.tokensTokens * factor - weight * x * x
  const covariance = self.tokensMs * factor - x * self.ms * factor
  const ridge = PRIOR_WEIGHT * PRIOR_TOKEN_VARIANCE
  const slope = (covariance + ridge * priorSlope) / (spread + ridge)
  const perToken = Math.max(0, x > 0 ? Math.min(slope, y / x) : slope)
  return Math.max(1, y + perToken * (outputTokens - x))
}

/** Milliseconds after which a call is late, for a prediction of `ms`. Of a candidate never heard from nothing is known. */
export const lateAfterMs = (self: Observations, ms: number): number =>
  self.answered ? Math.max(MIN_LATE_MS, LATE_RATIO * ms) : MIN_LATE_MS

/** Milliseconds after which a caller with somebody else to ask should leave a call, for a prediction of `ms`. */
export const patienceMs = (self: Observations, ms: number): number =>
  Math.max(
    MIN_PATIENCE_MS,
    PATIENCE_RATIO * ms,
    Math.min(LONGEST_RATIO * self.longestMs, MAX_LONGEST_PATIENCE_MS),
  )
