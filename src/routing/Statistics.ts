import { Context, Effect, Layer } from "effect"
import type { CallMode } from "../domain/Chat.ts"
import { dispositions, type ProviderErrorKind } from "../domain/ProviderError.ts"
import { getOrInsert } from "../platform/get-or-insert.ts"
import { monotonicMsUnsafe } from "../platform/monotonic.ts"
import { AnswerLengths, type Asked } from "./answer-lengths.ts"
import { LatencyModel } from "./latency-model.ts"
import { RatioQuantiles } from "./RatioQuantiles.ts"
import { Reliability } from "./reliability.ts"

/** What is known of a request and of a candidate before it is asked: what its answer is later compared by. */
export interface Features extends Asked {
  /** See `conversationOf`. */
  readonly conversation: string | undefined
  /** Of the input, expected in the candidate's cache. */
  readonly cachedTokens: number
  /** Most output tokens that the model can give; undefined = not known. */
  readonly modelLimit: number | undefined
  /** Calls under way at the candidate. */
  readonly inFlight: number
}

/** The lesson of one upstream attempt. `ms` is until the whole answer or the first token, by mode, or until the failure. */
export interface Observation {
  /** `provider/model`. */
  readonly key: string
  readonly mode: CallMode
  readonly features: Features
  /** What it was expected to take when it was chosen; absent: nobody said. */
  readonly expectedMs?: number
  readonly outcome:
    | {
        readonly _tag: "success"
        readonly ms: number
        /** Null = the provider did not say. */
        readonly outputTokens: number | null
        readonly inputTokens?: number | undefined
        readonly cachedTokens?: number | undefined
      }
    | {
        readonly _tag: "failure"
        readonly kind: ProviderErrorKind
        readonly ms: number
        /** Calls that began later are answered. */
        readonly lives?: boolean
      }
    /** Another call was sooner: it would have taken longer than this. */
    | { readonly _tag: "cut"; readonly ms: number }
}

export interface Prediction {
  readonly ms: number
  /** It has answered or failed enough to know it by. */
  readonly known: boolean
  /** In this mode. */
  readonly answers: number
  /** What the call adds to the calls that are under way there, in milliseconds. */
  readonly burdenMs: number
  readonly inputTokens: number
  readonly outputTokens: number
  /** 0..1 */
  readonly availability: number
  /** See `Reliability`. */
  readonly isUnhealthy: boolean
  readonly isDoubtful: boolean
  /** Until a failure, on average. */
  readonly failureMs: number
  /** A call that takes so long is late. */
  readonly lateAfterMs: number
  /** A caller who has somebody else to ask should leave a call that takes so long. */
  readonly patienceMs: number
}

/** Of one candidate. */
class CandidateStatistics {
  readonly latency: Readonly<Record<CallMode, LatencyModel>> = {
    whole: LatencyModel.perMode.whole(),
    stream: LatencyModel.perMode.stream(),
  }
  readonly ratios: Readonly<Record<CallMode, RatioQuantiles>> = {
    whole: new RatioQuantiles(),
    stream: new RatioQuantiles(),
  }
  readonly reliability = new Reliability()
  /** Output tokens for each that others say. */
  readonly verbosity = new Ratio()
  /** The candidate's own count of input tokens for each that is estimated. */
  readonly inputRatio = new Ratio()
}

const nothingKnown = () => new CandidateStatistics()

/** A ratio of two sums, near 1 until enough is known. */
class Ratio {
  #over = 0
  #under = 0

  get value(): number {
    return (this.#over + RATIO_PRIOR) / (this.#under + RATIO_PRIOR)
  }

  /** Adds one pair, each as a share of what is usual. */
  add(over: number, under: number): void {
    const keep = 1 - 1 / RATIO_ANSWERS
    this.#over = this.#over * keep + over
    this.#under = this.#under * keep + under
  }
}

const KNOWN_ANSWERS = 3
/** A call that takes longer than this share of them is late. */
const LATE_QUANTILE = 0.95
/** Of fewer nobody knows when a call is late. */
const ANSWERS_FOR_QUANTILE = 20
const RATIO_PRIOR = 3
const RATIO_ANSWERS = 100
/** An answer that says how long it is by mistake must not undo all others. */
const MAX_RATIO = 20

/**
 * Live statistics per candidate and mode, in this process only: every replica sees its own latency. Keys come from the
 * configuration. `predict` is synchronous because planning asks it for every candidate of every request.
 */
export class Statistics extends Context.Service<
  Statistics,
  {
    readonly observe: (observation: Observation) => Effect.Effect<void>
    readonly predict: (key: string, mode: CallMode, nowMs: number, features: Features) => Prediction
    /** Returns by how much a call that is late exceeds its prediction; undefined = too little is known. */
    readonly lateRatio: (key: string, mode: CallMode) => number | undefined
    /** Forgets a candidate's failures, and keeps how fast it is. */
    readonly forgive: (key: string) => void
    readonly forget: (key: string) => void
  }
>()("gateway/routing/Statistics") {
  static readonly layer = Layer.sync(Statistics, () => {
    const lengths = new AnswerLengths()
    const candidates = new Map<string, CandidateStatistics>()
    const of = (key: string): CandidateStatistics => getOrInsert(candidates, key, nothingKnown)

    const observe = ({ expectedMs = 0, features, key, mode, outcome }: Observation, nowMs: number): void => {
      const seen = of(key)
      if (outcome._tag === "cut") {
        if (expectedMs > 0) seen.ratios[mode].addLonger(outcome.ms / expectedMs)
        return
      }
      if (outcome._tag === "failure") {
        // Whoever says to stay away is there, and is left alone for as long.
        if (dispositions[outcome.kind].breaker !== "count") return
        if (outcome.lives === true) seen.reliability.outlasted(nowMs, outcome.ms)
        else seen.reliability.failed(nowMs, outcome.ms, outcome.kind === "timeout" ? outcome.ms : 0)
        return
      }
      seen.reliability.succeeded(nowMs, outcome.ms)
      if (expectedMs > 0) seen.ratios[mode].add(outcome.ms / expectedMs)
      const usual = lengths.expect(features)
      const outputTokens = outcome.outputTokens ?? usual * seen.verbosity.value
      if (outcome.inputTokens !== undefined && features.inputTokens > 0) {
        seen.inputRatio.add(Math.min(MAX_RATIO, outcome.inputTokens / features.inputTokens), 1)
      }
      const inputTokens = features.inputTokens * seen.inputRatio.value
      seen.latency[mode].observe(
        nowMs,
        {
          outputTokens,
          inputTokens: Math.max(0, inputTokens - (outcome.cachedTokens ?? 0)),
          inFlight: features.inFlight,
        },
        outcome.ms,
      )
      // No output at all says nothing of how long answers are: embeddings have none.
      if (outcome.outputTokens === null || outcome.outputTokens <= 0) return
      const isKnown = lengths.isKnown(features)
      lengths.observe(features, outputTokens / seen.verbosity.value)
      if (isKnown) seen.verbosity.add(Math.min(MAX_RATIO, outputTokens / Math.max(1, usual)), 1)
    }

    return Statistics.of({
      observe: (observation) =>
        Effect.clockWith((clock) => Effect.sync(() => observe(observation, monotonicMsUnsafe(clock)))),
      predict: (key, mode, nowMs, features) => {
        const { cachedTokens, inFlight, inputTokens: estimated, modelLimit, outputLimit } = features
        const seen = of(key)
        const usual = lengths.expect(features) * seen.verbosity.value
        const outputTokens = Math.min(
          usual,
          outputLimit ?? Number.POSITIVE_INFINITY,
          modelLimit ?? Number.POSITIVE_INFINITY,
        )
        const inputTokens = estimated * seen.inputRatio.value
        const latency = seen.latency[mode]
        const uncached = Math.max(0, inputTokens - cachedTokens)
        const ms = latency.predict(nowMs, { outputTokens, inputTokens: uncached, inFlight })
        return {
          ms,
          answers: latency.answers,
          known: latency.answers >= KNOWN_ANSWERS || seen.reliability.hasFailed,
          burdenMs: ms * latency.loadSlope * inFlight,
          inputTokens,
          outputTokens,
          availability: seen.reliability.availability(nowMs),
          isUnhealthy: seen.reliability.isUnhealthy(nowMs),
          isDoubtful: seen.reliability.isDoubtful(nowMs),
          failureMs: seen.reliability.failureMs,
          lateAfterMs: seen.reliability.lateAfterMs(ms),
          patienceMs: seen.reliability.patienceMs(ms),
        }
      },
      lateRatio: (key, mode) => {
        const ratios = of(key).ratios[mode]
        return ratios.answers < ANSWERS_FOR_QUANTILE ? undefined : ratios.quantile(LATE_QUANTILE)
      },
      forgive: (key) => of(key).reliability.forgive(),
      forget: (key) => void candidates.delete(key),
    })
  })
}
