import { unusualRun } from "./unusual-run.ts"

/**
 * How often one candidate's calls fail, how long that takes, and how long its answers may take. Old evidence fades by
 * half-life, so that a candidate nobody asks is trusted again, and by a limit on its weight. A limit of its vendor's is no
 * failure. Synchronous, and all times are `monotonicMs`.
 */

/**
 * Time heals quickly what has been seen to work again, and slowly what failed when last asked: otherwise a
 * provider that always fails would be forgiven between two requests of a quiet gateway, and be asked first again.
 */
const WORKING_HALF_LIFE_MS = 60_000
const FAILING_HALF_LIFE_MS = 10 * 60_000
const MAX_WEIGHT = 50
/** A candidate starts as available, with so much weight. */
const PRIOR_WEIGHT = 4
/**
 * Share of successes from which a candidate is healthy: of one that has failed in a row lately, that it has to come back to, as
 * otherwise one that always fails would be asked first again and again in quiet times.
 */
const HEALTHY = 0.35
const HEALTHY_AGAIN = 0.8
const FAILURES_TO_DOUBT = 3
/** Of a candidate whose calls often fail more are needed: so many that they are that unlikely. */
const MOST_FAILURES_TO_DOUBT = 15
const UNLIKELY = 0.003
/** With so many in a row its trouble is over, whether anybody has said so or not. */
const SUCCESSES_TO_TRUST = 10
/** Weight of the latest failure in how long failures take. */
const FAILURE_WEIGHT = 0.2

/** By how much each answer makes a longer one before it forgotten. */
const LONGEST_FADE = 0.005
/** A call is late at so many times its prediction, and a caller with a choice leaves it at so many. */
const LATE_RATIO = 3
const MIN_LATE_MS = 1_000
const PATIENCE_RATIO = 5
/** Of a candidate that nobody has heard from, and of others. */
const FIRST_PATIENCE_MS = 10_000
const MIN_PATIENCE_MS = 3_000
const LONGEST_RATIO = 2
/** The longest that a candidate is waited for, by half, which has never answered. */
const MAX_UNKNOWN_WAIT_MS = 15_000
/** Patience with calls that are longer than predicted grows no further than this. */
const MAX_LONGEST_PATIENCE_MS = 60_000

export class Reliability {
  #atMs = 0
  #attempts = 0
  #succeeded = 0
  /** Up to now; 0 when the latest attempt succeeded. */
  #failuresInRow = 0
  #failuresToDoubt = FAILURES_TO_DOUBT
  /** What was seen before the trouble that it is in, until that is forgiven or long over. */
  #before: { readonly attempts: number; readonly succeeded: number; readonly atMs: number } | undefined
  #wasDoubtful = false
  #successesInRow = 0
  /** Mean milliseconds until a failure. */
  #failureMs = 0
  /**
   * Longest that a call took, forgotten by shorter ones and not by time. A candidate that was left without ever having answered
   * may be one that takes longer: the next call is waited for longer.
   */
  #longestMs = 0
  #answered = false

  succeeded(nowMs: number, ms: number): void {
    this.#count(nowMs, true, 1, 0)
    this.#longestMs = Math.max(ms, this.#longestMs + LONGEST_FADE * (ms - this.#longestMs))
    this.#answered = true
  }

  /** `waitedMs` is how long no answer was waited for, if that was the failure. */
  failed(nowMs: number, ms: number, waitedMs = 0): void {
    // Who hangs once will hang again.
    this.#count(nowMs, false, waitedMs > 0 ? 2 : 1, this.#failuresInRow + 1)
    this.#learnFailureMs(ms)
    if (!this.#answered) this.#longestMs = Math.max(this.#longestMs, Math.min(waitedMs, MAX_UNKNOWN_WAIT_MS))
  }

  /** Counts a call that was left, although others that began later are answered: it is long, and the candidate is well. */
  outlasted(nowMs: number, ms: number): void {
    this.#count(nowMs, false, 1, this.#failuresInRow)
    this.#learnFailureMs(ms)
  }

  /** Forgets the failures of its trouble, from which the candidate has recovered. */
  forgive(): void {
    this.#failuresInRow = 0
    if (this.#before === undefined) return
    const { attempts, succeeded, atMs } = this.#before
    const keep = 2 ** (Math.min(0, atMs - this.#atMs) / WORKING_HALF_LIFE_MS)
    this.#attempts = attempts * keep
    this.#succeeded = succeeded * keep
    this.#before = undefined
    this.#wasDoubtful = false
  }

  /** Tells a candidate that comes after every healthy one, whatever its score. */
  isUnhealthy(nowMs: number): boolean {
    return this.availability(nowMs) < HEALTHY
  }

  /** Tells one that has failed more often in a row than it usually does. */
  isDoubtful(nowMs: number): boolean {
    return this.#failuresInRow >= this.#failuresToDoubt && this.availability(nowMs) < HEALTHY_AGAIN
  }

  /** Predicts the share of attempts that succeed, above 0 and at most 1. */
  availability(nowMs: number): number {
    const factor = this.#decay(nowMs)
    return (this.#succeeded * factor + PRIOR_WEIGHT) / (this.#attempts * factor + PRIOR_WEIGHT)
  }

  get hasFailed(): boolean {
    return this.#failureMs > 0
  }

  get failureMs(): number {
    return this.#failureMs
  }

  /** Milliseconds after which a call is late, for a prediction of `ms`. Of a candidate never heard from nothing is known. */
  lateAfterMs(ms: number): number {
    return this.#answered ? Math.max(MIN_LATE_MS, LATE_RATIO * ms) : MIN_LATE_MS
  }

  /** Milliseconds after which a caller with somebody else to ask should leave a call, for a prediction of `ms`. */
  patienceMs(ms: number): number {
    return Math.max(
      this.#answered ? MIN_PATIENCE_MS : FIRST_PATIENCE_MS,
      PATIENCE_RATIO * ms,
      Math.min(LONGEST_RATIO * this.#longestMs, MAX_LONGEST_PATIENCE_MS),
    )
  }

  #decay(nowMs: number): number {
    const halfLifeMs = this.#failuresInRow === 0 ? WORKING_HALF_LIFE_MS : FAILING_HALF_LIFE_MS
    return 2 ** (Math.min(0, this.#atMs - nowMs) / halfLifeMs)
  }

  #learnFailureMs(ms: number): void {
    this.#failureMs += (this.#failureMs === 0 ? 1 : FAILURE_WEIGHT) * (ms - this.#failureMs)
  }

  #count(nowMs: number, succeeded: boolean, weight: number, failuresInRow: number): void {
    if (this.#failuresInRow === 0 && failuresInRow > 0) {
      if (!this.#wasDoubtful) {
        this.#before = { attempts: this.#attempts, succeeded: this.#succeeded, atMs: this.#atMs }
      }
      const share = 1 - this.availability(nowMs)
      this.#failuresToDoubt = unusualRun(share, UNLIKELY, FAILURES_TO_DOUBT, MOST_FAILURES_TO_DOUBT)
    }
    this.#successesInRow = succeeded ? this.#successesInRow + 1 : 0
    if (this.#successesInRow >= SUCCESSES_TO_TRUST) {
      this.#before = undefined
      this.#wasDoubtful = false
    }
    if (failuresInRow >= this.#failuresToDoubt) this.#wasDoubtful = true
    const factor = this.#decay(nowMs)
    const keep = this.#attempts * factor > MAX_WEIGHT - 1 ? (MAX_WEIGHT - 1) / this.#attempts : factor
    this.#attempts = this.#attempts * keep + weight
    this.#succeeded = this.#succeeded * keep + (succeeded ? 1 : 0)
    this.#failuresInRow = failuresInRow
    this.#atMs = nowMs
  }
}
