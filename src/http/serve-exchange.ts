import { Effect, type Scope } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { Settings } from "../config/Settings.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { fingerprint } from "../idempotency/fingerprint.ts"
import { parseIdempotencyKey } from "../idempotency/header.ts"
import type { Call, Exchange } from "../inference/Exchange.ts"
import { fromOverload } from "../inference/failures.ts"
import { Inference } from "../inference/Inference.ts"
import { LoadShedder } from "../limits/LoadShedder.ts"
import { readBody, readJson } from "./body.ts"
import { apiKey, rawHeader } from "./credentials.ts"
import { answeringErrors, toServerResponse } from "./error-response.ts"
import { requestIdOf } from "./request-id.ts"

/** What differs between the routes that infer. */
export interface InferenceRoute {
  /** Path, which is also the endpoint's name. */
  readonly endpoint: string
  readonly decode: (body: unknown) => Effect.Effect<Omit<Call, "idempotency">, GatewayError>
  readonly write: Exchange["write"]
}

/** The way of a request through every route that infers, from its slot in the process to the response. */
export const serveExchange = Effect.gen(function* () {
  const { maxBodyBytes } = yield* Settings
  const inference = yield* Inference
  const shedder = yield* LoadShedder

  const readCall = Effect.fnUntraced(function* (
    request: HttpServerRequest.HttpServerRequest,
    { endpoint, decode }: InferenceRoute,
  ) {
    const key = yield* idempotencyKey(request)
    const bytes = yield* readBody(request, maxBodyBytes)
    const asked = yield* Effect.flatMap(readJson(bytes), ({ json }) => decode(json))
    const idempotency =
      key === undefined ? undefined : { key, fingerprint: fingerprint("POST", endpoint, bytes) }
    return { ...asked, idempotency } satisfies Call
  })

  return (request: HttpServerRequest.HttpServerRequest, route: InferenceRoute) =>
    Effect.mapError(shedder.slot, fromOverload).pipe(
      Effect.andThen(
        Effect.suspend(() =>
          inference.infer({
            requestId: requestIdOf(request),
            endpoint: route.endpoint,
            credential: apiKey(request),
            call: readCall(request, route),
            write: route.write,
          }),
        ),
      ),
      Effect.map(({ response, replayed }) =>
        replayed
          ? HttpServerResponse.setHeader(toServerResponse(response), "idempotent-replayed", "true")
          : toServerResponse(response),
      ),
      answeringErrors,
    ) satisfies Effect.Effect<unknown, never, HttpServerRequest.HttpServerRequest | Scope.Scope>
})

const idempotencyKey = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.mapError(
    Effect.fromResult(parseIdempotencyKey(rawHeader(request, "idempotency-key"))),
    ({ message }) => new GatewayError({ code: "invalid_idempotency_key", detail: message }),
  )
