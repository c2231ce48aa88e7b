import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Result } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { Settings } from "../config/Settings.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { fingerprint } from "../idempotency/fingerprint.ts"
import { parseIdempotencyKey } from "../idempotency/header.ts"
import { LoadShedder } from "../limits/LoadShedder.ts"
import { type JsonBody, readBody, readJson } from "./body.ts"
import { fromOverload } from "./client-errors.ts"
import { whenClosed } from "./connections.ts"
import { apiKey, rawHeader } from "./credentials.ts"
import { errorResponse, toServerResponse } from "./error-response.ts"
import { type InferenceCall, InferenceEndpoints, type ReadCall } from "./InferenceEndpoints.ts"
import { requestIdOf } from "./request-id.ts"

/** Understands a route's JSON body. */
export type DecodeCall = (body: JsonBody) => Result.Result<InferenceCall, GatewayError>

/**
 * Makes handlers of the routes that infer. `endpoint` is the route's path and its name in ledger and metrics.
 * Requires the state of the process from outside, as routes may be built anew.
 */
export const makeInferenceRoute = Effect.gen(function* () {
  const { maxBodyBytes } = yield* Settings
  const endpoints = yield* InferenceEndpoints
  const shedder = yield* LoadShedder

  const readCall = (
    request: HttpServerRequest.HttpServerRequest,
    endpoint: string,
    decode: DecodeCall,
  ): Effect.Effect<ReadCall, GatewayError> => {
    const key = idempotencyKey(request)
    if (Result.isFailure(key)) return Effect.fail(key.failure)
    return Effect.flatMap(readBody(request, maxBodyBytes), (bytes) => {
      const call = Result.flatMap(readJson(bytes), decode)
      if (Result.isFailure(call)) return Effect.fail(call.failure)
      const claim =
        key.success === undefined
          ? undefined
          : { key: key.success, fingerprint: fingerprint("POST", endpoint, bytes) }
      return Effect.succeed({ call: call.success, claim })
    })
  }

  return (endpoint: string, decode: DecodeCall) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const entered = shedder.enter()
      if (Result.isFailure(entered)) {
        return Effect.succeed(errorResponse(fromOverload(entered.failure), request))
      }
      whenClosed(NodeHttpServerRequest.toServerResponse(request), entered.success)
      const served = endpoints.serve({
        requestId: requestIdOf(request),
        endpoint,
        credential: apiKey(request),
        read: readCall(request, endpoint, decode),
      })
      return Effect.match(served, {
        onSuccess: ({ response, replayed }) =>
          replayed
            ? HttpServerResponse.setHeader(toServerResponse(response), "idempotent-replayed", "true")
            : toServerResponse(response),
        onFailure: (error) => errorResponse(error, request),
      })
    })
})

const idempotencyKey = (request: HttpServerRequest.HttpServerRequest) =>
  Result.mapError(
    parseIdempotencyKey(rawHeader(request, "idempotency-key")),
    ({ message }) => new GatewayError({ code: "invalid_idempotency_key", detail: message }),
  )
