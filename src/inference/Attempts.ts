import { Context, Effect, Exit, Layer, Metric, Random, Result } from "effect"
import { Settings } from "../config/Settings.ts"
import type { ChatRequest, Completion } from "../domain/Chat.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import { isClientFault, type ProviderError } from "../domain/ProviderError.ts"
import type { AttemptRecord } from "../ledger/LedgerRecord.ts"
import { upstreamAttempts, upstreamDuration } from "../observability/Metrics.ts"
import { costOf } from "../pricing/cost.ts"
import { Breakers } from "../routing/Breakers.ts"
import type { Candidate, Plan } from "../routing/plan.ts"
import { RetryBudget } from "../routing/RetryBudget.ts"
import { Router } from "../routing/Router.ts"
import { fromProviders } from "./failures.ts"
import { nextStep } from "./next-step.ts"
import type { Trace } from "./Trace.ts"

/** A tripped target is a last resort that may well hang: it gets a few times what its answers take, not everything. */
const lastResortTimeoutMs = (expectedMs: number): number => Math.max(10_000, 4 * expectedMs)

/** One line per target in this time: an outage must be visible in the log, not fill it. */
const LOG_EVERY_MS = 10_000

/** Carries a plan out: one attempt after another until one succeeds or nothing sensible is left to try. */
export class Attempts extends Context.Service<
  Attempts,
  {
    readonly run: (
      plan: Plan,
      request: ChatRequest,
      trace: Trace,
    ) => Effect.Effect<{ readonly candidate: Candidate; readonly completion: Completion }, GatewayError>
  }
>()("gateway/inference/Attempts") {
  static readonly layer = Layer.effect(
    Attempts,
    Effect.gen(function* () {
      const { limits, timeouts } = (yield* Settings).gateway
      const breakers = yield* Breakers
      const retryBudget = yield* RetryBudget
      const router = yield* Router

      /** One upstream call, recorded and learned from however it ends. */
      const attempt = (candidate: Candidate, request: ChatRequest, timeoutMs: number, trace: Trace) => {
        const { provider, model, key } = candidate
        const startedAt = trace.now()
        return breakers.run(key, provider.complete({ model: model.name, request, timeoutMs })).pipe(
          Effect.onExit((exit) => {
            const record = attemptRecord(candidate, startedAt, trace.now() - startedAt, exit)
            trace.attempts.push(record)
            return Effect.andThen(measure(record), learn(key, record))
          }),
        )
      }

      const learn = (key: string, { outcome, latencyMs, usage }: AttemptRecord): Effect.Effect<void> => {
        if (outcome === "cancelled" || outcome === "defect") return Effect.void
        return router.observe({
          key,
          mode: "whole",
          outcome:
            outcome === "success"
              ? { _tag: "success", ms: latencyMs, outputTokens: usage?.outputTokens ?? null }
              : { _tag: "failure", kind: outcome },
        })
      }

      const reportedAt = new Map<string, number>()

      /** For operators: trouble that is ours or the provider's. The client's own mistakes are its own to see. */
      const report = (
        key: string,
        { kind, status, detail }: ProviderError,
        trace: Trace,
      ): Effect.Effect<void> => {
        const nowMs = trace.now()
        if (isClientFault(kind) || nowMs - (reportedAt.get(key) ?? -LOG_EVERY_MS) < LOG_EVERY_MS)
          return Effect.void
        reportedAt.set(key, nowMs)
        return Effect.annotateLogs(Effect.logWarning("An upstream attempt failed"), {
          target: key,
          kind,
          request_id: trace.requestId,
          ...(status === undefined ? {} : { status }),
          ...(detail === undefined ? {} : { detail }),
        })
      }

      const run = Effect.fnUntraced(function* (plan: Plan, request: ChatRequest, trace: Trace) {
        const deadlineAt = trace.startedAt + timeouts.deadlineMs
        const failures: Array<ProviderError> = []
        let queue = plan.candidates.slice()
        const larger = plan.largerContext.slice()
        // A slow upload or a wait for another replica may have used up the request's time already.
        let candidate = trace.now() < deadlineAt ? queue.shift() : undefined
        let attemptsHere = 0

        while (candidate !== undefined) {
          const tripped = candidate.tier === 2
          const remainingMs = deadlineAt - trace.now()
          if (attemptsHere === 0) retryBudget.deposit(candidate.provider.name)
          attemptsHere++
          const timeoutMs = tripped
            ? Math.min(remainingMs, lastResortTimeoutMs(candidate.expectedMs))
            : remainingMs
          const result = yield* Effect.result(attempt(candidate, request, timeoutMs, trace))
          if (Result.isSuccess(result)) return { candidate, completion: result.success }

          failures.push(result.failure)
          yield* report(candidate.key, result.failure, trace)
          const step = nextStep({
            error: result.failure,
            attempts: trace.attempts.length,
            attemptsHere,
            maxAttempts: limits.maxAttempts,
            remainingMs: deadlineAt - trace.now(),
            expectedMs: candidate.expectedMs,
            next: queue[0],
            nextLarger: larger[0],
            untried: queue.length,
            tripped,
            random: yield* Random.next,
          })
          if (step._tag === "Retry" && retryBudget.withdraw(candidate.provider.name)) {
            yield* Effect.sleep(step.waitMs)
            continue
          }
          const move = step._tag === "Retry" ? step.otherwise : step._tag
          // Too long for one of them: nobody but the larger ones is asked from here on.
          if (move === "NextLarger") queue = larger
          candidate = move === "GiveUp" ? undefined : queue.shift()
          attemptsHere = 0
        }
        return yield* fromProviders(failures)
      })

      return Attempts.of({ run })
    }),
  )
}

const measure = ({ provider, model, outcome, latencyMs }: AttemptRecord): Effect.Effect<void> =>
  Effect.andThen(
    Metric.update(upstreamAttempts(provider, model, outcome), 1),
    Metric.update(upstreamDuration(provider, model), latencyMs),
  )

const attemptRecord = (
  { provider, model }: Candidate,
  startedAt: number,
  latencyMs: number,
  exit: Exit.Exit<Completion, ProviderError>,
): AttemptRecord => {
  const base = { provider: provider.name, model: model.name, startedAt, latencyMs }
  if (Exit.isSuccess(exit)) {
    const { usage } = exit.value
    return {
      ...base,
      outcome: "success",
      upstreamStatus: 200,
      usage,
      costNanoUsd: costOf(model.price, usage).nanoUsd,
    }
  }
  const failure = Exit.findErrorOption(exit)
  return {
    ...base,
    outcome: failure._tag === "Some" ? failure.value.kind : Exit.hasDies(exit) ? "defect" : "cancelled",
    upstreamStatus: failure._tag === "Some" ? (failure.value.status ?? null) : null,
    usage: null,
    costNanoUsd: null,
  }
}
