import { Cause, Clock, Context, Deferred, Effect, Exit, Layer, Metric, Result } from "effect"
import { Authenticator } from "../auth/Authenticator.ts"
import type { Principal } from "../auth/Principal.ts"
import { Settings } from "../config/Settings.ts"
import { type Attribution, joinTags, UNATTRIBUTED } from "../domain/Attribution.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { RequestId } from "../domain/Ids.ts"
import type { Task } from "../domain/Task.ts"
import type { Begin, FinishedRun, IdempotencyError, IdempotentReply } from "../idempotency/claimed-run.ts"
import { Idempotency } from "../idempotency/Idempotency.ts"
import { clientLeft, defect } from "../inference/failures.ts"
import { Inference } from "../inference/Inference.ts"
import type { InferenceRequest } from "../inference/InferenceRequest.ts"
import type { Outcome } from "../inference/Outcome.ts"
import { RequestRecorder } from "../inference/RequestRecorder.ts"
import { Admission, type Slot } from "../limits/Admission.ts"
import type { RateLimitState } from "../limits/limit.ts"
import { idempotencyOutcomes } from "../observability/Metrics.ts"
import { LinkedSet } from "../platform/LinkedSet.ts"
import { ReplayableBody } from "../responses/ReplayableBody.ts"
import type { GatewayResponse } from "../responses/response.ts"
import type { TakeBytes } from "./body.ts"
import { fromAdmission, fromAuth, fromIdempotency } from "./client-errors.ts"
import { QUIET_TICKS, StreamedResponse, type StreamWriter } from "./StreamedResponse.ts"

/** One client request that needs an API key and reads a body. */
export interface Exchange {
  readonly requestId: RequestId
  /** Path template, e.g. `/infer`. */
  readonly endpoint: string
  /** The API key as sent; empty when there is none. */
  readonly credential: Result.Result<string, GatewayError>
  /** Calls back once, when the response is over. */
  readonly whenOver: (action: () => void) => void
  /** Says that the request is turned away before anything was done for it. */
  readonly turnedAway: () => void
}

/** One client request at a route that infers. */
export interface InferenceExchange extends Exchange {
  /** Reads and checks the body; runs only for an admitted request. */
  readonly read: (takeBytes: TakeBytes) => Effect.Effect<ReadCall, GatewayError>
  /** Writes the error of a request whose body is not understood. */
  readonly refuse: (outcome: Outcome) => GatewayResponse
}

/** What a request is given that infers nothing. */
interface Admitted {
  readonly principal: Principal
  readonly takeBytes: TakeBytes
  readonly rateLimit: RateLimitState | undefined
}

export interface ReadCall {
  readonly call: InferenceCall
  /** Undefined for a request without an Idempotency-Key. */
  readonly claim: { readonly key: string; readonly fingerprint: Uint8Array } | undefined
  /** Without the tags of the key; absent: nothing is said. */
  readonly attribution?: Attribution
  readonly headers?: InferenceRequest["headers"]
  readonly session?: InferenceRequest["session"]
  /** See `InferenceRequest`. */
  readonly deadlineMs?: number | undefined
}

/** A request's body understood, and the ways in which its route writes an answer. */
export interface InferenceCall {
  readonly requestedModel: string
  readonly task: Task
  readonly dryRun: boolean
  /** Writes everything but a stream that has begun. */
  readonly write: (outcome: Outcome) => GatewayResponse
  /** Undefined: the answer travels whole. */
  readonly stream: StreamWriter | undefined
}

/**
 * The way of a request through every route that infers, between its head and its response: authenticate, admit, read,
 * claim, infer, write. Nothing of its body is read before it is admitted. A client that leaves interrupts it, unless an
 * idempotency claim keeps the run going.
 */
export class InferenceEndpoints extends Context.Service<
  InferenceEndpoints,
  {
    readonly serve: (exchange: InferenceExchange) => Effect.Effect<IdempotentReply, GatewayError>
    /** Answers a request that infers nothing: admitted like any other, and not in the ledger. */
    readonly serveAlone: <A>(
      exchange: Exchange,
      answer: (admitted: Admitted) => Effect.Effect<A, GatewayError>,
    ) => Effect.Effect<A, GatewayError>
    /** Returns the owner of an API key. */
    readonly authenticate: (
      credential: InferenceExchange["credential"],
    ) => Effect.Effect<Principal, GatewayError>
  }
>()("gateway/http/InferenceEndpoints") {
  static readonly layer = Layer.effect(
    InferenceEndpoints,
    Effect.suspend(() => make),
  )
}

const make = Effect.gen(function* () {
  const admission = yield* Admission
  const authenticator = yield* Authenticator
  const idempotency = yield* Idempotency
  const inference = yield* Inference
  const clock = yield* Clock.Clock
  const openStreams = yield* keepAliveClock
  const traced = (yield* Settings).otlpEndpoint !== undefined
  // Claims run on when their clients leave; they must end before what they use is closed.
  yield* Effect.addFinalizer(() => idempotency.drain)

  const authenticate = (credential: InferenceExchange["credential"]) =>
    Result.isFailure(credential)
      ? Effect.fail(credential.failure)
      : Effect.mapError(authenticator.authenticate(credential.success), fromAuth)

  const runWhole = (
    recorder: RequestRecorder,
    request: InferenceRequest,
    call: InferenceCall,
  ): Effect.Effect<FinishedRun> =>
    Effect.map(inference.answer(recorder, request), (outcome) => {
      const response = call.write(outcome)
      // A route may have no use for what was answered.
      return { response, keep: isKept(outcome) && response.status < 500 }
    })

  /** A stream is a response as soon as something is said; what fails before is answered like anything else. */
  const runStreamed = (
    recorder: RequestRecorder,
    request: InferenceRequest,
    call: InferenceCall,
    writer: StreamWriter,
    begin: Begin,
  ): Effect.Effect<FinishedRun> =>
    Effect.suspend(() => {
      const body = request.outlivesClient
        ? idempotency.replayableBody(request.principal.keyId)
        : new ReplayableBody()
      const streamed = new StreamedResponse(writer, body, begin)
      const link = openStreams.add(streamed)
      return inference.stream(recorder, request, streamed).pipe(
        Effect.map((outcome) =>
          streamed.response === undefined
            ? { response: call.write(outcome), keep: isKept(outcome) }
            : { response: streamed.response, keep: Result.isSuccess(outcome.result) },
        ),
        Effect.ensuring(Effect.sync(() => openStreams.delete(link))),
      )
    })

  /** Records a request that is refused before it is understood, and writes its error. */
  const refuse = (recorder: RequestRecorder, error: GatewayError, exchange: InferenceExchange) =>
    Effect.as(inference.recordEnd(recorder, error), {
      response: exchange.refuse(recorder.outcome(Result.fail(error))),
      replayed: false,
    })

  // The next two run for every request, and without generators of their own: those cost 3 KB of its 100.

  const known = (recorder: RequestRecorder, exchange: Exchange): Effect.Effect<Principal, GatewayError> =>
    Effect.mapBothEager(authenticate(exchange.credential), {
      onSuccess: (principal) => {
        recorder.authenticated(principal)
        return principal
      },
      onFailure: (error) => {
        exchange.turnedAway()
        return error
      },
    })

  /** Takes a place until the response is over, and one request from the key's rate limit. */
  const enter = (
    recorder: RequestRecorder,
    principal: Principal,
    exchange: Exchange,
  ): Effect.Effect<Place, GatewayError> => {
    const entered = admission.enter(principal.keyId)
    if (Result.isFailure(entered)) {
      exchange.turnedAway()
      return Effect.fail(fromAdmission(entered.failure))
    }
    const place = new Place(entered.success)
    exchange.whenOver(() => place.over())
    const admitted = Effect.mapBothEager(inference.admit(recorder, principal), {
      onSuccess: (leave) => place.admitted(leave),
      onFailure: (error) => {
        exchange.turnedAway()
        return error
      },
    })
    // What it has taken is known to the place before anything can end it.
    return Exit.isExit(admitted) ? admitted : Effect.uninterruptible(admitted)
  }

  const takingBytes =
    (slot: Slot): TakeBytes =>
    (bytes) =>
      Result.mapError(slot.takeBytes(bytes), fromAdmission)

  const serveAlone = Effect.fnUntraced(function* <A>(
    exchange: Exchange,
    answer: (admitted: Admitted) => Effect.Effect<A, GatewayError>,
  ) {
    const recorder = new RequestRecorder(exchange.requestId, exchange.endpoint, clock)
    const principal = yield* known(recorder, exchange)
    const { slot } = yield* enter(recorder, principal, exchange)
    return yield* answer({ principal, takeBytes: takingBytes(slot), rateLimit: recorder.rateLimit })
  })

  const serve = Effect.fnUntraced(function* (exchange: InferenceExchange) {
    const recorder = new RequestRecorder(exchange.requestId, exchange.endpoint, clock)
    const principal = yield* known(recorder, exchange)
    const entered = yield* Effect.result(enter(recorder, principal, exchange))
    if (Result.isFailure(entered)) return yield* refuse(recorder, entered.failure, exchange)
    const place = entered.success
    const { slot } = place

    const read = yield* exchange.read(takingBytes(slot)).pipe(
      Effect.onError((cause) => inference.recordEnd(recorder, endOf(cause))),
      Effect.result,
    )
    if (Result.isFailure(read)) return yield* refuse(recorder, read.failure, exchange)
    const { attribution, call, claim, deadlineMs, headers, session } = read.success
    const { stream } = call
    const request: InferenceRequest = {
      principal,
      requestedModel: call.requestedModel,
      task: call.task,
      attribution: withKeyTags(attribution, principal),
      headers,
      session,
      deadlineMs,
      dryRun: call.dryRun,
      answerRoom: slot,
      outlivesClient: claim !== undefined,
    }
    recorder.request = request

    const run = (begin: Begin) =>
      stream === undefined
        ? runWhole(recorder, request, call)
        : runStreamed(recorder, request, call, stream, (response) => {
            slot.streaming()
            begin(response)
          })
    if (claim === undefined) {
      const response = yield* stream === undefined
        ? Effect.map(runWhole(recorder, request, call), responseOf)
        : asSoonAsBegun(run)
      return { response, replayed: false }
    }
    const refused = (error: IdempotencyError) => inference.recordEnd(recorder, fromIdempotency(error))
    const held = (begin: Begin) =>
      Effect.suspend(() => {
        place.begin()
        return Effect.ensuring(
          run(begin),
          Effect.sync(() => place.end()),
        )
      })
    return yield* idempotency.run({ keyId: principal.keyId, ...claim }, held, refused, slot).pipe(
      Effect.tap(({ replayed }) => Metric.update(idempotencyOutcomes(replayed ? "replayed" : "run"), 1)),
      Effect.tap(({ replayed, response }) =>
        traced && replayed
          ? Effect.annotateCurrentSpan({
              // Of the request that was answered first, as the client is told.
              "gateway.request_id": response.headers["x-request-id"] ?? recorder.requestId,
              "gateway.idempotent_replayed": true,
              "gateway.key_id": principal.keyId,
            })
          : Effect.void,
      ),
      Effect.tapError(({ reason }) => Metric.update(idempotencyOutcomes(reason), 1)),
      Effect.mapError(fromIdempotency),
      Effect.tapError((error) => inference.recordEnd(recorder, error)),
    )
  })

  return InferenceEndpoints.of({ serve, serveAlone, authenticate })
})

/** Adds the tags of its key to what a request says. */
const withKeyTags = (said: Attribution = UNATTRIBUTED, { tags }: Principal): Attribution =>
  tags.length === 0 ? said : { ...said, tags: joinTags(tags, said.tags) }

/** The places of a request: one in the process, and one among those that its key's limits allow in flight. */
class Place {
  readonly slot: Slot
  #leave: () => void = () => {}
  /** Its response, and what runs on without a client. */
  #lasting = 1

  constructor(slot: Slot) {
    this.slot = slot
  }

  admitted(leave: () => void): this {
    this.#leave = leave
    if (this.#lasting === 0) leave()
    return this
  }

  over(): void {
    this.slot.leave()
    this.end()
  }

  begin(): void {
    this.#lasting += 1
  }

  end(): void {
    this.#lasting -= 1
    if (this.#lasting === 0) this.#leave()
  }
}

const responseOf = ({ response }: FinishedRun): GatewayResponse => response

/** Runs in a child fiber, which goes on when the response has begun and ends with the client's request. */
const asSoonAsBegun = (run: (begin: Begin) => Effect.Effect<FinishedRun>): Effect.Effect<GatewayResponse> => {
  const begun = Deferred.makeUnsafe<GatewayResponse>()
  return run((response) => void Deferred.doneUnsafe(begun, Exit.succeed(response))).pipe(
    Effect.onExit((exit) => Deferred.done(begun, Exit.map(exit, responseOf))),
    Effect.forkChild({ startImmediately: true }),
    Effect.andThen(Deferred.await(begun)),
  )
}

/** Ticks every open stream from one clock: a silence is noticed without a timer per stream. */
const keepAliveClock = Effect.gen(function* () {
  const settings = yield* Settings
  const openStreams = new LinkedSet<StreamedResponse>()
  yield* Effect.suspend(() => Effect.sleep(settings.gateway.timeouts.keepAliveMs / QUIET_TICKS)).pipe(
    Effect.andThen(Effect.sync(() => openStreams.forEach(tick))),
    Effect.forever,
    Effect.forkScoped,
  )
  return openStreams
})

const tick = (stream: StreamedResponse): void => stream.tick()

/** Tells whether repeating the request would bring the same answer, so that this one may be kept. */
const isKept = ({ result }: Outcome): boolean =>
  Result.isSuccess(result) ||
  // One that says when to come back does not last.
  (result.failure.final && result.failure.status < 500 && result.failure.retryAfterMs === undefined)

/** Returns the error that ended a request before it was understood. */
const endOf = (cause: Cause.Cause<GatewayError>): GatewayError => {
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "Some") return failure.value
  return Cause.hasDies(cause) ? defect : clientLeft
}
