import { Clock, Context, Effect, Exit, Layer, Metric, Result } from "effect"
import { Authenticator } from "../auth/Authenticator.ts"
import type { Principal } from "../auth/Principal.ts"
import { Settings } from "../config/Settings.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { Idempotency, type StoredResponse } from "../idempotency/Idempotency.ts"
import { Ledger } from "../ledger/Ledger.ts"
import { RateLimits } from "../limits/RateLimits.ts"
import { idempotencyOutcomes } from "../observability/Metrics.ts"
import { costOf } from "../pricing/cost.ts"
import { Router } from "../routing/Router.ts"
import { Attempts } from "./Attempts.ts"
import type { Answer, Call, Exchange } from "./Exchange.ts"
import { fromAuth, fromIdempotency, fromRateLimit, fromRouting } from "./failures.ts"
import { Trace } from "./Trace.ts"

/** What goes back to the client. */
export interface Reply {
  readonly response: StoredResponse
  readonly replayed: boolean
}

/**
 * The story of one request: authenticate, claim, admit, plan, attempt, settle, record.
 *
 * Every authenticated request that is not a replay or a dry run gets exactly one ledger record, however it ends.
 * A client that leaves interrupts the story, unless an idempotency claim keeps it running in the background.
 */
export class Inference extends Context.Service<
  Inference,
  { readonly infer: (exchange: Exchange) => Effect.Effect<Reply, GatewayError> }
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

      const infer = Effect.fnUntraced(function* (exchange: Exchange) {
        const trace = new Trace(exchange, yield* Clock.Clock)

        const token = yield* exchange.credential
        const principal = yield* Effect.mapError(authenticator.authenticate(token), fromAuth)
        trace.authenticated()

        const call = yield* Effect.onError(exchange.call, (cause) =>
          record(trace, principal, undefined, outcomeOf(Exit.failCause(cause))),
        )

        const work = settle(exchange, trace, principal, call)
        if (call.idempotency === undefined) {
          return { response: (yield* work).response, replayed: false }
        }
        return yield* idempotency.run({ keyId: principal.keyId, ...call.idempotency }, work).pipe(
          Effect.tap(({ replayed }) => Metric.update(idempotencyOutcomes(replayed ? "replayed" : "run"), 1)),
          Effect.tapError(({ reason }) => Metric.update(idempotencyOutcomes(reason), 1)),
          Effect.mapError(fromIdempotency),
          Effect.tapError((error) => record(trace, principal, call, error)),
        )
      })

      const answer = Effect.fnUntraced(function* (trace: Trace, principal: Principal, call: Call) {
        yield* admit(trace, principal)

        const planningAt = trace.now()
        const plan = yield* Effect.mapError(
          router.plan({
            requestedModel: call.requestedModel,
            request: call.request,
            mode: call.mode,
            allowed: principal.models,
          }),
          fromRouting,
        )
        trace.planned(plan, planningAt)
        if (call.dryRun) return undefined

        const { candidate, completion } = yield* attempts.run(plan, call.request, trace)
        const answer: Answer = {
          candidate,
          completion,
          cost: costOf(candidate.model.price, completion.usage),
        }
        return answer
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
        answer(trace, principal, call).pipe(
          Effect.onExit((exit) => record(trace, principal, call, outcomeOf(exit))),
          Effect.result,
          Effect.map((result) => ({
            response: exchange.write(trace.settled(principal, call, result)),
            keep: Result.isSuccess(result) || (result.failure.final && result.failure.status < 500),
          })),
        )

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

      return Inference.of({ infer })
    }),
  )
}

const outcomeOf = (exit: Exit.Exit<Answer | undefined, GatewayError>): Answer | GatewayError | undefined => {
  if (Exit.isSuccess(exit)) return exit.value
  const failure = Exit.findErrorOption(exit)
  if (failure._tag === "Some") return failure.value
  return Exit.hasDies(exit)
    ? new GatewayError({ code: "internal_error", detail: "" })
    : new GatewayError({ code: "client_closed_request", detail: "" })
}
