import { Cause, Clock, Context, Deferred, Effect, Exit, Layer, Metric, Result } from "effect"
import { Authenticator } from "../auth/Authenticator.ts"
import type { Principal } from "../auth/Principal.ts"
import { costOf } from "../catalog/cost.ts"
import { Settings } from "../config/Settings.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { inputTokensOf } from "../domain/Task.ts"
import type { Begin, Outcome } from "../idempotency/claimed-run.ts"
import { Idempotency } from "../idempotency/Idempotency.ts"
import { Ledger } from "../ledger/Ledger.ts"
import { RateLimits } from "../limits/RateLimits.ts"
import { idempotencyOutcomes } from "../observability/Metrics.ts"
import { ReplayableBody } from "../responses/ReplayableBody.ts"
import type { IdempotentResponse } from "../responses/response.ts"
import type { Candidate } from "../routing/plan.ts"
import { Router } from "../routing/Router.ts"
import type { ListedModel } from "../routing/targets.ts"
import { Attempts } from "./Attempts.ts"
import { askStreamed, askWhole } from "./asking.ts"
import type { Answer, Call, Exchange, StreamWriter } from "./Exchange.ts"
import { fromAuth, fromIdempotency, fromRateLimit, fromRouting } from "./failures.ts"
import { QUIET_TICKS, StreamedAnswer } from "./StreamedAnswer.ts"
import { Trace } from "./Trace.ts"

/** What goes back to the client. A streamed body may be read before its end is known. */
export interface Reply {
  readonly response: IdempotentResponse
  readonly replayed: boolean
}

/**
 * The story of one request: authenticate, claim, admit, plan, attempt, settle, record.
 *
 * Every authenticated request that is not a replay or a dry run gets exactly one ledger record, however it ends, and
 * before its answer or the end of its stream goes out. A client that leaves interrupts the story, unless an
 * idempotency claim keeps it running in the background.
 */
export class Inference extends Context.Service<
  Inference,
  {
    readonly infer: (exchange: Exchange) => Effect.Effect<Reply, GatewayError>
    /** The names that the credential's owner may ask for. */
    readonly models: (
      credential: Exchange["credential"],
    ) => Effect.Effect<ReadonlyArray<ListedModel>, GatewayError>
    /** Ends every stream with an error in it, which a cut connection would not have. */
    readonly endStreams: Effect.Effect<unknown>
  }
>()("gateway/inference/Inference") {
  static readonly layer = Layer.effect(
    Inference,
    Effect.gen(function* () {
      const { gateway } = yield* Settings
      const authenticator = yield* Authenticator
      const idempotency = yield* Idempotency
      const rateLimits = yield* RateLimits
      const router = yield* Router
      const attempts = yield* Attempts
      const ledger = yield* Ledger
      // Claims run on when their clients leave; they must end before what they use is closed.
      yield* Effect.addFinalizer(() => idempotency.drain)

      /** One clock for all of them: a silence is noticed without a timer per stream. */
      const streams = new Set<StreamedAnswer>()
      yield* Effect.sleep(gateway.timeouts.keepAliveMs / QUIET_TICKS).pipe(
        Effect.andThen(
          Effect.sync(() => {
            for (const stream of streams) stream.tick()
          }),
        ),
        Effect.forever,
        Effect.forkScoped,
      )

      const authenticate = (credential: Exchange["credential"]) =>
        Effect.flatMap(credential, (token) => Effect.mapError(authenticator.authenticate(token), fromAuth))

      const stopped = yield* Deferred.make<never, GatewayError>()

      const infer = Effect.fnUntraced(function* (exchange: Exchange) {
        const trace = new Trace(exchange, yield* Clock.Clock)

        const principal = yield* authenticate(exchange.credential)
        trace.authenticated()

        const call = yield* Effect.onError(exchange.call, (cause) =>
          record(trace, principal, undefined, outcomeOf(Exit.failCause(cause), clientLeft)),
        )

        const work = (begin: Begin) =>
          call.stream === undefined
            ? settle(exchange, trace, principal, call)
            : settleStream(exchange, trace, principal, call, call.stream, begin)
        if (call.idempotency === undefined) {
          return { response: yield* runUnclaimed(call, work), replayed: false }
        }
        return yield* idempotency.run({ keyId: principal.keyId, ...call.idempotency }, work).pipe(
          Effect.tap(({ replayed }) => Metric.update(idempotencyOutcomes(replayed ? "replayed" : "run"), 1)),
          Effect.tapError(({ reason }) => Metric.update(idempotencyOutcomes(reason), 1)),
          Effect.mapError(fromIdempotency),
          Effect.tapError((error) => record(trace, principal, call, error)),
        )
      })

      /** A stream goes on in a child fiber when its response has begun: it ends with the client's request. */
      const runUnclaimed = (
        call: Call,
        work: (begin: Begin) => Effect.Effect<Outcome>,
      ): Effect.Effect<IdempotentResponse> => {
        if (call.stream === undefined) return Effect.map(work(unused), ({ response }) => response)
        const begun = Deferred.makeUnsafe<IdempotentResponse>()
        return work((response) => void Deferred.doneUnsafe(begun, Exit.succeed(response))).pipe(
          Effect.onExit((exit) =>
            Deferred.done(
              begun,
              Exit.map(exit, ({ response }) => response),
            ),
          ),
          Effect.forkChild({ startImmediately: true }),
          Effect.andThen(Deferred.await(begun)),
        )
      }

      const answer = Effect.fnUntraced(function* (
        trace: Trace,
        principal: Principal,
        call: Call,
        stream: StreamedAnswer | undefined,
      ) {
        yield* admit(trace, principal)

        const planningAt = trace.now()
        const { requestedModel, task } = call
        const plan = yield* Effect.mapError(
          router.plan({ requestedModel, task, allowed: principal.models }),
          fromRouting,
        )
        trace.planned(plan, planningAt)
        if (call.dryRun) return undefined

        const announce = (candidate: Candidate, startedAt: number) =>
          ledger.recordIntent(trace.intent(principal, call, candidate, startedAt))
        const { timeouts } = gateway
        const answered = yield* stream !== undefined && task._tag === "Chat"
          ? Effect.map(
              attempts.run(plan, askStreamed(task.request, stream, timeouts), trace, announce),
              ({ candidate, answer }) => ({ candidate, summary: answer, completion: undefined }),
            )
          : Effect.map(
              attempts.run(plan, askWhole(task, timeouts), trace, announce),
              ({ candidate, answer }) => ({ candidate, summary: answer, completion: answer }),
            )
        const cost = costOf(answered.candidate.model.price, answered.summary.usage)
        return { ...answered, cost } satisfies Answer
      })

      const admit = Effect.fnUntraced(function* (trace: Trace, principal: Principal) {
        const limit = principal.requestsPerMinute ?? gateway.limits.requestsPerMinute
        const admission = yield* Effect.result(rateLimits.consume(principal.keyId, limit))
        if (Result.isSuccess(admission)) {
          trace.rateLimit = admission.success
          return
        }
        trace.rateLimit = admission.failure.state
        return yield* fromRateLimit(admission.failure)
      })

      /** Every way an answer can end becomes a ledger record; answers and typed errors become a response too. */
      const settle = (exchange: Exchange, trace: Trace, principal: Principal, call: Call) =>
        answer(trace, principal, call, undefined).pipe(
          Effect.onExit((exit) => record(trace, principal, call, outcomeOf(exit, interruption(call)))),
          Effect.result,
          Effect.map((result) => ({
            response: exchange.write(trace.settled(principal, call, result)),
            keep: Result.isSuccess(result) || isFinal(result.failure),
          })),
        )

      /**
       * The same for a stream, which is a response as soon as something is said. What ends too early after that ends
       * with an error in the stream; what fails before is answered like anything else.
       */
      const settleStream = (
        exchange: Exchange,
        trace: Trace,
        principal: Principal,
        call: Call,
        writer: StreamWriter,
        begin: Begin,
      ): Effect.Effect<Outcome> =>
        Effect.suspend(() => {
          const body = call.idempotency === undefined ? new ReplayableBody() : idempotency.replayableBody()
          const stream = new StreamedAnswer({
            inputTokens: () => inputTokensOf(call.task),
            writer,
            body,
            now: () => trace.now(),
            open: (candidate) => {
              const headers = writer.headers(trace.progress(candidate, stream.attemptStartedAt))
              const response = { status: 200, headers, body }
              begin(response)
              return response
            },
          })
          trace.stream = stream
          streams.add(stream)
          return Effect.raceFirst(answer(trace, principal, call, stream), Deferred.await(stopped)).pipe(
            Effect.onExit((exit) => {
              streams.delete(stream)
              return record(trace, principal, call, outcomeOf(exit, interruption(call)))
            }),
            // Whatever else happens, whoever still reads is not left waiting.
            Effect.onError((cause) => {
              if (Cause.hasFails(cause) || !stream.opened) return Effect.void
              const error = Cause.hasDies(cause) ? defect : aborted
              body.broken = true
              stream.end(writer.end(trace.settled(principal, call, Result.fail(error))))
              return Cause.hasDies(cause)
                ? Effect.annotateLogs(Effect.logError("A stream failed unexpectedly", cause), {
                    request_id: exchange.requestId,
                  })
                : Effect.void
            }),
            Effect.result,
            Effect.map((result) => {
              const settled = trace.settled(principal, call, result)
              if (Result.isFailure(result) && !stream.opened) {
                return { response: exchange.write(settled), keep: isFinal(result.failure) }
              }
              body.broken = Result.isFailure(result)
              return { response: stream.end(writer.end(settled)), keep: Result.isSuccess(result) }
            }),
          )
        })

      const record = (
        trace: Trace,
        principal: Principal,
        call: Call | undefined,
        outcome: Answer | GatewayError | undefined,
      ): Effect.Effect<void> => {
        if (trace.recorded || call?.dryRun === true) return Effect.void
        trace.recorded = true
        return ledger.record(trace.record(principal, call, outcome))
      }

      return Inference.of({
        infer,
        endStreams: Deferred.fail(stopped, aborted),
        models: (credential) =>
          Effect.map(authenticate(credential), (principal) => router.models(principal.models)),
      })
    }),
  )
}

const unused: Begin = () => {}

/** Repeating the request would bring the same answer, so that this one may be kept. */
const isFinal = ({ final, status }: GatewayError): boolean => final && status < 500

const clientLeft = new GatewayError({ code: "client_closed_request", detail: "" })

const aborted = new GatewayError({
  code: "request_aborted",
  detail: "The gateway gave this request up before its answer was complete. Send it again.",
})

/** With an Idempotency-Key a request has a life of its own: its client cannot end it. */
const interruption = ({ idempotency }: Call): GatewayError =>
  idempotency === undefined ? clientLeft : aborted

const defect = new GatewayError({
  code: "internal_error",
  detail: "An unexpected error happened; it was logged under this request_id.",
})

const outcomeOf = (
  exit: Exit.Exit<Answer | undefined, GatewayError>,
  interrupted: GatewayError,
): Answer | GatewayError | undefined => {
  if (Exit.isSuccess(exit)) return exit.value
  const failure = Exit.findErrorOption(exit)
  if (failure._tag === "Some") return failure.value
  return Exit.hasDies(exit) ? defect : interrupted
}
