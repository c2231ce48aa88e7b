import type { RateLimitState } from "./limit.ts"
import type { Answer, Ask } from "./limit-store.ts"

/** Says that the store has to be asked. */
export const ASK = -1

/** What all replicas together keep at hand of a limit, at most, but for one each. */
export const MOST_SHARE_IDLE = 1 / 20

/** Milliseconds for which a replica that got less than it needed does not ask again: being refused costs the store nothing. */
export const PAUSE_MS = 20

/** A replica's part of one limit. Times are monotonic milliseconds; `replicas` is how many there are. */
export interface LocalBucket {
  readonly name: string
  readonly limit: number
  /** Requests that wait for the store to say more of it: it is not forgotten before they have gone on. */
  waiting: number
  /** Takes note that a request wants so much, whatever it gets, and of what the limit is by now. */
  readonly tried: (amount: number, limit: number, nowMs: number) => void
  /** Returns 0 for taken, `ASK`, or how much is lacking. */
  readonly take: (amount: number, nowMs: number) => number
  /** The same without a store: never `ASK`. */
  readonly takeAlone: (amount: number, nowMs: number, replicas: number) => number
  /**
   * Gives back what was taken and not used; below 0 it was more than was taken. Tells whether others lack it.
   */
  readonly giveBack: (amount: number, nowMs: number, replicas: number) => boolean
  readonly giveBackAlone: (amount: number, nowMs: number, replicas: number) => void
  /** Tells whether more should be at hand. */
  readonly isLow: (nowMs: number) => boolean
  /** Tells whether the store has to hear of it. */
  readonly isHolding: () => boolean
  /** Tells whether the store has to hear of it now. */
  readonly isDue: (nowMs: number) => boolean
  /** Tells a bucket that equals a new one. */
  readonly isIdle: (nowMs: number) => boolean
  /** Says what to ask of the store, where requests wait for `waiting` in all and the smallest for `least`. */
  readonly ask: (waiting: number, least: number, nowMs: number, replicas: number) => Ask
  readonly answered: (ask: Ask, answer: Answer, sentAtMs: number, nowMs: number) => void
  /** The store did not answer, and may have done what it was asked. */
  readonly unanswered: (ask: Ask, nowMs: number) => void
  readonly state: (nowMs: number) => RateLimitState
  /** Milliseconds after which what lacked is there. */
  readonly waitMs: (lacking: number) => number
}
