import { type Limit, RateLimited } from "./limit.ts"
import { type Ask, type Exchange, type Exchanged, WINDOW_MS } from "./limit-store.ts"
import { ASK, type LocalBucket } from "./local-bucket.ts"
import { PermitBucket } from "./PermitBucket.ts"
import { RateBucket } from "./RateBucket.ts"

/** Milliseconds between two looks at what is held. */
const ROUND_MS = 500
/** Milliseconds after a failure in which the store is not asked; beside that once after the first one, which says little. */
const PROBE_EVERY_MS = 1_000
const ASK_AGAIN_MS = 50

/** Milliseconds in which a request may take what another one here has left, before replicas get it that lack it. */
const RETURN_AFTER_MS = 25

/** A store that has much to be told is told in parts. */
const MAX_ASKS = 500
/** Buckets that are looked at, to be removed, for each that is added: more than one, so that their number shrinks. */
const LOOKS_PER_BUCKET = 4
/** Buckets kept: far more than subjects ask for within one minute; about 40 MB when full. */
const MAX_BUCKETS = 100_000
/** A request whose grant came too late asks once more. */
const MAX_TRIES = 2
const SWEEP_EVERY_MS = WINDOW_MS

/** A request that waits for the store. */
interface Waiter {
  readonly limits: ReadonlyArray<Limit>
  readonly amount: number
  readonly resume: (refused: RateLimited | undefined) => void
  tries: number
}

/** One exchange under way. */
export interface Sent {
  readonly exchange: Exchange
  readonly sentAtMs: number
  readonly waiters: ReadonlyArray<Waiter>
  readonly asks: ReadonlyArray<{ readonly bucket: LocalBucket; readonly ask: Ask }>
}

/**
 * All limits of one replica: takes from what it holds, and says what to exchange with the store. Has no clock, no store and
 * no fibers: whoever drives it calls `send`, and then `received` or `lost`, one exchange at a time. Times are monotonic.
 */
export class Leases {
  readonly #holder: string | undefined
  readonly #buckets = new Map<string, LocalBucket>()
  /** Of which the store has to hear in the next exchange, and in some later one. */
  readonly #urgent = new Set<LocalBucket>()
  readonly #held = new Set<LocalBucket>()
  /** Of which others lack what is free here, and when they get it. */
  readonly #returned = new Set<LocalBucket>()
  #returnsAtMs = Number.POSITIVE_INFINITY
  #waiters: Array<Waiter> = []
  /** Replicas of the last minute, itself included. */
  #replicas = 1
  #alone: boolean
  /** While it is alone: exchanges in a row that had no answer, when the first was lost, and when the store is asked again. */
  #lost = 0
  #lostAtMs = 0
  #probeAtMs = 0
  #roundAtMs = Number.NEGATIVE_INFINITY
  #sweptAtMs = Number.NEGATIVE_INFINITY
  /** The store's time at a moment of ours. */
  #heard: { readonly storeMs: number; readonly atMs: number } | undefined
  readonly #maxBuckets: number

  /** Without a name it is alone and has no store. */
  constructor(holder: string | undefined, maxBuckets = MAX_BUCKETS) {
    this.#holder = holder
    this.#alone = holder === undefined
    this.#maxBuckets = maxBuckets
  }

  get isAlone(): boolean {
    return this.#alone
  }

  get size(): number {
    return this.#buckets.size
  }

  /**
   * Takes `amount` of every limit, or of none. Returns why not, or `ASK`: then `wait` for the store, or leave it.
   */
  take(limits: ReadonlyArray<Limit>, amount: number, nowMs: number): RateLimited | typeof ASK | undefined {
    for (const limit of limits) {
      // Only who comes now knows what the limit is: who came before it was changed has the former one.
      this.#bucketOf(limit, nowMs).tried(amount, limit.limit, nowMs)
    }
    return this.#takeAll(limits, amount, nowMs)
  }

  /** Has a request wait that `take` answered with `ASK`. */
  wait(waiter: Waiter, nowMs: number): void {
    for (const limit of waiter.limits) this.#bucketOf(limit, nowMs).waiting += 1
    this.#waiters.push(waiter)
  }

  /** Gives back what was taken and not used; below 0 it was more than was taken. */
  giveBack(limits: ReadonlyArray<Limit>, amount: number, nowMs: number): void {
    for (const limit of limits) this.#giveBack(this.#bucketOf(limit, nowMs), amount, nowMs)
  }

  stateOf(limit: Limit, nowMs: number) {
    return this.#bucketOf(limit, nowMs).state(nowMs)
  }

  /** Milliseconds until `send` has something to say; undefined: not before something else happens. */
  nextMs(nowMs: number): number | undefined {
    if (this.#holder === undefined) return undefined
    const isWanted = this.#waiters.length > 0 || this.#urgent.size > 0
    if (!isWanted && this.#held.size === 0) return undefined
    const at = isWanted ? nowMs : Math.min(this.#roundAtMs + ROUND_MS, this.#returnsAtMs)
    return Math.max(0, at - nowMs, this.#alone ? this.#probeAtMs - nowMs : 0)
  }

  /** Returns what to exchange; undefined for nothing. */
  send(nowMs: number): Sent | undefined {
    if (this.#holder === undefined) return undefined
    if (nowMs - this.#roundAtMs >= ROUND_MS) {
      this.#roundAtMs = nowMs
      for (const bucket of this.#held) {
        if (bucket.isDue(nowMs)) this.#urgent.add(bucket)
        else if (!bucket.isHolding()) this.#held.delete(bucket)
      }
    }
    if (nowMs >= this.#returnsAtMs) {
      this.#returnsAtMs = Number.POSITIVE_INFINITY
      for (const bucket of this.#returned) this.#urgent.add(bucket)
      this.#returned.clear()
    }
    const waiters = this.#waiters
    this.#waiters = []
    const waiting = new Map<LocalBucket, { sum: number; least: number }>()
    for (const { amount, limits } of waiters) {
      for (const limit of limits) {
        const bucket = this.#bucketOf(limit, nowMs)
        const others = waiting.get(bucket)
        if (others === undefined) waiting.set(bucket, { sum: amount, least: amount })
        else {
          others.sum += amount
          others.least = Math.min(others.least, amount)
        }
      }
    }
    const buckets = new Set(waiting.keys())
    for (const bucket of this.#urgent) {
      if (buckets.size >= MAX_ASKS) break
      buckets.add(bucket)
    }
    if (buckets.size === 0) return undefined
    const asks = [...buckets].map((bucket) => {
      const { least, sum } = waiting.get(bucket) ?? { least: 0, sum: 0 }
      this.#urgent.delete(bucket)
      this.#held.add(bucket)
      return { bucket, ask: bucket.ask(sum, least, nowMs, this.#replicas) }
    })
    const sweeps = nowMs - this.#sweptAtMs >= SWEEP_EVERY_MS
    if (sweeps) this.#sweptAtMs = nowMs
    const expectedMs = this.#heard === undefined ? 0 : this.#heard.storeMs + nowMs - this.#heard.atMs
    return {
      exchange: {
        holder: this.#holder,
        expectedMs,
        replicas: this.#replicas,
        sweeps,
        asks: asks.map(({ ask }) => ask),
      },
      sentAtMs: nowMs,
      waiters,
      asks,
    }
  }

  /** Notes what the store answered, and lets those go on that waited for it. */
  received(sent: Sent, exchanged: Exchanged, nowMs: number): void {
    this.#alone = false
    this.#lost = 0
    this.#replicas = Math.max(1, exchanged.replicas)
    this.#heard = { storeMs: exchanged.nowMs, atMs: nowMs }
    for (const { ask, bucket } of sent.asks) {
      const answer = exchanged.answers.get(bucket.name)
      if (answer === undefined) bucket.unanswered(ask, nowMs)
      else bucket.answered(ask, answer, sent.sentAtMs, nowMs)
    }
    this.#release(sent.waiters, nowMs)
  }

  /** Goes on alone: the store did not answer. */
  lost(sent: Sent, nowMs: number): void {
    this.#alone = true
    this.#lost += 1
    if (this.#lost === 1) this.#lostAtMs = nowMs
    const sinceMs = this.#lost === 2 ? this.#lostAtMs : nowMs
    this.#probeAtMs = sinceMs + (this.#lost === 1 ? ASK_AGAIN_MS : PROBE_EVERY_MS)
    this.#heard = undefined
    for (const { ask, bucket } of sent.asks) {
      bucket.unanswered(ask, nowMs)
      this.#urgent.add(bucket)
    }
    this.#release(sent.waiters, nowMs)
  }

  /** Nobody waits any more, and nobody will. */
  close(nowMs: number): void {
    this.#alone = true
    this.#release([], nowMs)
  }

  /** Lets those go on who waited for an answer, and those who came meanwhile as far as it says what becomes of them. */
  #release(answered: ReadonlyArray<Waiter>, nowMs: number): void {
    const others = this.#waiters
    this.#waiters = []
    for (const waiter of answered) {
      waiter.tries += 1
      const taken = this.#takeAll(waiter.limits, waiter.amount, nowMs)
      if (taken !== ASK) this.#resume(waiter, taken, nowMs)
      else if (waiter.tries < MAX_TRIES) this.#waiters.push(waiter)
      else this.#resume(waiter, this.#refusal(waiter.limits[0], waiter.amount, 0, nowMs), nowMs)
    }
    for (const waiter of others) {
      const taken = this.#takeAll(waiter.limits, waiter.amount, nowMs)
      if (taken === ASK) this.#waiters.push(waiter)
      else this.#resume(waiter, taken, nowMs)
    }
  }

  #resume(waiter: Waiter, refused: RateLimited | undefined, nowMs: number): void {
    for (const limit of waiter.limits) this.#bucketOf(limit, nowMs).waiting -= 1
    waiter.resume(refused)
  }

  #takeAll(
    limits: ReadonlyArray<Limit>,
    amount: number,
    nowMs: number,
  ): RateLimited | typeof ASK | undefined {
    let asks = false
    for (let i = 0; i < limits.length; i++) {
      const limit = limits[i]
      if (limit === undefined) break
      const bucket = this.#bucketOf(limit, nowMs)
      const lacking =
        amount > limit.limit
          ? amount - limit.limit
          : this.#alone
            ? bucket.takeAlone(amount, nowMs, this.#replicas)
            : bucket.take(amount, nowMs)
      if (lacking === 0) {
        if (this.#holder === undefined) continue
        this.#held.add(bucket)
        if (this.#alone || bucket.isLow(nowMs)) this.#urgent.add(bucket)
        continue
      }
      for (let j = 0; j < i; j++) {
        const other = limits[j]
        if (other !== undefined) this.#giveBack(this.#bucketOf(other, nowMs), amount, nowMs)
      }
      if (lacking !== ASK) return this.#refusal(limit, amount, lacking, nowMs)
      asks = true
      break
    }
    return asks ? ASK : undefined
  }

  #giveBack(bucket: LocalBucket, amount: number, nowMs: number): void {
    if (this.#alone) bucket.giveBackAlone(amount, nowMs, this.#replicas)
    else if (bucket.giveBack(amount, nowMs, this.#replicas) && !this.#returned.has(bucket)) {
      if (this.#returned.size === 0) this.#returnsAtMs = nowMs + RETURN_AFTER_MS
      this.#returned.add(bucket)
    }
    if (this.#holder !== undefined) this.#held.add(bucket)
  }

  #refusal(
    limit: Limit | undefined,
    wanted: number,
    lacking: number,
    nowMs: number,
  ): RateLimited | undefined {
    if (limit === undefined) return undefined
    const bucket = this.#bucketOf(limit, nowMs)
    return new RateLimited({
      limit,
      wanted,
      state: bucket.state(nowMs),
      retryAfterMs: bucket.waitMs(lacking),
    })
  }

  #bucketOf(limit: Limit, nowMs: number): LocalBucket {
    const known = this.#buckets.get(limit.name)
    if (known !== undefined) return known
    this.#removeOld(nowMs)
    const added =
      limit.kind === "concurrency"
        ? new PermitBucket(limit.name, limit.limit, nowMs)
        : new RateBucket(limit.name, limit.limit, nowMs)
    this.#buckets.set(limit.name, added)
    return added
  }

  /** Looks at the oldest: those that equal a new one go, the others are old no more. */
  #removeOld(nowMs: number): void {
    let looks = LOOKS_PER_BUCKET
    for (const [name, bucket] of this.#buckets) {
      if (looks === 0) return
      looks -= 1
      this.#buckets.delete(name)
      const isFull = this.#buckets.size >= this.#maxBuckets
      if (bucket.waiting === 0 && (bucket.isIdle(nowMs) || (isFull && !bucket.isHolding()))) {
        this.#urgent.delete(bucket)
        this.#held.delete(bucket)
        this.#returned.delete(bucket)
      } else this.#buckets.set(name, bucket)
    }
  }
}
