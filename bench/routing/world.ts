import type { CallMode } from "../../src/domain/Chat.ts"
import { at, type Dice, normal } from "./dice.ts"

/** Worlds to route in: what candidates are like, and what is asked of them. Times are milliseconds from the start. */

export interface World {
  readonly name: string
  /** What makes it hard. */
  readonly why: string
  readonly candidates: ReadonlyArray<CandidateTruth>
  /** Draws what is asked, in the order of arrival. */
  readonly requests: (dice: Dice, count: number) => ReadonlyArray<Ask>
}

export interface CandidateTruth {
  /** Dollars per million tokens. */
  readonly price: { readonly input: number; readonly cached?: number; readonly output: number }
  readonly overheadMs: number
  /** Of input that is in no cache. */
  readonly msPerInputToken?: number
  readonly msPerOutputToken: number
  /** Output tokens for each that the request is worth. */
  readonly verbosity?: number
  /** Spread of its times, as the sigma of a log-normal factor of mean 1. */
  readonly sigma?: number
  /** In its stead: a Pareto factor of mean 1. */
  readonly tail?: number
  /** Calls in flight at which it takes twice as long. */
  readonly capacity?: number
  readonly quota?: { readonly perSecond: number; readonly burst: number; readonly saysWhen: boolean }
  /** Lifetime of its prompt cache, which every use extends; absent: it has none. */
  readonly cacheMs?: number
  /** How it is at a time; usual when absent. */
  readonly state?: (atMs: number) => State
}

export interface State {
  /** Factor of its times. */
  readonly slow?: number
  /** Share of calls that fail, and after how long. */
  readonly errors?: number
  readonly errorMs?: number
  readonly down?: "refuses" | "hangs"
  /** Calls in flight beyond which it fails, and how. */
  readonly most?: { readonly calls: number; readonly fails: "server_error" | "rate_limited" }
}

export interface Ask {
  readonly atMs: number
  readonly inputTokens: number
  /** Worth of its answer; candidates are more or less verbose. */
  readonly outputTokens: number
  /** The mean of that over requests of its kind: nobody can know more before the answer is there. */
  readonly usualTokens: number
  readonly maxTokens?: number
  readonly conversation?: number
  /** The application that asks, which its system prompt tells. */
  readonly app?: number
}

/** How one call goes. */
export interface Fate {
  readonly kind: "answers" | "server_error" | "connect" | "rate_limited" | "hangs"
  readonly retryAfterMs?: number
  /** Until the first token, and until the end; of a failure both are its end. */
  readonly firstMs: number
  readonly totalMs: number
  readonly outputTokens: number
  readonly cachedTokens: number
  readonly usd: number
}

/** What can be known of a call before it is made. */
export interface Expectation {
  readonly ms: number
  readonly usd: number
  /** What it adds to the calls that are under way there. */
  readonly burdenMs: number
  /** Chance that it fails, and after how long. */
  readonly failure: number
  readonly failureMs: number
}

const REFUSAL_MS = 5
const LIMIT_MS = 40
/** Caches hold whole blocks, and nothing small. */
const CACHE_BLOCK = 128
const CACHE_MIN = 1_024
/** Spread of what one candidate says to one request. */
const OUTPUT_SIGMA = 0.2
/** No call takes longer than so many times the least. */
const MAX_TAIL = 100

interface Prefix {
  readonly tokens: number
  readonly untilMs: number
}

/** One run of a world: what is in flight, in caches and left of quotas depends on who was asked. */
export class Run {
  readonly world: World
  readonly asks: ReadonlyArray<Ask>
  readonly mode: CallMode
  /** The turn before each, as a position; -1 = none. */
  readonly turnBefore: ReadonlyArray<number>
  readonly #seed: number
  readonly #inFlight: Array<number>
  readonly #quota: Array<{ tokens: number; atMs: number }>
  readonly #prefixes: Array<Map<number, Prefix>>

  constructor(world: World, asks: ReadonlyArray<Ask>, mode: CallMode, seed: number) {
    this.world = world
    this.asks = asks
    this.mode = mode
    this.turnBefore = turnsBefore(asks)
    this.#seed = seed
    this.#inFlight = world.candidates.map(() => 0)
    this.#quota = world.candidates.map(({ quota }) => ({ tokens: quota?.burst ?? 0, atMs: 0 }))
    this.#prefixes = world.candidates.map(() => new Map())
  }

  /** Draws how a call goes that leaves now; `end` has to be told when it is over. */
  begin(request: number, candidate: number, attempt: number, nowMs: number): Fate {
    const { inputTokens } = this.#ask(request)
    const truth = this.#truth(candidate)
    const luck = (what: number) => at(this.#seed, request, candidate, attempt, what)
    const state = truth.state?.(nowMs) ?? {}
    const flying = this.#inFlight[candidate] ?? 0
    this.#inFlight[candidate] = flying + 1
    const failed = (kind: Fate["kind"], ms: number, retryAfterMs?: number): Fate => ({
      kind,
      firstMs: ms,
      totalMs: ms,
      outputTokens: 0,
      cachedTokens: 0,
      usd: 0,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    })
    if (state.down === "refuses") return failed("connect", REFUSAL_MS)
    if (state.down === "hangs") return failed("hangs", Number.POSITIVE_INFINITY)
    if (state.most !== undefined && flying >= state.most.calls) return failed(state.most.fails, LIMIT_MS)
    const waitMs = this.#takeQuota(candidate, nowMs)
    if (waitMs > 0) return failed("rate_limited", LIMIT_MS, truth.quota?.saysWhen ? waitMs : undefined)
    if (luck(0) < (state.errors ?? 0)) return failed("server_error", state.errorMs ?? REFUSAL_MS)
    const factor = noise(truth, luck(1), luck(2)) * loadFactor(truth, flying) * (state.slow ?? 1)
    const cachedTokens = this.#cached(request, candidate, nowMs)
    const outputTokens = this.#output(request, candidate)
    const firstMs = firstTokenMs(truth, inputTokens - cachedTokens) * factor
    return {
      kind: "answers",
      firstMs,
      totalMs: firstMs + truth.msPerOutputToken * outputTokens * factor,
      outputTokens,
      cachedTokens,
      usd: usdOf(truth, inputTokens, cachedTokens, outputTokens),
    }
  }

  end(request: number, candidate: number, fate: Fate, nowMs: number): void {
    this.#inFlight[candidate] = (this.#inFlight[candidate] ?? 1) - 1
    const { conversation, inputTokens } = this.#ask(request)
    const { cacheMs } = this.#truth(candidate)
    if (fate.kind !== "answers" || cacheMs === undefined || conversation === undefined) return
    this.#prefixes[candidate]?.set(conversation, { tokens: inputTokens, untilMs: nowMs + cacheMs })
  }

  /**
   * What who knows the truth expects of a call now, with nobody else there where `caches` is given: with what may be in its cache
   * at best, with all of the input in it, or with nothing.
   */
  expect(request: number, candidate: number, nowMs: number, caches?: "best" | "warm" | "cold"): Expectation {
    const { inputTokens } = this.#ask(request)
    const truth = this.#truth(candidate)
    const state = truth.state?.(nowMs) ?? {}
    const flying = caches === undefined ? (this.#inFlight[candidate] ?? 0) : 0
    const factor = loadFactor(truth, flying) * (state.slow ?? 1)
    const cachedTokens =
      caches === "cold"
        ? 0
        : caches === "warm"
          ? blocks(truth.cacheMs === undefined ? 0 : inputTokens)
          : caches === "best"
            ? this.#warmest(request, truth.cacheMs)
            : this.#cached(request, candidate, nowMs)
    const outputTokens = this.#usualOutput(request, candidate)
    const firstMs = firstTokenMs(truth, inputTokens - cachedTokens) * factor
    const full = state.most !== undefined && flying >= state.most.calls
    const limited = full || (caches === undefined && this.#quotaWaitMs(candidate, nowMs) > 0)
    const ms = this.mode === "stream" ? firstMs : firstMs + truth.msPerOutputToken * outputTokens * factor
    return {
      ms,
      burdenMs: truth.capacity === undefined ? 0 : (ms * flying) / (truth.capacity + flying),
      usd: usdOf(truth, inputTokens, cachedTokens, outputTokens),
      failure: state.down !== undefined || limited ? 1 : (state.errors ?? 0),
      failureMs: state.down === "hangs" ? 600_000 : limited ? LIMIT_MS : (state.errorMs ?? REFUSAL_MS),
    }
  }

  /** The fewest milliseconds and dollars that a request could take at its time: what losses are measured in. */
  unit(request: number): { readonly ms: number; readonly usd: number } {
    let ms = Number.POSITIVE_INFINITY
    let usd = Number.POSITIVE_INFINITY
    for (let candidate = 0; candidate < this.world.candidates.length; candidate++) {
      const expected = this.expect(request, candidate, this.#ask(request).atMs, "best")
      if (expected.failure >= 1) continue
      ms = Math.min(ms, expected.ms)
      usd = Math.min(usd, expected.usd)
    }
    return { ms, usd }
  }

  #ask(request: number): Ask {
    return this.asks[request] as Ask
  }

  #truth(candidate: number): CandidateTruth {
    return this.world.candidates[candidate] as CandidateTruth
  }

  #output(request: number, candidate: number): number {
    const { maxTokens = Number.POSITIVE_INFINITY, outputTokens } = this.#ask(request)
    const luck = [at(this.#seed, request, candidate, 7), at(this.#seed, request, candidate, 8)] as const
    const spread = Math.exp(OUTPUT_SIGMA * normal(...luck) - OUTPUT_SIGMA ** 2 / 2)
    const { verbosity = 1 } = this.#truth(candidate)
    return Math.min(maxTokens, Math.max(1, Math.round(outputTokens * verbosity * spread)))
  }

  #usualOutput(request: number, candidate: number): number {
    const { maxTokens = Number.POSITIVE_INFINITY, usualTokens } = this.#ask(request)
    return Math.min(maxTokens, usualTokens * (this.#truth(candidate).verbosity ?? 1))
  }

  /** Tokens of the conversation's turn before, which is all that a cache could have of this one. */
  #warmest(request: number, cacheMs: number | undefined): number {
    const before = this.turnBefore[request] ?? -1
    if (before < 0 || cacheMs === undefined) return 0
    const earlier = this.#ask(before)
    return this.#ask(request).atMs - earlier.atMs < cacheMs ? blocks(earlier.inputTokens) : 0
  }

  #cached(request: number, candidate: number, nowMs: number): number {
    const { conversation, inputTokens } = this.#ask(request)
    if (conversation === undefined) return 0
    const prefix = this.#prefixes[candidate]?.get(conversation)
    if (prefix === undefined || prefix.untilMs <= nowMs) return 0
    return blocks(Math.min(prefix.tokens, inputTokens))
  }

  #quotaWaitMs(candidate: number, nowMs: number): number {
    const { quota } = this.#truth(candidate)
    const left = this.#quota[candidate]
    if (quota === undefined || left === undefined) return 0
    left.tokens = Math.min(quota.burst, left.tokens + ((nowMs - left.atMs) * quota.perSecond) / 1_000)
    left.atMs = nowMs
    return left.tokens >= 1 ? 0 : ((1 - left.tokens) / quota.perSecond) * 1_000
  }

  #takeQuota(candidate: number, nowMs: number): number {
    const waitMs = this.#quotaWaitMs(candidate, nowMs)
    const left = this.#quota[candidate]
    if (waitMs === 0 && left !== undefined) left.tokens -= 1
    return waitMs
  }
}

const turnsBefore = (asks: ReadonlyArray<Ask>): ReadonlyArray<number> => {
  const latest = new Map<number, number>()
  return asks.map(({ conversation }, request) => {
    if (conversation === undefined) return -1
    const before = latest.get(conversation) ?? -1
    latest.set(conversation, request)
    return before
  })
}

const blocks = (tokens: number): number =>
  tokens < CACHE_MIN ? 0 : Math.floor(tokens / CACHE_BLOCK) * CACHE_BLOCK

const firstTokenMs = ({ msPerInputToken = 0, overheadMs }: CandidateTruth, uncachedTokens: number): number =>
  overheadMs + msPerInputToken * uncachedTokens

const loadFactor = ({ capacity }: CandidateTruth, flying: number): number =>
  capacity === undefined ? 1 : 1 + flying / capacity

const noise = ({ sigma = 0.3, tail }: CandidateTruth, one: number, other: number): number => {
  if (tail !== undefined) return Math.min(MAX_TAIL, one ** (-1 / tail)) / tailMean(tail)
  return Math.exp(sigma * normal(one, other) - (sigma * sigma) / 2)
}

const tailMean = (tail: number): number => (tail - MAX_TAIL ** (1 - tail)) / (tail - 1)

const usdOf = (
  { price }: CandidateTruth,
  inputTokens: number,
  cachedTokens: number,
  outputTokens: number,
): number =>
  ((inputTokens - cachedTokens) * price.input +
    cachedTokens * (price.cached ?? price.input) +
    outputTokens * price.output) /
  1e6
