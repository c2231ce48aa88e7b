/**
 * What follows a failed upstream attempt: the same candidate again after a wait, the next one, or the end. Pure
 * decisions over the typed error, and the one schedule they gate. Retries and fallbacks draw on one attempt budget
 * and one deadline: they add up, they never multiply.
 */
import { Duration, Effect, Random, Schedule } from "effect"
import { dispositions, type ProviderError } from "../domain/ProviderError.ts"
import type { Tier } from "../routing/score.ts"

export interface AttemptState {
  readonly error: ProviderError
  /** Attempts of this request so far, the failed one included. */
  readonly attempts: number
  /** Those of them at this candidate. */
  readonly attemptsHere: number
  readonly maxAttempts: number
  /** Milliseconds until the request's deadline. */
  readonly remainingMs: number
  /** Milliseconds that this candidate is expected to need. */
  readonly expectedMs: number
  /** The candidates to ask next: after an ordinary failure, and after a prompt too long for this one. */
  readonly next: { readonly expectedMs: number } | undefined
  readonly nextLarger: { readonly expectedMs: number } | undefined
  /** Number of candidates that have not been asked yet. */
  readonly untried: number
  /** A tripped candidate is only a last resort: it gets one attempt. */
  readonly tripped: boolean
}

export type Fallback = "Next" | "NextLarger" | "GiveUp"

const BACKOFF_BASE = "100 millis"
const BACKOFF_CAP_MS = 8_000

/**
 * Share of the expected time below which an attempt cannot finish before the deadline. Expectations are averages or,
 * before the first answer, a guess, so an attempt with less than all of it may still succeed.
 */
const MIN_TIME_SHARE = 1 / 4

/**
 * Exponential backoff with full jitter: anywhere between nothing and the exponential cap, on top of what the provider
 * asked to wait, since everybody was told the same time.
 */
const backoff = Schedule.exponential(BACKOFF_BASE).pipe(
  Schedule.setInputType<ProviderError>(),
  Schedule.modifyDelay(({ duration, input }) =>
    Effect.map(
      Random.next,
      (random) => (input.retryAfterMs ?? 0) + random * Math.min(BACKOFF_CAP_MS, Duration.toMillis(duration)),
    ),
  ),
)

/** Retries one candidate for as long as `allows` says so of the error and of the wait, in milliseconds. */
export const retrySchedule = (allows: (error: ProviderError, waitMs: number) => boolean) =>
  Schedule.while(backoff, ({ duration, input }) => allows(input, Duration.toMillis(duration)))

/**
 * Makes `attempt` again by the schedule, whose first input is the first attempt's error: what a retry needs is set up
 * only then, as it costs more than all else that surrounds an attempt.
 */
export const retryFailed = <A>(
  attempt: Effect.Effect<A, ProviderError>,
  allows: (error: ProviderError, waitMs: number) => boolean,
): Effect.Effect<A, ProviderError> =>
  Effect.catch(attempt, (error) => {
    let next: Effect.Effect<A, ProviderError> = Effect.fail(error)
    const inTurn = Effect.suspend(() => {
      const current = next
      next = attempt
      return current
    })
    return Effect.retry(inTurn, retrySchedule(allows))
  })

/**
 * Tells whether the same candidate should be asked again after a wait. `Attempts` refuses on top of that when the client
 * has something of an answer, and when the provider's retry budget is used up.
 */
export const mayRetry = (state: AttemptState, waitMs: number): boolean => {
  const { error, attempts, attemptsHere, maxAttempts, next, tripped, untried } = state
  const { retry, fallback } = dispositions[error.kind]
  if (attempts >= maxAttempts || !isMomentary(error) || tripped || fallback === "larger_context") return false
  if (retry === "once" && attemptsHere > 1) return false
  if (canMove(state)) {
    // With somebody else to ask, one retry is enough, waiting for a rate limit or as the provider says for longer than the
    // other one's answer takes is a waste of the client's time, and no retry may take the attempt that an untried candidate
    // would need.
    const scarce = maxAttempts - attempts <= untried
    const isLimit = error.kind === "rate_limited" || error.key?.waitsForLimit === true
    const isWaste = isLimit || (error.retryAfterMs ?? 0) > (next?.expectedMs ?? 0)
    if (scarce || attemptsHere > 1 || isWaste) return false
  }
  return canFinish(state, state.remainingMs - waitMs)
}

/**
 * Tells whether a candidate is asked at once with another of its keys, which is free. Once always; more than that leaves an
 * attempt for somebody else, as all keys may be in trouble.
 */
export const mayChangeKey = (
  state: Pick<AttemptState, "attempts" | "expectedMs" | "maxAttempts" | "remainingMs"> & {
    readonly next: unknown
    /** It was already. */
    readonly changed: boolean
  },
): boolean => {
  const left = state.maxAttempts - state.attempts
  return left > (state.changed && state.next !== undefined ? 1 : 0) && canFinish(state, state.remainingMs)
}

/** Tells whom to ask once this candidate is not asked again. */
export const fallbackOf = (state: AttemptState): Fallback => {
  if (state.attempts >= state.maxAttempts) return "GiveUp"
  if (dispositions[state.error.kind].fallback !== "larger_context") return canMove(state) ? "Next" : "GiveUp"
  const { nextLarger, remainingMs } = state
  return nextLarger !== undefined && canFinish(nextLarger, remainingMs) ? "NextLarger" : "GiveUp"
}

/** Tells a failure that may be over soon; a key that is refused is one where another is only limited. */
export const isMomentary = ({ key, kind }: ProviderError): boolean =>
  dispositions[kind].retry !== "never" || key?.waitsForLimit === true

/** Tells whether a request has the attempts and the time to ask a candidate once more. */
export const mayAskAgain = (
  candidate: Pick<Asked, "expectedMs">,
  { attempts, maxAttempts, remainingMs }: AttemptState,
): boolean => attempts < maxAttempts && canFinish(candidate, remainingMs)

/** Patience with a tripped candidate, a last resort that may well hang: a few times what its answers take. */
const lastResortPatienceMs = (expectedMs: number): number => Math.max(10_000, 4 * expectedMs)

/** Factor of the patience for each reason to be patient. */
const MORE_PATIENCE = 4
/** The most that having left others makes of it, where it is not more anyway. */
const MOST_PATIENCE_MS = 60_000
/** A candidate has at least so many times what its answers take. */
const LEAST_PATIENCE = 1.5

interface Asked {
  readonly expectedMs: number
  readonly patienceMs: number
  readonly tier: Tier
}

/**
 * Returns the milliseconds after which a call is left for the next candidate, although the provider may still bill it: with
 * an attempt to spare, and while the next one has the time that it is expected to need. Otherwise all that remain.
 */
export const patienceWith = (
  candidate: Asked,
  next: Pick<Asked, "expectedMs" | "tier"> | undefined,
  {
    attempts,
    left,
    maxAttempts,
    remainingMs,
  }: Pick<AttemptState, "attempts" | "maxAttempts" | "remainingMs"> & {
    /** Calls of the request that were left. */
    readonly left: number
  },
): number => {
  if (candidate.tier === 2) return lastResortPatienceMs(candidate.expectedMs)
  if (next === undefined || attempts >= maxAttempts) return remainingMs
  // What one was left for may be the request's own length, and one that is not well is no good reason to leave.
  const moreMs = Math.min(MOST_PATIENCE_MS, candidate.patienceMs * MORE_PATIENCE ** left)
  const patienceMs = Math.min(
    Math.max(candidate.patienceMs, moreMs) * (next.tier === 0 ? 1 : MORE_PATIENCE),
    remainingMs - next.expectedMs,
  )
  return patienceMs >= LEAST_PATIENCE * candidate.expectedMs ? patienceMs : remainingMs
}

const canMove = ({ error, next, remainingMs }: AttemptState): boolean =>
  dispositions[error.kind].fallback === "yes" && next !== undefined && canFinish(next, remainingMs)

const canFinish = (candidate: { readonly expectedMs: number }, remainingMs: number): boolean =>
  candidate.expectedMs * MIN_TIME_SHARE <= remainingMs
