import type { Budget } from "../domain/Budget.ts"
import { Lease } from "./Lease.ts"
import type { LeaseAnswer, LeaseAsk } from "./LeaseStore.ts"

/** Time constant of how fast a budget is spent, and the time after which nobody is taken to come again. */
const DEMAND_MS = 1_000
/** Free beside this many times what was lately reserved in a second is worth returning. */
const AMPLE = 2
/** Between two exchanges of a budget that nobody waits for. */
const HEARTBEAT_MS = 1_000
const REFILL_EVERY_MS = 50

/** One budget as this process knows it. */
export class Account {
  budget: Budget
  lease: Lease | undefined
  /** What neither was spent nor is anybody's, and the limit, as of the last answer. */
  left = 0
  // A first value holds a number in place, see decision 39.
  limit = 0
  /** False once the database says that there is no such budget. */
  exists = true
  askedAtMs = Number.NEGATIVE_INFINITY
  answeredAtMs = Number.NEGATIVE_INFINITY
  /** The last ask was granted less than it wanted. */
  isDry = false
  /** The limit is another one than when it was asked for: what is held of it is to be had anew. */
  isOutdated = false
  /** The last ask has no answer, and may have been granted all the same. */
  isUnsure = false
  waiting = 0
  /** What was reserved in the second or so before it was last asked for, and since. */
  #demand = 0
  #reserved = 0
  #reservedAtMs = Number.NEGATIVE_INFINITY

  constructor(budget: Budget) {
    this.budget = budget
    this.limit = budget.limitNanoUsd
  }

  leaseAt(nowMs: number): Lease | undefined {
    return this.lease !== undefined && nowMs < this.lease.endsAtMs ? this.lease : undefined
  }

  has(nanoUsd: number, nowMs: number): boolean {
    if (!this.exists) return true
    const lease = this.leaseAt(nowMs)
    return !this.isOutdated && lease !== undefined && lease.free >= nanoUsd
  }

  /** Reserves what it `has`. Returns the lease that it is reserved in; undefined where there is no such budget any more. */
  reserve(nanoUsd: number, nowMs: number): Lease | undefined {
    const { lease } = this
    if (!this.exists || lease === undefined) return undefined
    lease.reserve(nanoUsd)
    this.#reserved += nanoUsd
    this.#reservedAtMs = nowMs
    return lease
  }

  /** What a request could have at most, as far as is known. */
  reach(nowMs: number): number {
    return Math.max(0, this.left) + Math.max(0, this.leaseAt(nowMs)?.free ?? 0)
  }

  /**
   * Notes that it is asked for. What was reserved fades here alone, as if it had been so evenly until the last time: with each
   * reservation it would cost those.
   */
  asked(nowMs: number): void {
    const sinceMs = nowMs - this.#reservedAtMs
    const spanned = (this.#reservedAtMs - this.askedAtMs) / DEMAND_MS
    const faded = spanned > 0 ? (1 - Math.exp(-spanned)) / spanned : 1
    this.#demand =
      sinceMs > 3 * DEMAND_MS
        ? 0
        : (this.#demand * Math.exp(-spanned) + this.#reserved * faded) * Math.exp(-sinceMs / DEMAND_MS)
    this.#reserved = 0
    this.askedAtMs = nowMs
  }

  /** What should be at hand when it is asked for. */
  get wanted(): number {
    return this.left < 0 ? 0 : Math.ceil(AMPLE * this.#demand)
  }

  isDue(nowMs: number): boolean {
    if (this.waiting > 0) return true
    const sinceMs = nowMs - this.askedAtMs
    if (sinceMs >= HEARTBEAT_MS) return this.isActive
    const free = this.leaseAt(nowMs)?.free
    if (free === undefined) return false
    if (this.left < 0 && free > 0) return true
    if (this.isDry || sinceMs < REFILL_EVERY_MS) return false
    return free < (this.left < 0 ? 0 : Math.max(this.#demand, this.#reserved))
  }

  get isActive(): boolean {
    return this.isUnsure || (this.lease !== undefined && (this.lease.open > 0 || this.lease.free !== 0))
  }

  /** Gives back what nobody is likely to need, and all that is held of a limit that no longer is. */
  giveBackSpare(): void {
    if (this.isOutdated) this.lease?.giveBack(0)
    else if (this.waiting === 0) this.lease?.giveBack(AMPLE * this.wanted)
  }

  /** Takes the answer to `ask`, which was sent at `sentMs`. */
  note(ask: LeaseAsk, answer: LeaseAnswer, sentMs: number, nowMs: number): void {
    const { granted, startsAtMs } = answer
    const endsAtMs = answer.endsInMs === null ? Number.POSITIVE_INFINITY : sentMs + answer.endsInMs
    const { lease } = this
    if (lease !== undefined && lease.startsAtMs === startsAtMs) {
      // Also where that is less than before: a database that was restored knows best.
      lease.granted = granted
      lease.endsAtMs = endsAtMs
    } else {
      this.lease = new Lease(answer.budgetId, startsAtMs, endsAtMs, answer)
    }
    this.left = answer.leftNanoUsd
    this.limit = answer.limitNanoUsd
    this.answeredAtMs = nowMs
    this.isDry = (this.lease?.free ?? 0) < ask.want
  }
}
