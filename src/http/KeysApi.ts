import { DateTime, Effect, Option } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi } from "../api/GatewayApi.ts"
import { CreateKeyRequest, RotateKeyRequest } from "../api/KeysApi.ts"
import { type ApiKeyNotFound, type ApiKeyRevoked, ApiKeys, type ApiKeysUnavailable } from "../auth/ApiKeys.ts"
import { apiKeyJson, issuedKeyJson } from "../auth/api-key-json.ts"
import { Settings } from "../config/Settings.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { readBody, readJson } from "./body.ts"
import { requireAdmin } from "./credentials.ts"
import { decoder } from "./decode.ts"
import { answeringErrors } from "./error-response.ts"
import { pageLimit } from "./query.ts"

/** The operators' key routes: the same service the command line uses. */
export const KeysHandlers = HttpApiBuilder.group(
  AdminApi,
  "keys",
  Effect.fn(function* (handlers) {
    const { maxBodyBytes } = yield* Settings
    const keys = yield* ApiKeys

    const readBodyAs = <A>(
      request: HttpServerRequest.HttpServerRequest,
      decode: (input: unknown) => Effect.Effect<A, GatewayError>,
    ) =>
      readBody(request, maxBodyBytes).pipe(
        Effect.flatMap(readJson),
        Effect.flatMap(({ json }) => decode(json)),
      )

    const admin = <A, R>(
      request: HttpServerRequest.HttpServerRequest,
      answer: Effect.Effect<A, GatewayError | ApiKeyNotFound | ApiKeyRevoked | ApiKeysUnavailable, R>,
    ) =>
      requireAdmin(request).pipe(
        Effect.andThen(answer),
        Effect.mapError(keyError),
        Effect.map((body) => HttpServerResponse.jsonUnsafe(body)),
        answeringErrors,
      )

    return handlers
      .handleRaw("list", ({ request, query }) =>
        admin(
          request,
          Effect.gen(function* () {
            const page = yield* keys.list({
              limit: yield* pageLimit(query.limit),
              ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
            })
            return { data: page.keys.map(apiKeyJson), next_cursor: page.nextCursor }
          }),
        ),
      )
      .handleRaw("create", ({ request }) =>
        admin(
          request,
          Effect.gen(function* () {
            const body = yield* readBodyAs(request, decodeCreate)
            const issued = yield* keys.create({
              name: body.name,
              ...(body.rpm === undefined ? {} : { requestsPerMinute: body.rpm }),
              ...(body.models === undefined ? {} : { models: body.models }),
              ...(body.expires_at === undefined ? {} : { expiresAt: yield* futureInstant(body.expires_at) }),
            })
            return issuedKeyJson(issued)
          }),
        ),
      )
      .handleRaw("show", ({ request, params }) =>
        admin(request, Effect.map(keys.show(params.id), apiKeyJson)),
      )
      .handleRaw("rotate", ({ request, params }) =>
        admin(
          request,
          Effect.gen(function* () {
            const { grace_seconds = 0 } = yield* readBodyAs(request, decodeRotate)
            return issuedKeyJson(yield* keys.rotate(params.id, { graceMs: grace_seconds * 1000 }))
          }),
        ),
      )
      .handleRaw("revoke", ({ request, params }) =>
        admin(request, Effect.map(keys.revoke(params.id), apiKeyJson)),
      )
  }),
)

const decodeCreate = decoder(CreateKeyRequest)
const decodeRotate = decoder(RotateKeyRequest)

const keyError = (
  error: GatewayError | ApiKeyNotFound | ApiKeyRevoked | ApiKeysUnavailable,
): GatewayError => {
  switch (error._tag) {
    case "GatewayError":
      return error
    case "ApiKeyNotFound":
      return new GatewayError({ code: "key_not_found", detail: "No API key has this id." })
    case "ApiKeyRevoked":
      return new GatewayError({
        code: "key_revoked",
        detail: "The key is revoked for good. Create a new one.",
      })
    case "ApiKeysUnavailable":
      return new GatewayError({
        code: "database_unavailable",
        detail: "API keys cannot be read. Retry shortly.",
      })
  }
}

const futureInstant = Effect.fnUntraced(function* (text: string) {
  const instant = DateTime.make(text)
  const now = yield* DateTime.now
  if (Option.isSome(instant) && DateTime.isGreaterThan(instant.value, now))
    return DateTime.toUtc(instant.value)
  return yield* new GatewayError({
    code: "invalid_request",
    param: "expires_at",
    detail: "expires_at: Expected an ISO 8601 instant in the future.",
  })
})
