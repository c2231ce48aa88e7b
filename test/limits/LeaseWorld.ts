import { Leases, type Sent } from "../../src/limits/Leases.ts"
import { type Limit, makeLimit } from "../../src/limits/limit.ts"
import { ASK } from "../../src/limits/local-bucket.ts"
import { ModelStore } from "./model-store.ts"

/** Draws numbers from 0 to 1 from a seed. */
const randomOf = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface WorldOptions {
  readonly seed: number
  readonly kind: Limit["kind"]
  readonly limit: number
  readonly replicas: number
  /** Of a hundred exchanges, those of which the answer is lost, executed or not; never two in a row of one replica. */
  readonly lostPercent?: number
}

interface Replica {
  leases: Leases
  /** One exchange under way: when its answer is there, and what it is. */
  sent: { readonly sent: Sent; readonly atMs: number; readonly answer: (() => void) | undefined } | undefined
  /** Lives in a process that was stopped until then. */
  stoppedUntilMs: number
  number: number
  /** The answer before was lost. */
  hasLost: boolean
}

const ANSWER_TIMEOUT_MS = 250

/**
 * Replicas with one limit through one store, millisecond by millisecond. What befalls them is the test's: `crash`, `stop`,
 * `forget`. Counts what they admit, as a series of charges that fall by what is given back.
 */
export class LeaseWorld {
  readonly store = new ModelStore()
  readonly replicas: Array<Replica>
  readonly limit: Limit
  nowMs = 1_000_000
  /** Until then the store answers nobody. */
  awayUntilMs = 0
  admitted = 0
  refused = 0
  exchanges = 0
  inFlight = 0
  /** Requests that waited for the store. */
  waited = 0
  longestWaitMs = 0
  /** Charged so far, as of each millisecond in which that changed. */
  readonly charges: Array<{ readonly atMs: number; readonly charged: number }> = []
  #charged = 0
  #started = 0
  #limit: number
  readonly #random: () => number
  readonly #lost: number

  constructor({ kind, limit, lostPercent = 0, replicas, seed }: WorldOptions) {
    this.#random = randomOf(seed)
    this.#lost = lostPercent / 100
    this.#limit = limit
    this.limit = makeLimit(kind, "key", "k", limit)
    this.replicas = Array.from({ length: replicas }, () => this.#start())
  }

  random(): number {
    return this.#random()
  }

  /** Asks one replica for an amount; `taken` hears what gives it back. */
  request(
    index: number,
    amount: number,
    taken: (giveBack: (amount: number) => void) => void = () => {},
  ): void {
    const replica = this.replicas[index]
    if (replica === undefined || this.nowMs < replica.stoppedUntilMs) return
    const { leases } = replica
    const since = this.nowMs
    const ended = (refused: unknown) => {
      this.longestWaitMs = Math.max(this.longestWaitMs, this.nowMs - since)
      if (refused !== undefined) {
        this.refused += 1
        return
      }
      this.admitted += 1
      this.#charge(amount)
      taken((back) => {
        // What a dead process took is nobody's to give back.
        if (replica.leases !== leases) return
        leases.giveBack([this.limit], back, this.nowMs)
        this.#charge(-back)
      })
    }
    const refused = leases.take([this.limit], amount, this.nowMs)
    if (refused === ASK) {
      this.waited += 1
      leases.wait({ limits: [this.limit], amount, tries: 0, resume: ended }, this.nowMs)
    } else ended(refused)
  }

  /** Kills a replica and starts another one. Its requests in flight end with it. */
  crash(index: number): void {
    this.replicas[index] = this.#start()
  }

  stop(index: number, ms: number): void {
    const replica = this.replicas[index]
    if (replica !== undefined) replica.stoppedUntilMs = this.nowMs + ms
  }

  /** One millisecond passes. */
  tick(): void {
    this.nowMs += 1
    for (const replica of this.replicas) {
      if (this.nowMs < replica.stoppedUntilMs) continue
      const { leases, sent } = replica
      if (sent !== undefined) {
        if (this.nowMs < sent.atMs) continue
        replica.sent = undefined
        if (sent.answer === undefined) leases.lost(sent.sent, this.nowMs)
        else sent.answer()
      }
      if (leases.nextMs(this.nowMs) !== 0) continue
      const next = leases.send(this.nowMs)
      if (next === undefined) continue
      this.exchanges += 1
      const isAway = this.nowMs < this.awayUntilMs
      const isLost = isAway || (this.#random() < this.#lost && !replica.hasLost)
      replica.hasLost = isLost
      const isDone = !isLost || (!isAway && this.#random() < 0.5)
      // The store works through it at once, as a lock makes it; the answer takes its time.
      const answer = isDone ? this.store.exchange(next.exchange, this.nowMs + 1_000_000_000) : undefined
      replica.sent = {
        sent: next,
        atMs: this.nowMs + (isLost ? ANSWER_TIMEOUT_MS : 1 + Math.floor(this.#random() * 5)),
        answer: isLost || answer === undefined ? undefined : () => leases.received(next, answer, this.nowMs),
      }
    }
  }

  /** The most that was charged in any span of time beyond what refills in it. */
  mostBeyondRefill(): number {
    const perMs = this.#limit / 60_000
    let least = Number.POSITIVE_INFINITY
    let most = 0
    let before = 0
    for (const { atMs, charged } of this.charges) {
      least = Math.min(least, before - perMs * atMs)
      most = Math.max(most, charged - perMs * atMs - least)
      before = charged
    }
    return most
  }

  /** The most that was charged in any minute from a moment on. */
  mostInAMinute(fromMs: number): number {
    let first = 0
    let most = 0
    for (const { atMs, charged } of this.charges) {
      if (atMs < fromMs + 60_000) continue
      while ((this.charges[first]?.atMs ?? atMs) < atMs - 60_000) first += 1
      most = Math.max(most, charged - (this.charges[first - 1]?.charged ?? 0))
    }
    return most
  }

  chargedSince(atMs: number): number {
    const before = this.charges.findLast((charge) => charge.atMs <= atMs)
    return this.#charged - (before?.charged ?? 0)
  }

  #charge(amount: number): void {
    this.#charged += amount
    this.inFlight += Math.sign(amount)
    this.charges.push({ atMs: this.nowMs, charged: this.#charged })
  }

  #start(): Replica {
    this.#started += 1
    return {
      leases: new Leases(`replica ${this.#started}`),
      sent: undefined,
      hasLost: false,
      stoppedUntilMs: Number.NEGATIVE_INFINITY,
      number: this.#started,
    }
  }
}

/** Sends as many requests in a minute, to each replica by its weight, for so many milliseconds. */
export const run = (
  world: LeaseWorld,
  ms: number,
  perMinute: number,
  options: {
    readonly weights?: ReadonlyArray<number>
    readonly amount?: () => number
    readonly after?: (amount: number) => { readonly ms: number; readonly used: number } | undefined
    readonly befall?: () => void
  } = {},
) => {
  const weights = options.weights ?? world.replicas.map(() => 1)
  const sum = weights.reduce((total, weight) => total + weight, 0)
  const ending = new Map<number, Array<() => void>>()
  for (let i = 0; i < ms; i++) {
    for (const end of ending.get(world.nowMs) ?? []) end()
    ending.delete(world.nowMs)
    options.befall?.()
    for (let due = perMinute / 60_000; due > 0; due -= 1) {
      if (world.random() >= due) continue
      let drawn = world.random() * sum
      const index = weights.findIndex((weight) => {
        drawn -= weight
        return drawn < 0
      })
      const amount = options.amount?.() ?? 1
      world.request(index, amount, (giveBack) => {
        const ends = options.after?.(amount)
        if (ends === undefined) return
        const atMs = world.nowMs + ends.ms
        ending.set(atMs, [...(ending.get(atMs) ?? []), () => giveBack(amount - ends.used)])
      })
    }
    world.tick()
  }
}

/** What may be admitted beyond a limit and what refills. */
export const slackOf = (limit: number, replicas: number) => Math.max(limit / 20, replicas)
