import type { Clock } from "effect"
import type { ProviderError } from "../domain/ProviderError.ts"
import { monotonicMsUnsafe } from "../platform/monotonic.ts"
import type { Breakers } from "../routing/Breakers.ts"
import type { Candidate } from "../routing/plan.ts"
import type { RetryBudget } from "../routing/RetryBudget.ts"
import { type AttemptState, isMomentary, mayAskAgain } from "./retry-policy.ts"

interface Left {
  readonly candidate: Candidate
  /** Monotonic. */
  readonly askedAtMs: number
  readonly isMomentary: boolean
}

interface Needs {
  readonly breakers: Breakers["Service"]
  readonly clock: Clock.Clock
  readonly retryBudget: RetryBudget["Service"]
}

/** Where one request goes from its last candidate when that hangs: back, once, to one of those that it has left. */
export class WayBack {
  readonly #needs: Needs
  readonly #left: Array<Left> = []
  /** A retry is set aside for it. */
  #reserved: Candidate | undefined
  #isUsed = false

  constructor(needs: Needs) {
    this.#needs = needs
  }

  /** Notes a candidate that the next one is asked after. */
  leave(candidate: Candidate, error: ProviderError, askedAtMs: number): void {
    const momentary = isMomentary(error)
    if (momentary || error.kind === "timeout") {
      this.#left.push({ candidate, askedAtMs, isMomentary: momentary })
    }
  }

  /**
   * Finds whom to go back to if the last candidate is left, and sets a retry aside for it: of those before it that failed for a
   * moment only, or were left while they answer others, the one that is well again first, within `inMs`.
   */
  reserve(inMs: number): Candidate | undefined {
    this.release()
    if (this.#isUsed) return undefined
    const { breakers, clock, retryBudget } = this.#needs
    const nowMs = monotonicMsUnsafe(clock)
    let first: Candidate | undefined
    let firstMs = Number.POSITIVE_INFINITY
    for (const { askedAtMs, candidate, isMomentary } of this.#left) {
      const health = breakers.healthOf(candidate.key)
      const trippedMs = health.trippedForMs(nowMs)
      if (trippedMs > inMs || trippedMs >= firstMs || !(isMomentary || health.livesSince(askedAtMs))) continue
      first = candidate
      firstMs = trippedMs
    }
    if (first !== undefined && retryBudget.withdraw(first.provider.name)) this.#reserved = first
    return this.#reserved
  }

  /** Gives the retry back, if one is set aside and was not taken. */
  release(): void {
    if (this.#reserved !== undefined) this.#needs.retryBudget.giveBack(this.#reserved.provider.name)
    this.#reserved = undefined
  }

  /** Returns whom to go back to now, if anybody was reserved and may be asked. */
  take(state: AttemptState): Candidate | undefined {
    const to = this.#reserved
    if (to === undefined || !mayAskAgain(to, state)) return undefined
    this.#isUsed = true
    // Held back before its call, it is not gone back to again.
    this.#reserved = undefined
    return to
  }

  /** Forgets those before: they have no room for the request. */
  close(): void {
    this.#left.length = 0
  }
}
