/**
 * What to do after a failed upstream attempt, as one pure decision: the same target again, the next one, or give
 * up. Retries and fallbacks draw on one attempt budget and one deadline (they add up, they never multiply).
 */
import { dispositions, type ProviderError } from "../domain/ProviderError.ts"

export interface AttemptState {
  readonly error: ProviderError
  /** Attempts this request has made so far, the failed one included; and how many of them at this target. */
  readonly attempts: number
  readonly attemptsHere: number
  readonly maxAttempts: number
  /** Until the request's deadline. */
  readonly remainingMs: number
  /** What this target is expected to need. */
  readonly expectedMs: number
  /** The targets that could be asked next, after an ordinary failure and after a prompt too long for this one. */
  readonly next: { readonly expectedMs: number } | undefined
  readonly nextLarger: { readonly expectedMs: number } | undefined
  /** How many targets have not been asked yet. */
  readonly untried: number
  /** A tripped target is only a last resort: it gets one attempt. */
  readonly tripped: boolean
  /** 0 <= random < 1, for the jitter. */
  readonly random: number
}

export type NextStep =
  /** Only if the provider's retry budget also allows it; otherwise `otherwise` applies. */
  | { readonly _tag: "Retry"; readonly waitMs: number; readonly otherwise: "Next" | "GiveUp" }
  | { readonly _tag: "Next" }
  | { readonly _tag: "NextLarger" }
  | { readonly _tag: "GiveUp" }

const BACKOFF_BASE_MS = 100
const BACKOFF_CAP_MS = 8_000

/**
 * An attempt that cannot finish before the deadline is not started. Expectations are averages (or, before the first
 * answer, a guess), so only when less than a quarter of it is left is there no hope.
 */
const HOPE = 1 / 4

const canFinish = (target: { readonly expectedMs: number }, remainingMs: number): boolean =>
  target.expectedMs * HOPE <= remainingMs

/** Full jitter: anywhere between nothing and the exponential cap. */
export const fullJitter = (attemptsHere: number, random: number): number =>
  random * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** (attemptsHere - 1))

export const nextStep = (state: AttemptState): NextStep => {
  const { error, remainingMs } = state
  if (state.attempts >= state.maxAttempts) return { _tag: "GiveUp" }
  const { retry, fallback } = dispositions[error.kind]

  if (fallback === "larger_context") {
    return state.nextLarger && canFinish(state.nextLarger, remainingMs)
      ? { _tag: "NextLarger" }
      : { _tag: "GiveUp" }
  }

  const canMove = fallback === "yes" && state.next !== undefined && canFinish(state.next, remainingMs)
  const otherwise = canMove ? "Next" : "GiveUp"
  if (retry === "never" || state.tripped) return { _tag: otherwise }
  // With somebody else to ask, one retry is enough, waiting for a rate limit is a waste of the client's time, and no
  // retry may take the attempt that an untried target would need.
  const scarce = state.maxAttempts - state.attempts <= state.untried
  if (canMove && (scarce || state.attemptsHere > 1 || error.kind === "rate_limited")) return { _tag: "Next" }
  if (retry === "once" && state.attemptsHere > 1) return { _tag: otherwise }

  // On top of Retry-After too: everybody was told the same time.
  const waitMs = (error.retryAfterMs ?? 0) + fullJitter(state.attemptsHere, state.random)
  if (!canFinish(state, remainingMs - waitMs)) return { _tag: otherwise }
  return { _tag: "Retry", waitMs, otherwise }
}
