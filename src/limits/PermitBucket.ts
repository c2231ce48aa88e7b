import type { RateLimitState } from "./limit.ts"
import { type Answer, type Ask, HOLDER_LIFE_MS } from "./limit-store.ts"
import { ASK, type LocalBucket, MOST_SHARE_IDLE, PAUSE_MS } from "./local-bucket.ts"

/** Permits are held for so long without a word from the store: less than the store waits for one of the replica. */
const HELD_MS = HOLDER_LIFE_MS - 2_000
/** Milliseconds after which the store is told of permits that are free again, and that those in use are. */
const RETURN_AFTER_MS = 450
const RENEW_AFTER_MS = 900
/** Milliseconds after a lost answer in which another one may still come: what others have been given is not to be guessed. */
const SURE_MS = 1_250
/** Nobody knows when a request in flight ends. */
const RETRY_AFTER_MS = 1_000

/** A replica's view of how many requests may be in flight: those that are, and how many the store lets it have. */
export class PermitBucket implements LocalBucket {
  readonly name: string
  waiting = 0
  // A first value holds a number in place, see decision 39.
  #limit = 0
  #inUse = 0
  /** At most what the store has noted for this replica. */
  #held = 0
  /** The most that it may have noted: until it says that this is nothing, it has to hear of it. */
  #noted = 0
  #heldUntilMs = Number.NEGATIVE_INFINITY
  /** The most in use since the store was last told. */
  #peak = 0
  /** The store has no permit left: what is free is others' at once. */
  #isFull = false
  /** Permits that all replicas had beyond the limit: given up as requests end. */
  #excess = 0
  #tried = 0
  #exchangedAtMs = 0
  #refusedUntilMs = Number.NEGATIVE_INFINITY
  /** When the first of those exchanges was lost that no answer has followed. */
  #lostSinceMs = Number.POSITIVE_INFINITY

  constructor(name: string, limit: number, nowMs: number) {
    this.name = name
    this.#limit = limit
    this.#exchangedAtMs = nowMs
  }

  get limit(): number {
    return this.#limit
  }

  tried(_: number, limit: number): void {
    if (limit !== this.#limit) this.#refusedUntilMs = Number.NEGATIVE_INFINITY
    this.#limit = limit
    this.#tried += 1
  }

  take(_: number, nowMs: number): number {
    if (this.#inUse >= this.#limit) return 1
    if (this.#inUse < this.#heldAt(nowMs)) return this.#enter()
    return nowMs < this.#refusedUntilMs ? 1 : ASK
  }

  /**
   * Without the store a replica has an equal share, or what it held, for as long as nobody else can have it. At first it keeps to
   * what it held, so that nothing is exceeded where the store only stumbled.
   */
  takeAlone(_: number, nowMs: number, replicas: number): number {
    const held = this.#heldAt(nowMs)
    const isSure =
      nowMs - this.#lostSinceMs < SURE_MS &&
      replicas > 1 &&
      nowMs < this.#heldUntilMs &&
      (held > 0 || this.#isFull)
    const share = isSure ? 0 : Math.max(1, Math.floor(this.#limit / replicas))
    return this.#inUse < Math.min(this.#limit, Math.max(share, held)) ? this.#enter() : 1
  }

  giveBack(): boolean {
    this.#inUse -= 1
    if (this.#excess > 0) {
      this.#excess -= 1
      this.#held = Math.min(this.#held, Math.max(this.#inUse, this.#held - 1))
    }
    return this.#isFull && this.#held > this.#inUse
  }

  giveBackAlone(): void {
    this.#inUse -= 1
  }

  isLow(): boolean {
    return false
  }

  isHolding(): boolean {
    return this.#inUse > 0 || this.#held > 0 || this.#noted > 0
  }

  isDue(nowMs: number): boolean {
    const passedMs = nowMs - this.#exchangedAtMs
    return this.isHolding() && passedMs >= (this.#held > this.#inUse ? RETURN_AFTER_MS : RENEW_AFTER_MS)
  }

  isIdle(): boolean {
    return !this.isHolding()
  }

  ask(waiting: number, _: number, nowMs: number, replicas: number): Ask {
    const mostSpare = Math.floor((this.#limit * MOST_SHARE_IDLE) / replicas)
    const need = this.#inUse + waiting
    const held = this.#heldAt(nowMs)
    const isDue = this.isDue(nowMs)
    // Between two rounds nothing is given back, since the next request may come at once.
    const kept = this.#isFull ? Math.min(held, this.#inUse) : isDue ? Math.min(held, this.#peak) : held
    const want = Math.max(kept, need + (this.#tried > 0 ? mostSpare : 0))
    const ask: Ask = {
      name: this.name,
      limit: this.#limit,
      permits: true,
      back: 0,
      least: this.#inUse,
      need,
      want,
      asked: 0,
      usedAtLeast: 0,
      epoch: 0,
    }
    // What goes back is gone before it is told.
    this.#held = Math.min(held, want)
    this.#noted = Math.max(this.#noted, want)
    if (isDue) {
      this.#peak = this.#inUse
      this.#tried = 0
    }
    this.#exchangedAtMs = nowMs
    return ask
  }

  answered(ask: Ask, { granted, used }: Answer, sentAtMs: number, nowMs: number): void {
    this.#lostSinceMs = Number.POSITIVE_INFINITY
    this.#held = granted
    this.#noted = granted
    this.#isFull = used >= ask.limit
    this.#excess = Math.max(0, used - ask.limit)
    this.#heldUntilMs = sentAtMs + HELD_MS
    if (granted < ask.need) this.#refusedUntilMs = nowMs + PAUSE_MS
  }

  // The store has noted what it had or more.
  unanswered(_: Ask, nowMs: number): void {
    this.#lostSinceMs = Math.min(this.#lostSinceMs, nowMs)
  }

  state(): RateLimitState {
    return { limit: this.#limit, remaining: Math.max(0, this.#limit - this.#inUse), resetMs: 0 }
  }

  waitMs(): number {
    return RETRY_AFTER_MS
  }

  #enter(): number {
    this.#inUse += 1
    this.#peak = Math.max(this.#peak, this.#inUse)
    return 0
  }

  #heldAt(nowMs: number): number {
    return nowMs < this.#heldUntilMs ? this.#held : 0
  }
}
