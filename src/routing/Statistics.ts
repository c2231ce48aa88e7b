import { Context, Effect, Layer } from "effect"
import type { CallMode } from "../domain/Chat.ts"
import { dispositions, type ProviderErrorKind } from "../domain/ProviderError.ts"
import { monotonicMsUnsafe } from "../platform/monotonic.ts"
import * as observations from "./observations.ts"

/** The lesson of one upstream attempt. `ms` is until the whole answer or the first token, by mode, or until the failure. */
export interface Observation {
  /** `provider/model`. */
  readonly key: string
  readonly mode: CallMode
  readonly outcome:
    | { readonly _tag: "success"; readonly ms: number; readonly outputTokens: number | null }
    | { readonly _tag: "failure"; readonly kind: ProviderErrorKind; readonly ms: number }
}

interface Prediction {
  readonly ms: number
  readonly outputTokens: number
  /** 0..1 */
  readonly availability: number
  /** A call that takes so long is late. */
  readonly lateAfterMs: number
  /** A caller who has somebody else to ask should leave a call that takes so long. */
  readonly patienceMs: number
}

/**
 * Live statistics per candidate and mode, in this process only: every replica sees its own latency. Keys come from the
 * configuration. `predict` is synchronous because planning asks it for every candidate of every request.
 */
export class Statistics extends Context.Service<
  Statistics,
  {
    readonly observe: (observation: Observation) => Effect.Effect<void>
    readonly predict: (
      key: string,
      mode: CallMode,
      nowMs: number,
      maxOutputTokens: number | undefined,
    ) => Prediction
    /** Forgets a candidate's failures, and keeps how fast it is. */
    readonly forgive: (key: string) => void
    readonly forget: (key: string) => void
  }
>()("gateway/routing/Statistics") {
  static readonly layer = Layer.sync(Statistics, () => {
    const byMode: Readonly<Record<CallMode, Map<string, observations.Observations>>> = {
      whole: new Map(),
      stream: new Map(),
    }
    // Lengths over every candidate: how long answers are depends on what clients ask more than on who answers,
    // so it is the prior of a candidate that has not answered yet.
    let pool = observations.empty(0)
    /** Prior of the length at an instant: the same for all candidates of a plan. */
    let prior = { atMs: Number.NaN, outputTokens: 0 }
    const priorOutputTokens = (nowMs: number): number => {
      if (prior.atMs !== nowMs) {
        const outputTokens = observations.expectedOutputTokens(pool, nowMs, observations.PRIOR_OUTPUT_TOKENS)
        prior = { atMs: nowMs, outputTokens }
      }
      return prior.outputTokens
    }
    const unknown = observations.empty(0)

    return Statistics.of({
      observe: ({ key, mode, outcome }) =>
        Effect.clockWith((clock) =>
          Effect.sync(() => {
            if (outcome._tag === "failure" && dispositions[outcome.kind].breaker === "ignore") return
            const nowMs = monotonicMsUnsafe(clock)
            const entries = byMode[mode]
            const before = entries.get(key) ?? observations.empty(nowMs)
            if (outcome._tag === "failure") {
              entries.set(
                key,
                observations.failure(before, nowMs, outcome.kind === "timeout" ? outcome.ms : 0),
              )
              return
            }
            entries.set(key, observations.answer(before, nowMs, mode, outcome.ms, outcome.outputTokens))
            // No output at all says nothing of how long answers are: embeddings have none.
            if (outcome.outputTokens !== null && outcome.outputTokens > 0) {
              pool = observations.success(pool, nowMs, outcome.ms, outcome.outputTokens)
              prior.atMs = Number.NaN
            }
          }),
        ),
      predict: (key, mode, nowMs, maxOutputTokens) => {
        const seen = byMode[mode].get(key) ?? unknown
        const usual = observations.expectedOutputTokens(seen, nowMs, priorOutputTokens(nowMs))
        const outputTokens = maxOutputTokens === undefined ? usual : Math.min(usual, maxOutputTokens)
        const ms = observations.expectedMs(seen, nowMs, mode, outputTokens)
        return {
          ms,
          outputTokens,
          availability: observations.availability(seen, nowMs),
          lateAfterMs: observations.lateAfterMs(seen, ms),
          patienceMs: observations.patienceMs(seen, ms),
        }
      },
      forgive: (key) => {
        for (const entries of Object.values(byMode)) {
          const seen = entries.get(key)
          if (seen !== undefined) entries.set(key, observations.forgiven(seen))
        }
      },
      forget: (key) => {
        for (const entries of Object.values(byMode)) entries.delete(key)
      },
    })
  })
}
