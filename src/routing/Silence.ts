import { type Link, LinkedSet } from "../platform/LinkedSet.ts"

/** What is looked at of a call. */
export interface SilentCall {
  readonly forecast: {
    /** True once something of the answer has come. */
    readonly isAnswering: () => boolean
    readonly lateAfterMs: number
  }
  readonly startedMs: number
}

/**
 * How unlikely it is, as one to so many, that the silent calls are silent by chance, all together: with so much the candidate is
 * suspected. A failure in a row says as much as a call that is a little late.
 */
const SUSPICIOUS = Math.exp(12)
const PER_FAILURE = Math.exp(1.2)
/** The oldest calls say the most. */
const MAX_LOOKED_AT = 64

/**
 * Which of one candidate's calls under way have brought nothing, and since when: that they hang shows before any of them
 * has failed. Synchronous, and all times are `monotonicMs`.
 */
export class Silence {
  /** Calls under way that began after the newest one with a sign of life, oldest first. */
  readonly #calls = new LinkedSet<SilentCall>()
  /** When the newest call began that was answered, or has begun to be. A refusal is no sign that it answers. */
  #answeredAtMs = Number.NEGATIVE_INFINITY

  begin(call: SilentCall): Link<SilentCall> {
    return this.#calls.add(call)
  }

  end(call: Link<SilentCall>): void {
    this.#calls.delete(call)
  }

  answered(call: Link<SilentCall>): void {
    this.#answeredAtMs = Math.max(this.#answeredAtMs, call.value.startedMs)
    this.broken(call)
  }

  /** A call that has brought something, if only a refusal, tells that those before it are long, and not that they hang. */
  broken(call: Link<SilentCall>): void {
    while (this.#calls.has(call) && this.#calls.oldest !== undefined) this.#calls.delete(this.#calls.oldest)
  }

  /** Tells that a call which began later is answered. */
  isAnsweredSince(startedMs: number): boolean {
    this.#takeAnswers()
    return this.#answeredAtMs > startedMs
  }

  /**
   * Tells that calls hang which have not failed yet: those that began after the newest one with a sign of life are silent for
   * longer than chance would have it, all together.
   */
  isSuspicious(nowMs: number, failuresInRow: number): boolean {
    this.#takeAnswers()
    let unlikely = PER_FAILURE ** failuresInRow
    let looked = 0
    for (let call = this.#calls.oldest; call !== undefined; call = call.newer) {
      const { forecast, startedMs } = call.value
      const squared = ((nowMs - startedMs) / (forecast.lateAfterMs / 2)) ** 2
      unlikely *= 1 + squared * squared
      if (unlikely >= SUSPICIOUS) return true
      looked += 1
      if (looked >= MAX_LOOKED_AT) return false
    }
    return false
  }

  forget(): void {
    this.#calls.clear()
  }

  /** Takes note of streams that have begun to answer. */
  #takeAnswers(): void {
    let looked = 0
    let newest: Link<SilentCall> | undefined
    for (let call = this.#calls.oldest; call !== undefined; call = call.newer) {
      if (call.value.forecast.isAnswering()) newest = call
      looked += 1
      if (looked >= MAX_LOOKED_AT) break
    }
    if (newest !== undefined) this.answered(newest)
  }
}
