import { Context, Effect, Exit, Layer, Metric, Random, Result } from "effect"
import { costOf } from "../catalog/cost.ts"
import { Settings } from "../config/Settings.ts"
import type { AnswerSummary, CallMode } from "../domain/Chat.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import { isClientFault, type ProviderError } from "../domain/ProviderError.ts"
import type { AttemptRecord } from "../ledger/LedgerRecord.ts"
import { upstreamAttempts, upstreamDuration } from "../observability/Metrics.ts"
import { Breakers } from "../routing/Breakers.ts"
import type { Candidate, Plan } from "../routing/plan.ts"
import { RetryBudget } from "../routing/RetryBudget.ts"
import { Router } from "../routing/Router.ts"
import type { Asking } from "./asking.ts"
import { fromBrokenStream, fromProviders } from "./failures.ts"
import { nextStep } from "./next-step.ts"
import type { Trace } from "./Trace.ts"

/** A tripped target is a last resort that may well hang: it gets a few times what its answers take, not everything. */
const lastResortPatienceMs = (expectedMs: number): number => Math.max(10_000, 4 * expectedMs)

/** One line per target in this time: an outage must be visible in the log, not fill it. */
const LOG_EVERY_MS = 10_000

type Announce = (candidate: Candidate, startedAt: number) => Effect.Effect<void>

/** Carries a plan out: one attempt after another until one succeeds or nothing sensible is left to try. */
export class Attempts extends Context.Service<
  Attempts,
  {
    /** `announce` is run right before each upstream call leaves. */
    readonly run: <A extends AnswerSummary>(
      plan: Plan,
      asking: Asking<A>,
      trace: Trace,
      announce: Announce,
    ) => Effect.Effect<{ readonly candidate: Candidate; readonly answer: A }, GatewayError>
  }
>()("gateway/inference/Attempts") {
  static readonly layer = Layer.effect(
    Attempts,
    Effect.gen(function* () {
      const { limits } = (yield* Settings).gateway
      const breakers = yield* Breakers
      const retryBudget = yield* RetryBudget
      const router = yield* Router

      /** One upstream call, recorded and learned from however it ends. */
      const attempt = <A extends AnswerSummary>(
        candidate: Candidate,
        asking: Asking<A>,
        trace: Trace,
        announce: Announce,
        remainingMs: number,
        patienceMs: number,
      ) => {
        const startedAt = trace.now()
        const call = Effect.andThen(
          announce(candidate, startedAt),
          asking.ask(candidate, remainingMs, patienceMs),
        )
        return breakers.run(candidate.key, call).pipe(
          Effect.onExit((exit) => {
            const endedAt = trace.now()
            const record = attemptRecord(candidate, startedAt, endedAt - startedAt, exit, asking)
            trace.attempts.push(record)
            const ms = (asking.firstTokenAt() ?? endedAt) - startedAt
            return Effect.andThen(measure(record), learn(candidate, asking.mode, record, ms))
          }),
        )
      }

      const learn = (
        { key, model }: Candidate,
        mode: CallMode,
        { outcome, usage }: AttemptRecord,
        ms: number,
      ): Effect.Effect<void> => {
        if (outcome === "cancelled" || outcome === "defect" || outcome === "lost") return Effect.void
        // What embeddings produce says nothing about the length of answers.
        const outputTokens = model.kind === "chat" ? (usage?.outputTokens ?? null) : null
        return router.observe({
          key,
          mode,
          outcome:
            outcome === "success"
              ? { _tag: "success", ms, outputTokens }
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

      const run = Effect.fnUntraced(function* <A extends AnswerSummary>(
        plan: Plan,
        asking: Asking<A>,
        trace: Trace,
        announce: Announce,
      ) {
        const deadlineAt = trace.startedAt + asking.deadlineMs
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
          const patienceMs = tripped ? lastResortPatienceMs(candidate.expectedMs) : remainingMs
          const result = yield* Effect.result(
            attempt(candidate, asking, trace, announce, remainingMs, patienceMs),
          )
          if (Result.isSuccess(result)) return { candidate, answer: result.success }

          failures.push(result.failure)
          yield* report(candidate.key, result.failure, trace)
          // The client's answer is this one, as far as it came.
          if (asking.committed()) return yield* fromBrokenStream(result.failure)
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
  exit: Exit.Exit<AnswerSummary, ProviderError>,
  asking: Asking<AnswerSummary>,
): AttemptRecord => {
  const summary = Exit.isSuccess(exit) ? exit.value : asking.partial()
  const usage = summary?.usage ?? null
  const failure = Exit.findErrorOption(exit)
  return {
    provider: provider.name,
    model: model.name,
    startedAt,
    latencyMs,
    outcome: Exit.isSuccess(exit)
      ? "success"
      : failure._tag === "Some"
        ? failure.value.kind
        : Exit.hasDies(exit)
          ? "defect"
          : "cancelled",
    upstreamStatus: Exit.isSuccess(exit)
      ? 200
      : failure._tag === "Some"
        ? (failure.value.status ?? null)
        : null,
    usage,
    usageEstimated: usage !== null && summary?.usageEstimated === true,
    costNanoUsd: costOf(model.price, usage).nanoUsd,
  }
}
