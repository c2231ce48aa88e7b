import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Equal, Result } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { ofConfig } from "../config/of-config.ts"
import { headersInConditions } from "../config/route-condition.ts"
import { Settings } from "../config/Settings.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import type { Task } from "../domain/Task.ts"
import { fingerprint } from "../idempotency/fingerprint.ts"
import { parseIdempotencyKey } from "../idempotency/header.ts"
import type { InferenceRequest } from "../inference/InferenceRequest.ts"
import { LargeBodies, SMALL_BODY_BYTES } from "../platform/LargeBodies.ts"
import { ReplayableBody } from "../responses/ReplayableBody.ts"
import { attributionOf, makeNamedInHeaders } from "./attribution.ts"
import { type JsonBody, readBody, readJson, type TakeBytes } from "./body.ts"
import { packageTimeout, timeoutHeader } from "./client-deadline.ts"
import { whenClosed } from "./connections.ts"
import { apiKey, rawHeader } from "./credentials.ts"
import { errorResponse, toServerResponse } from "./error-response.ts"
import {
  type Exchange,
  type InferenceCall,
  InferenceEndpoints,
  type InferenceExchange,
  type ReadCall,
} from "./InferenceEndpoints.ts"
import { Refusals } from "./Refusals.ts"
import { requestIdOf } from "./request-id.ts"
import { sessionHeader } from "./session-header.ts"
import { Uploads } from "./Uploads.ts"

/** Understands a route's JSON body, to which some dialects have header fields. */
export type DecodeCall = (body: JsonBody, header?: ReadHeader) => Result.Result<InferenceCall, GatewayError>

/** Returns a header field of the request; undefined when it is not there. */
export type ReadHeader = (name: string) => string | undefined

/** One route that infers. */
export interface InferenceRoute {
  /** Its path and its name in ledger and metrics. */
  readonly endpoint: string
  readonly decode: DecodeCall
  /** Writes the error of a request whose body is not understood. */
  readonly refuse: InferenceExchange["refuse"]
}

/** Returns what every request with an API key and a body is at first. */
export const exchangeOf = (
  request: HttpServerRequest.HttpServerRequest,
  endpoint: string,
  refusals: Refusals["Service"],
): Exchange => {
  const response = NodeHttpServerRequest.toServerResponse(request)
  return {
    requestId: requestIdOf(request),
    endpoint,
    credential: apiKey(request),
    whenOver: (action) => whenClosed(response, action),
    turnedAway: () => refusals.add(response),
  }
}

/** Makes a reader of JSON, and of what it means: of much in turns of the event loop. */
export const makeJsonReader = Effect.map(
  LargeBodies,
  ({ inTurn }) =>
    <A>(
      bytes: Buffer,
      understand: (body: JsonBody) => Result.Result<A, GatewayError>,
    ): Effect.Effect<A, GatewayError> =>
      bytes.length <= SMALL_BODY_BYTES
        ? Effect.fromResult(Result.flatMap(readJson(bytes), understand))
        : inTurn(bytes.length, understandLarge(bytes, understand)),
)

/** Makes a reader of JSON bodies. */
export const makeBodyReader = Effect.gen(function* () {
  const { maxBodyBytes } = yield* Settings
  const uploads = yield* Uploads
  const { readTurns } = yield* LargeBodies
  const readMeaning = yield* makeJsonReader
  return <A, B>(
    request: HttpServerRequest.HttpServerRequest,
    takeBytes: TakeBytes,
    understand: (body: JsonBody) => Result.Result<A, GatewayError>,
    finish: (understood: A, bytes: Buffer) => B,
  ): Effect.Effect<B, GatewayError> =>
    Effect.flatMap(readBody(request, { maxBytes: maxBodyBytes, takeBytes, uploads, readTurns }), (bytes) =>
      Effect.map(readMeaning(bytes, understand), (understood) => finish(understood, bytes)),
    )
})

/** Makes what keeps a request's header fields that conditions of routes ask for, and for most configurations nothing. */
export const makeRoutingHeaders = Effect.map(Settings, (settings) => {
  const asked = ofConfig(settings, ({ routes }) => headersInConditions(routes))
  return (request: HttpServerRequest.HttpServerRequest): InferenceRequest["headers"] => {
    const names = asked()
    if (names.length === 0) return undefined
    const kept = new Map<string, string>()
    for (const name of names) {
      const value = request.headers[name]
      if (value !== undefined) kept.set(name, value)
    }
    return kept
  }
})

/** Returns the header fields that say how a body is meant. */
const meaningOf = (task: Task): ReadonlyArray<string> | undefined =>
  task._tag === "Chat" ? task.headers : undefined

/** Makes handlers of the routes that infer. Requires the state of the process from outside, as routes may be built anew. */
export const makeInferenceRoute = Effect.gen(function* () {
  const endpoints = yield* InferenceEndpoints
  const refusals = yield* Refusals
  const readMeaning = yield* makeBodyReader
  const routingHeaders = yield* makeRoutingHeaders
  const namedInHeaders = yield* makeNamedInHeaders

  const readCall = (
    request: HttpServerRequest.HttpServerRequest,
    { endpoint, decode }: InferenceRoute,
    takeBytes: TakeBytes,
  ): Effect.Effect<ReadCall, GatewayError> => {
    const key = idempotencyKey(request)
    if (Result.isFailure(key)) return Effect.fail(key.failure)
    const timeout = timeoutHeader(request.headers)
    if (Result.isFailure(timeout)) return Effect.fail(timeout.failure)
    const named = namedInHeaders(request.headers)
    if (Result.isFailure(named)) return Effect.fail(named.failure)
    const header: ReadHeader = (name) => request.headers[name]
    return readMeaning(
      request,
      takeBytes,
      (body) => decode(body, header),
      (call, bytes) => ({
        call,
        attribution: attributionOf(named.success, call.task),
        headers: routingHeaders(request),
        session: sessionHeader(request),
        claim:
          key.success === undefined
            ? undefined
            : { key: key.success, fingerprint: fingerprint("POST", endpoint, bytes, meaningOf(call.task)) },
        // What a keyed request brings is kept for the client's next try.
        deadlineMs:
          key.success === undefined && call.stream === undefined
            ? sooner(timeout.success, packageTimeout(request.headers))
            : timeout.success,
      }),
    )
  }

  return (route: InferenceRoute) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const served = endpoints.serve({
        ...exchangeOf(request, route.endpoint, refusals),
        read: (takeBytes) => readCall(request, route, takeBytes),
        refuse: route.refuse,
      })
      return Effect.match(served, {
        onSuccess: ({ response, replayed }) => {
          // As its response, see there.
          if (response.body instanceof ReplayableBody) Equal.byReferenceUnsafe(request)
          const served = toServerResponse(response)
          return replayed ? HttpServerResponse.setHeader(served, "idempotent-replayed", "true") : served
        },
        onFailure: (error) => errorResponse(error, request),
      })
    })
})

const sooner = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)

/** Parses and checks a large body in turns of the event loop, between which other requests go on. */
export const understandLarge = <A>(
  bytes: Buffer,
  decode: (body: JsonBody) => Result.Result<A, GatewayError>,
): Effect.Effect<A, GatewayError> =>
  Effect.suspend(() => Effect.fromResult(readJson(bytes))).pipe(
    Effect.tap(Effect.yieldNow),
    Effect.flatMap((body) => Effect.fromResult(decode(body))),
    // Planning comes next, which puts the request into the words of every provider.
    Effect.tap(Effect.yieldNow),
  )

const idempotencyKey = (request: HttpServerRequest.HttpServerRequest) =>
  Result.mapError(
    parseIdempotencyKey(rawHeader(request, "idempotency-key")),
    ({ message }) => new GatewayError({ code: "invalid_idempotency_key", detail: message }),
  )
