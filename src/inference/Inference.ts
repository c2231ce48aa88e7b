import { Cause, Context, Deferred, Effect, Exit, Layer, Result } from "effect"
import type { Principal } from "../auth/Principal.ts"
import { Budgets, type RequestBudgets } from "../budgets/Budgets.ts"
import { Settings } from "../config/Settings.ts"
import { type Attribution, UNATTRIBUTED } from "../domain/Attribution.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import { inputTokensOf, modeOf } from "../domain/Task.ts"
import { Ledger } from "../ledger/Ledger.ts"
import { RateLimits } from "../limits/RateLimits.ts"
import { peersOf } from "../observability/peers.ts"
import type { Candidate, Plan } from "../routing/plan.ts"
import { Router } from "../routing/Router.ts"
import type { ListedModel } from "../routing/targets.ts"
import type { AnswerSink } from "./AnswerSink.ts"
import { Attempts } from "./Attempts.ts"
import { aborted, clientLeft, defect, fromRouting } from "./failures.ts"
import type { InferenceRequest } from "./InferenceRequest.ts"
import { fromBudgetsUnavailable, fromRateLimit } from "./limit-failures.ts"
import type { Answer, Outcome } from "./Outcome.ts"
import { RefusalLog } from "./RefusalLog.ts"
import type { RequestRecorder } from "./RequestRecorder.ts"
import { listRoutedModels } from "./routed-models.ts"
import { StreamedAnswer } from "./StreamedAnswer.ts"
import { tracedAnswer } from "./spans.ts"
import { tokenBoundOf, tokensOf } from "./tokens-of.ts"
import { callStreamed, callWhole, deadlineOf } from "./upstream-call.ts"

/** Refusals of a key within it share rows, of which a killed process loses the counts. */
const REFUSAL_PERIOD = "1 minute"

/** Who wants a count is about to ask something: an estimate now is worth more than a count later. */
const COUNT_MS = 5_000

/**
 * The story of one authenticated request: admit, and once its body is there plan, attempt, settle, record. It knows
 * values and no bytes: an outcome, or the events of a stream and then an outcome.
 *
 * Every request that is not a dry run gets exactly one ledger record, however it ends, and before its answer or the
 * end of its stream goes out. Interruption means that the client left, unless the request outlives its client.
 */
export class Inference extends Context.Service<
  Inference,
  {
    /**
     * Takes one request from the limits of its key, and a place in flight, which what it returns gives back. An `Exit` where
     * nobody has to be asked.
     */
    readonly admit: (
      recorder: RequestRecorder,
      principal: Principal,
    ) => Effect.Effect<() => void, GatewayError>
    /** Answers whole. An error is an outcome too. */
    readonly answer: (recorder: RequestRecorder, request: InferenceRequest) => Effect.Effect<Outcome>
    /**
     * Answers event by event. Whatever happens after the sink was opened, it is told the end; what fails before is
     * only in the outcome.
     */
    readonly stream: (
      recorder: RequestRecorder,
      request: InferenceRequest,
      sink: AnswerSink,
    ) => Effect.Effect<Outcome>
    /** Has the candidate that is first in line count the tokens of a task; undefined when it does not, or fails. */
    readonly countTokens: (
      principal: Principal,
      wanted: Pick<InferenceRequest, "requestedModel" | "task" | "headers">,
    ) => Effect.Effect<number | undefined, GatewayError>
    /** Plans a request now, and asks nobody. */
    readonly dryRun: (
      principal: Principal,
      wanted: Pick<InferenceRequest, "requestedModel" | "task">,
    ) => Effect.Effect<Plan, GatewayError>
    /** Records a request that ended before `answer` or `stream`; once recorded, it does nothing. */
    readonly recordEnd: (recorder: RequestRecorder, error: GatewayError) => Effect.Effect<void>
    /** Lists the names that a key may ask for. */
    readonly models: (principal: Principal) => ReadonlyArray<ListedModel>
    /** Forgets all trouble and all statistics of a provider. Returns its models; undefined: no provider has this name. */
    readonly resetProvider: (name: string) => ReadonlyArray<string> | undefined
    /** Lists every model that may be asked, and the providers that are off, for operators. */
    readonly routedModels: ReturnType<typeof listRoutedModels>
    /** Ends every stream with an error in it, which a cut connection would not have. */
    readonly endStreams: Effect.Effect<unknown>
  }
>()("gateway/inference/Inference") {
  static readonly layer = Layer.effect(
    Inference,
    Effect.suspend(() => make),
  )
}

const make = Effect.gen(function* () {
  const { gateway, otlpEndpoint } = yield* Settings
  const { timeouts } = gateway
  const rateLimits = yield* RateLimits
  const router = yield* Router
  const attempts = yield* Attempts
  const ledger = yield* Ledger
  const budgets = yield* Budgets
  const refusals = yield* makeRefusalLog(ledger)
  const stopped = yield* Deferred.make<never, GatewayError>()
  const peers = otlpEndpoint === undefined ? undefined : peersOf(gateway.providers)

  const admit = (recorder: RequestRecorder, principal: Principal): Effect.Effect<() => void, GatewayError> =>
    Effect.mapBothEager(rateLimits.enter(principal.limits), {
      onSuccess: ({ leave, state, takeTokens }) => {
        recorder.rateLimit = state
        recorder.takeTokens = takeTokens
        return leave
      },
      onFailure: (refusal) => {
        if (refusal.limit.kind === "requests") recorder.rateLimit = refusal.state
        return fromRateLimit(refusal, principal.keyId)
      },
    })

  /** Takes the tokens of a request from the limits of its key, until its end shows how many they were. */
  const takeTokens = (
    recorder: RequestRecorder,
    { principal, task }: InferenceRequest,
    plan: Plan,
  ): Effect.Effect<void, GatewayError> => {
    const first = plan.candidates[0]
    if (first === undefined || recorder.takeTokens === undefined) return Effect.void
    const tokens = tokenBoundOf(task, first, gateway.limits)
    // Tokens of a request that is interrupted right here come back as any that were used do: by and by.
    return Effect.mapBothEager(recorder.takeTokens(tokens), {
      onSuccess: (hold) => {
        recorder.tokenHold = hold
        recorder.tokenLimit = hold.state
      },
      onFailure: (refusal) => {
        recorder.tokenLimit = refusal.state
        return fromRateLimit(refusal, principal.keyId, task)
      },
    })
  }

  /** Returns the budgets that a request is charged to; undefined: none. */
  const budgetsOf = (
    principal: Principal,
    attribution: Attribution,
  ): Effect.Effect<RequestBudgets | undefined, GatewayError> => {
    const known = budgets.of(principal.budgets, attribution)
    return known === "unread"
      ? Effect.andThen(
          Effect.mapError(budgets.read, () => fromBudgetsUnavailable),
          Effect.suspend(() => budgetsOf(principal, attribution)),
        )
      : Effect.succeed(known)
  }

  const boundedBy = (concerned: RequestBudgets | undefined) =>
    concerned && {
      outputTokens: gateway.limits.defaultMaxOutputTokens,
      used: () => concerned.used(),
    }

  /** Plans and attempts. No answer: a dry run. */
  const infer = Effect.fnUntraced(function* (
    recorder: RequestRecorder,
    request: InferenceRequest,
    stream: StreamedAnswer | undefined,
  ) {
    const { headers, principal, requestedModel, task } = request
    const planningAt = recorder.now()
    const configuredMs = stream === undefined ? timeouts.deadlineMs : timeouts.streamMs
    const deadline = deadlineOf(configuredMs, request.deadlineMs)
    const remainingMs = recorder.startedAt + deadline.ms - planningAt
    const { keyId, models: allowed } = principal
    const concerned = yield* budgetsOf(principal, request.attribution)
    recorder.budgets = concerned
    const planned = router.plan({
      requestedModel,
      task,
      headers,
      keyId,
      user: request.attribution.user,
      session: request.session,
      allowed,
      remainingMs,
      bounded: boundedBy(concerned),
    })
    const plan = yield* Effect.mapError(planned, fromRouting)
    recorder.planned(plan, planningAt)
    if (request.dryRun) return undefined
    yield* takeTokens(recorder, request, plan)

    const recordIntent = (candidate: Candidate, startedAt: number) =>
      ledger.recordIntent(recorder.intent(request, candidate, startedAt))
    if (stream !== undefined) {
      const call = callStreamed(stream, timeouts, deadline)
      const { answer, candidate, cost } = yield* attempts.run(plan, call, recorder, recordIntent)
      return { candidate, summary: answer, completion: undefined, cost } satisfies Answer
    }
    const call = callWhole(deadline)
    const { answer, candidate, cost } = yield* attempts.run(plan, call, recorder, recordIntent)
    return { candidate, summary: answer, completion: answer, cost } satisfies Answer
  })

  const dryRun = Effect.fnUntraced(function* (
    principal: Principal,
    wanted: Pick<InferenceRequest, "requestedModel" | "task">,
  ) {
    const concerned = yield* budgetsOf(principal, UNATTRIBUTED)
    const { keyId, models: allowed } = principal
    const remainingMs = modeOf(wanted.task) === "stream" ? timeouts.streamMs : timeouts.deadlineMs
    const planned = router.plan({ ...wanted, keyId, allowed, remainingMs, bounded: boundedBy(concerned) })
    return yield* Effect.mapError(planned, fromRouting)
  })

  const countTokens = Effect.fnUntraced(function* (
    principal: Principal,
    wanted: Pick<InferenceRequest, "requestedModel" | "task" | "headers">,
  ) {
    const remainingMs = Math.min(COUNT_MS, timeouts.deadlineMs)
    const { keyId, models: allowed } = principal
    const planned = yield* Effect.result(router.plan({ ...wanted, keyId, allowed, remainingMs }))
    if (Result.isFailure(planned)) {
      // How long a prompt is is asked of those that no model holds, too.
      return planned.failure._tag === "NoCandidate" ? undefined : yield* fromRouting(planned.failure)
    }
    const count = planned.success.candidates[0]?.call.count
    return count === undefined ? undefined : yield* Effect.orElseSucceed(count(remainingMs), () => undefined)
  })

  /** Settles and records every way in which `infer` can end. */
  const settle = (
    recorder: RequestRecorder,
    request: InferenceRequest,
    inferred: Effect.Effect<Answer | undefined, GatewayError>,
  ): Effect.Effect<Answer | undefined, GatewayError> => {
    const settled = Effect.onExit(inferred, (exit) => {
      const { attempts, tokenHold } = recorder
      tokenHold?.settle(tokensOf(attempts, tokenHold.tokens, gateway.limits))
      const ended = Exit.isSuccess(exit) ? exit.value : failureOf(exit.cause, request)
      return ended === undefined ? Effect.void : record(recorder, ended)
    })
    return peers === undefined ? settled : tracedAnswer(settled, recorder, request, peers)
  }

  const record = (recorder: RequestRecorder, ended: Answer | GatewayError): Effect.Effect<void> => {
    if (recorder.written !== undefined || recorder.request?.dryRun === true) return Effect.void
    const entry = recorder.record(ended)
    if (entry === undefined) return Effect.void
    recorder.written = entry
    const written = refusals.take(entry)
    return written === undefined ? Effect.void : ledger.record(written)
  }

  const stream = (recorder: RequestRecorder, request: InferenceRequest, sink: AnswerSink) =>
    Effect.suspend(() => {
      const streamed = new StreamedAnswer(
        sink,
        () => recorder.now(),
        () => inputTokensOf(request.task),
      )
      recorder.stream = streamed
      sink.begin(() => recorder.progress())
      const inferred = Effect.onExit(
        Effect.raceFirst(infer(recorder, request, streamed), Deferred.await(stopped)),
        () => Effect.sync(sink.settle),
      )
      return settle(recorder, request, inferred).pipe(
        // Whatever else happens, no reader is left waiting.
        Effect.onError((cause) => {
          if (Cause.hasFails(cause) || !sink.opened) return Effect.void
          sink.end(recorder.outcome(Result.fail(Cause.hasDies(cause) ? defect : aborted)))
          return Cause.hasDies(cause)
            ? Effect.annotateLogs(Effect.logError("A stream failed unexpectedly", cause), {
                request_id: recorder.requestId,
              })
            : Effect.void
        }),
        Effect.result,
        Effect.map((result) => {
          const outcome = recorder.outcome(result)
          if (sink.opened || Result.isSuccess(result)) sink.end(outcome)
          return outcome
        }),
      )
    })

  return Inference.of({
    admit,
    answer: (recorder, request) =>
      Effect.map(Effect.result(settle(recorder, request, infer(recorder, request, undefined))), (result) =>
        recorder.outcome(result),
      ),
    stream,
    countTokens,
    dryRun,
    recordEnd: record,
    models: (principal) => router.models(principal.models),
    resetProvider: router.reset,
    routedModels: listRoutedModels(gateway, router),
    endStreams: Deferred.fail(stopped, aborted),
  })
})

/** Makes the log of refusals, whose counts become records at the end of each period and when the process stops. */
const makeRefusalLog = Effect.fnUntraced(function* (ledger: Ledger["Service"]) {
  const refusals = new RefusalLog()
  const write = Effect.suspend(() => Effect.forEach(refusals.endPeriod(), ledger.record, { discard: true }))
  yield* Effect.addFinalizer(() => write)
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(REFUSAL_PERIOD), write)))
  return refusals
})

/** Returns the error that stands in the record of a request that did not succeed. */
const failureOf = (cause: Cause.Cause<GatewayError>, { outlivesClient }: InferenceRequest): GatewayError => {
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "Some") return failure.value
  if (Cause.hasDies(cause)) return defect
  return outlivesClient ? aborted : clientLeft
}
