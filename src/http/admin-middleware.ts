import { Context, Effect, Layer } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiMiddleware } from "effect/http-api"
import { AdminAuth, ReadsOnly } from "../api/AdminAuth.ts"
import { JsonBody, SchemaErrors } from "../api/RequestChecks.ts"
import { CurrentActor } from "../audit/Actor.ts"
import { AdminSessions } from "../auth/AdminSessions.ts"
import { AdminTokens, type Operator } from "../auth/AdminTokens.ts"
import { Settings } from "../config/Settings.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { keptBody, readJson } from "./body.ts"
import { operatorOf } from "./credentials.ts"
import { invalidRequest } from "./decode.ts"
import { errorResponse } from "./error-response.ts"
import { requestIdOf } from "./request-id.ts"

type Request = HttpServerRequest.HttpServerRequest

/** Goes on to `answer` with what the check found when it passes, and answers its error otherwise. */
const after = <Found, A, E, R>(
  check: (request: Request) => Effect.Effect<Found, GatewayError>,
  answer: (found: Found, request: Request) => Effect.Effect<A, E, R>,
) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    Effect.matchEffect(check(request), {
      onFailure: (error) => Effect.succeed(errorResponse(error, request)),
      onSuccess: (found) => answer(found, request),
    }),
  )

/** Passes who may change something, and everybody on a route that changes nothing. */
const mayAsk = ({ role }: Operator, readsOnly: boolean): Effect.Effect<void, GatewayError> =>
  role === "admin" || readsOnly
    ? Effect.void
    : Effect.fail(
        new GatewayError({
          code: "admin_role_required",
          detail: `A token with the role ${role} may only read. Issue one with: llm-gateway admin token --role admin`,
        }),
      )

const adminAuth = Layer.effect(
  AdminAuth,
  Effect.gen(function* () {
    const tokens = yield* AdminTokens
    const sessions = yield* AdminSessions
    // Not the library's credential, which is of the first of two Authorization lines.
    return AdminAuth.of({
      // By the method that the route has, so that a new one cannot forget it.
      adminToken: (answer, { endpoint }) =>
        after(
          (request) =>
            Effect.tap(
              operatorOf(request, { tokens, sessions, changes: endpoint.method !== "GET" }),
              (operator) =>
                mayAsk(operator, endpoint.method === "GET" || Context.get(endpoint.annotations, ReadsOnly)),
            ),
          ({ name }, request) =>
            Effect.provideService(answer, CurrentActor, {
              name,
              via: "api",
              requestId: requestIdOf(request),
            }),
        ),
    })
  }),
)

const schemaErrors = HttpApiMiddleware.layerSchemaErrorTransform(SchemaErrors, (error) =>
  error.kind === "Body" || error.kind === "ResponseHeaders"
    ? Effect.fail(error)
    : Effect.map(HttpServerRequest.HttpServerRequest, (request) =>
        errorResponse(invalidRequest(error.cause.issue), request),
      ),
)

const jsonBody = Layer.effect(
  JsonBody,
  Effect.gen(function* () {
    const { maxBodyBytes } = yield* Settings
    return JsonBody.of((answer) =>
      after(
        (request) =>
          Effect.flatMap(keptBody(request, maxBodyBytes), (bytes) => Effect.fromResult(readJson(bytes))),
        () => answer,
      ),
    )
  }),
)

/** The middlewares of `AdminApi`. */
export const adminMiddleware = Layer.mergeAll(adminAuth, schemaErrors, jsonBody)
