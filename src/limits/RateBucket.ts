import type { RateLimitState } from "./limit.ts"
import { type Answer, type Ask, WINDOW_MS } from "./limit-store.ts"
import { ASK, type LocalBucket, MOST_SHARE_IDLE, PAUSE_MS } from "./local-bucket.ts"

/** Fractions of a token that sums of floating point numbers may be wrong by. */
const EPSILON = 1e-6

/** Milliseconds after its last exchange in which a lease may be spent: a process that was stopped does not go on with it. */
const LEASE_MS = 2_000
/** Milliseconds after which the store is told what is left of a lease. */
const RENEW_AFTER_MS = 900
/** What is kept at hand is what about a second asks for. */
const DEMAND_MS = 1_000

/**
 * A replica's view of a bucket of requests or tokens: what the store last said is in use by all, and what of that is this
 * replica's to give. Nobody but replicas takes tokens, and only they give some back, so that what was in use falls evenly.
 * Times are monotonic.
 */
export class RateBucket implements LocalBucket {
  readonly name: string
  waiting = 0
  // A first value holds a number in place, see decision 39.
  #limit = 0
  /** Milliseconds in which a token comes back. */
  #refillMs = 0
  /**
   * Tokens in use by all replicas as of `#atMs`, with all of the lease and without what is to be told: 0 is a full bucket, more than
   * its limit a debt.
   */
  #used = 0
  /**
   * What of that this replica took: as use is refilled it becomes less in proportion. It keeps no more at hand of what comes back, so
   * that all together keep no more than is in use.
   */
  #mine = 0
  #atMs = 0
  #lease = 0
  #leaseUntilMs = Number.NEGATIVE_INFINITY
  /** When that was asked for which the store answered last. */
  #answeredAtMs = Number.NEGATIVE_INFINITY
  /** What is at hand at most; below half of it more is asked for. */
  #target = 0
  #exchangedAtMs = 0
  #touchedAtMs = 0
  /** Nothing is asked for until then. */
  #pausedUntilMs = Number.NEGATIVE_INFINITY
  /** To be told to the store: given back, or below 0 in use beyond what was given. */
  #back = 0
  /** Tokens asked for since the last exchange, and those of about the second before it. */
  #tried = 0
  #demand = 0
  #epoch = 0
  /** Tokens asked for in the last minute or so: here, and anywhere; and the store's count of the latter. */
  #own = 0
  #all = 0
  #counted: number | undefined
  #countedAtMs = 0

  constructor(name: string, limit: number, nowMs: number) {
    this.name = name
    this.#limit = limit
    this.#refillMs = WINDOW_MS / limit
    this.#atMs = nowMs
    this.#exchangedAtMs = nowMs
    this.#touchedAtMs = nowMs
    this.#countedAtMs = nowMs
  }

  get limit(): number {
    return this.#limit
  }

  tried(tokens: number, limit: number, nowMs: number): void {
    if (limit !== this.#limit) this.#setLimit(limit, nowMs)
    this.#tried += tokens
    this.#touchedAtMs = nowMs
  }

  take(tokens: number, nowMs: number): number {
    this.#advance(nowMs)
    if (this.#lease >= tokens) {
      this.#lease -= tokens
      return 0
    }
    const lacking = this.#used - this.#lease + tokens - this.#limit
    if (lacking > EPSILON) return lacking
    return nowMs < this.#pausedUntilMs ? (this.#pausedUntilMs - nowMs) / this.#refillMs : ASK
  }

  /**
   * Takes without the store. A replica that gets the share s of a subject's requests books 1/s for each that it admits: the
   * others are taken to admit the rest. So its number goes on to say what all of them have used, and together they admit
   * what one bucket would.
   */
  takeAlone(tokens: number, nowMs: number, replicas: number): number {
    this.#advance(nowMs)
    if (this.#lease >= tokens) {
      this.#lease -= tokens
      return 0
    }
    const booked = tokens / this.#shareOf(replicas)
    // Where one booking is more than the whole bucket, a full one must do, and the rest is a debt: nobody is locked out.
    const lacking = this.#used + Math.min(booked, this.#limit) - this.#limit
    if (lacking > EPSILON) return lacking
    this.#used += booked
    this.#mine += tokens
    this.#epoch = 0
    return 0
  }

  giveBack(tokens: number, nowMs: number, replicas: number): boolean {
    this.#advance(nowMs)
    if (this.#leaseUntilMs <= nowMs) this.#leaseUntilMs = nowMs + LEASE_MS
    // One that has not heard of the store for long does not know what others have given back.
    const isNews = nowMs - this.#answeredAtMs < LEASE_MS
    const most = isNews ? this.#mine : Math.min(this.#mine, this.#mostAtHand(replicas))
    const kept = Math.min(tokens, Math.max(0, most - this.#lease))
    this.#lease += kept
    if (this.#lease < 0) {
      this.#tell(this.#lease)
      this.#lease = 0
    } else {
      // What has been refilled meanwhile is anybody's.
      this.#tell(Math.min(tokens - kept, Math.max(0, this.#mine - this.#lease)))
    }
    return false
  }

  giveBackAlone(tokens: number, nowMs: number, replicas: number): void {
    this.#advance(nowMs)
    this.#used = Math.max(0, this.#used - tokens / this.#shareOf(replicas))
    this.#mine = Math.min(Math.max(0, this.#mine - tokens), this.#used)
    this.#epoch = 0
  }

  isLow(nowMs: number): boolean {
    return this.#lease < this.#target / 2 && nowMs >= this.#pausedUntilMs && this.#limit - this.#used >= 1
  }

  isHolding(): boolean {
    return this.#lease > 0 || this.#back !== 0
  }

  isDue(nowMs: number): boolean {
    return this.isHolding() && nowMs - this.#exchangedAtMs >= RENEW_AFTER_MS
  }

  isIdle(nowMs: number): boolean {
    this.#advance(nowMs)
    return !this.isHolding() && this.#used === 0 && nowMs - this.#touchedAtMs >= WINDOW_MS
  }

  ask(waiting: number, least: number, nowMs: number, replicas: number): Ask {
    this.#advance(nowMs)
    const passedMs = nowMs - this.#exchangedAtMs
    this.#demand = this.#demand * Math.exp(-Math.max(0, passedMs) / DEMAND_MS) + this.#tried
    this.#target = Math.min(this.#mostAtHand(replicas), Math.max(0, Math.floor(this.#demand) - waiting))
    const surplus = this.#lease - waiting - this.#target
    if (surplus > 0) {
      this.#lease -= surplus
      this.#tell(surplus)
    }
    const need = Math.max(0, waiting - this.#lease)
    const ask: Ask = {
      name: this.name,
      limit: this.#limit,
      permits: false,
      back: this.#back,
      least: need === 0 ? 0 : Math.max(0, least - this.#lease),
      need,
      want: Math.max(need, waiting + this.#target - this.#lease),
      asked: this.#tried,
      usedAtLeast: Math.max(0, this.#used + this.#back),
      epoch: this.#epoch,
    }
    this.#back = 0
    this.#tried = 0
    this.#exchangedAtMs = nowMs
    return ask
  }

  answered(ask: Ask, answer: Answer, sentAtMs: number, nowMs: number): void {
    this.#advance(nowMs)
    const leaseUntilMs = sentAtMs + LEASE_MS
    if (leaseUntilMs > nowMs) {
      this.#lease += answer.granted
      this.#leaseUntilMs = leaseUntilMs
    }
    this.#answeredAtMs = sentAtMs
    // As of when it was asked, so that it is at most the true one.
    this.#used = Math.max(0, answer.used - this.#back - (nowMs - sentAtMs) / this.#refillMs)
    this.#mine = Math.min(this.#mine + answer.granted, this.#used)
    this.#epoch = answer.epoch
    if (answer.granted < ask.need) this.#pausedUntilMs = nowMs + PAUSE_MS
    this.#count(ask.asked, answer.asked, sentAtMs)
    if (this.#limit < ask.limit) this.#fallTo(Math.min(this.#used, this.#limit))
  }

  /** Whatever it gave is lost until it is refilled; what it took may be taken twice. */
  unanswered(ask: Ask): void {
    this.#tried += ask.asked
    if (ask.back < 0) {
      this.#back += ask.back
    }
  }

  state(nowMs: number): RateLimitState {
    this.#advance(nowMs)
    const used = Math.max(0, this.#used - this.#lease)
    return {
      limit: this.#limit,
      remaining: Math.max(0, Math.floor(this.#limit - used + EPSILON)),
      resetMs: wholeMs(used * this.#refillMs),
    }
  }

  // One more than rounding up: clocks and sums may stop short of the token by a fraction of a millisecond.
  waitMs(lacking: number): number {
    return wholeMs(lacking * this.#refillMs) + 1
  }

  /** `limit` holds from now on. What is in use stays so, as far as the new limit goes. */
  #setLimit(limit: number, nowMs: number): void {
    this.#advance(nowMs)
    if (limit < this.#limit) {
      this.#fallTo(Math.min(this.#used, limit))
      this.#tell(this.#lease)
      this.#lease = 0
    }
    this.#limit = limit
    this.#refillMs = WINDOW_MS / limit
    this.#pausedUntilMs = Number.NEGATIVE_INFINITY
  }

  /** Has the store hear of tokens that are no longer in use, as far as they have not been refilled, or below 0 that more are. */
  #tell(tokens: number): void {
    const told = Math.min(tokens, this.#mine)
    this.#back += told
    this.#mine -= told
    this.#used = Math.max(0, this.#used - told)
  }

  /** Notes that some of what was in use is refilled, of each replica's part alike. */
  #fallTo(used: number): void {
    if (used < this.#used) this.#mine *= used / this.#used
    this.#used = used
  }

  /** What a replica may have for requests that are not there yet. */
  #mostAtHand(replicas: number): number {
    return Math.max(1, Math.floor((this.#limit * MOST_SHARE_IDLE) / replicas))
  }

  #advance(nowMs: number): void {
    const passedMs = nowMs - this.#atMs
    if (passedMs > 0 && this.#used > 0) this.#fallTo(Math.max(0, this.#used - passedMs / this.#refillMs))
    this.#atMs = nowMs
    if (this.#leaseUntilMs <= nowMs) this.#lease = 0
  }

  #count(asked: number, byAll: number, atMs: number): void {
    if (this.#counted !== undefined) {
      const kept = Math.exp(-Math.max(0, atMs - this.#countedAtMs) / WINDOW_MS)
      // A count that did not grow began anew, in a store that lost it.
      const since = byAll >= this.#counted + asked ? byAll - this.#counted : Math.max(asked, byAll)
      this.#own = this.#own * kept + asked
      this.#all = this.#all * kept + since
    }
    this.#counted = byAll
    this.#countedAtMs = atMs
  }

  /** The share of the subject's requests that come here, as seen until now; where nothing was seen, an equal one. */
  #shareOf(replicas: number): number {
    return Math.min(1, (this.#own + 1 / replicas) / (this.#all + 1))
  }
}

/** Rounds up, but not for what a sum of floating point numbers is wrong by. */
const wholeMs = (ms: number): number => Math.ceil(ms - 1e-6)
