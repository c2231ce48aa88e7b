import { Clock, Effect } from "effect"
import { Settings } from "../config/Settings.ts"
import type { AnswerSummary } from "../domain/Chat.ts"
import type { ProviderError } from "../domain/ProviderError.ts"
import { Admission } from "../limits/Admission.ts"
import { hedgesStarted, hedgesWon, updater } from "../observability/Metrics.ts"
import { monotonicMsUnsafe } from "../platform/monotonic.ts"
import { Breakers } from "../routing/Breakers.ts"
import { HedgeBudget } from "../routing/HedgeBudget.ts"
import type { Candidate, Hedge, Plan } from "../routing/plan.ts"
import { RetryBudget } from "../routing/RetryBudget.ts"
import { hedged } from "./hedging.ts"
import type { RequestRecorder } from "./RequestRecorder.ts"
import type { UpstreamCall } from "./upstream-call.ts"

/** What a request of a route that hedges may do. */
export interface Hedging {
  readonly budget: HedgeBudget
  /** Undefined: nobody is to be asked. */
  readonly hedge: Hedge | undefined
  readonly route: string
  /** Was asked beside the first one, which was late. */
  hedgedTo: Candidate | undefined
}

interface Asked<A extends AnswerSummary, B> {
  readonly call: UpstreamCall<A>
  readonly recorder: RequestRecorder
  readonly deadlineAt: number
  readonly attempt: (candidate: Candidate, call: UpstreamCall<A>) => Effect.Effect<B, ProviderError>
}

/** Makes the hedges of all routes, each within its shares. `maxWaitingEach` calls may wait for one candidate. */
export const makeHedges = Effect.fnUntraced(function* (maxWaitingEach: number) {
  const { gateway } = yield* Settings
  const { maxAttempts } = gateway.limits
  const admission = yield* Admission
  const breakers = yield* Breakers
  const retryBudget = yield* RetryBudget
  const update = yield* updater
  const clock = yield* Clock.Clock
  const budgets = new Map<string, HedgeBudget>()
  for (const { hedge, name } of gateway.routes.values()) {
    if (hedge !== undefined) budgets.set(name, new HedgeBudget(hedge))
  }

  /** Returns what a request may do; undefined: its route does not hedge. */
  const of = ({ hedge, route }: Plan): Hedging | undefined => {
    const budget = budgets.get(route)
    if (budget === undefined) return undefined
    budget.asked()
    return { budget, hedge, route, hedgedTo: undefined }
  }

  const isWell = (key: string): boolean => {
    const nowMs = monotonicMsUnsafe(clock)
    const health = breakers.healthOf(key)
    return (
      health.trippedForMs(nowMs) === 0 &&
      !health.isSuspect(nowMs) &&
      !health.isResting(nowMs) &&
      !health.isAtLimit &&
      !health.hasWaiting(maxWaitingEach)
    )
  }

  /** Asks the first candidate, and the other one beside it while it is late. */
  const ask = <A extends AnswerSummary, B extends { readonly candidate: Candidate }>(
    hedging: Hedging,
    { afterMs, candidate, first }: Hedge,
    { attempt, call, deadlineAt, recorder }: Asked<A, B>,
  ): Effect.Effect<B, ProviderError> => {
    const { budget, route } = hedging
    const mayStart = (): boolean => {
      const may =
        !recorder.isHeldUp &&
        recorder.attemptCount < maxAttempts &&
        candidate.expectedMs <= deadlineAt - recorder.now() &&
        isWell(candidate.key) &&
        !admission.isBusy() &&
        budget.take(candidate.expectedNanoUsd)
      if (!may) return false
      hedging.hedgedTo = candidate
      retryBudget.deposit(candidate.provider.name)
      update(hedgesStarted(route), 1)
      return true
    }
    return Effect.map(
      hedged({ call, candidates: [first, candidate], attempt, afterMs, mayStart }),
      (answered) => {
        if (answered.candidate === candidate) update(hedgesWon(route), 1)
        return answered
      },
    )
  }

  return { of, ask }
})
