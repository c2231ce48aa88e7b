import { DateTime, Effect, identity, Redacted } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { type ChildKeyJson, CreateChildKeyRequest } from "../api/ChildKeysApi.ts"
import { CurrentActor } from "../audit/Actor.ts"
import type { ApiKeyNotFound, ApiKeysBusy, ApiKeysUnavailable } from "../auth/ApiKeys.ts"
import type { BeyondIssuer, MayNotIssue, TooManyChildren } from "../auth/ChildKeys.ts"
import { ChildKeys } from "../auth/ChildKeys.ts"
import type { ChildRequest, Excess } from "../auth/child-key-rules.ts"
import type { Principal } from "../auth/Principal.ts"
import { unknownName } from "../config/allow-list.ts"
import { Settings } from "../config/Settings.ts"
import { MAX_LIVE_CHILDREN } from "../domain/bounds.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { toUsd } from "../domain/Money.ts"
import { decoder, invalidField } from "./decode.ts"
import { answeringErrors } from "./error-response.ts"
import { InferenceEndpoints } from "./InferenceEndpoints.ts"
import { exchangeOf, makeBodyReader } from "./inference-route.ts"
import { openAiRateLimitFields } from "./outcome-headers.ts"
import { Refusals } from "./Refusals.ts"
import { requestIdOf } from "./request-id.ts"

const CREATE = "/v1/keys"
const REVOKE = "/v1/keys/:id"

/** Keys that keys issue: admitted and limited like every request, and not in the ledger. */
export const childKeysRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const keys = yield* ChildKeys
    const endpoints = yield* InferenceEndpoints
    const refusals = yield* Refusals
    const readMeaning = yield* makeBodyReader
    const settings = yield* Settings

    /** Makes the change as that of the key that asks for it. */
    const asKey = (principal: Principal, request: HttpServerRequest.HttpServerRequest) =>
      Effect.provideService(CurrentActor, {
        name: `key:${principal.keyId}`,
        via: "key",
        requestId: requestIdOf(request),
      })

    const known = (models: ReadonlyArray<string> = []): Effect.Effect<void, GatewayError> => {
      const unknown = unknownName(settings.gateway, models)
      return unknown === undefined
        ? Effect.void
        : Effect.fail(invalidField(["models", unknown.index], unknown.text))
    }

    const create = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      answeringErrors(
        endpoints.serveAlone(
          exchangeOf(request, CREATE, refusals),
          Effect.fnUntraced(function* ({ principal, rateLimit, takeBytes }) {
            const body = yield* readMeaning(request, takeBytes, ({ json }) => decodeCreate(json), identity)
            yield* known(body.models)
            const { key, secret } = yield* keys
              .create(principal, childOf(body))
              .pipe(asKey(principal, request), Effect.mapError(toGatewayError))
            const answer: typeof ChildKeyJson.Type = {
              id: key.id,
              key: Redacted.value(secret),
              name: key.name,
              parent_id: key.parentId,
              created_at: DateTime.formatIso(key.createdAt),
              expires_at: DateTime.formatIso(key.expiresAt),
              budget_usd: toUsd(key.budgetNanoUsd),
              rpm: key.requestsPerMinute,
              tpm: key.tokensPerMinute,
              concurrency: key.concurrency,
              models: key.models,
              team: key.team,
              tags: key.tags,
            }
            return HttpServerResponse.jsonUnsafe(answer, {
              headers: openAiRateLimitFields({ requests: rateLimit, tokens: undefined }),
            })
          }),
        ),
      ),
    )

    const revoke = Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const { id = "" } = yield* HttpRouter.params
      return yield* endpoints.serveAlone(exchangeOf(request, REVOKE, refusals), ({ principal, rateLimit }) =>
        keys.revoke(principal.keyId, id).pipe(
          asKey(principal, request),
          Effect.mapBoth({
            onSuccess: ({ id, revokedAt }) =>
              HttpServerResponse.jsonUnsafe(
                { id, revoked_at: DateTime.formatIso(revokedAt) },
                { headers: openAiRateLimitFields({ requests: rateLimit, tokens: undefined }) },
              ),
            onFailure: toGatewayError,
          }),
        ),
      )
    })

    yield* router.add("POST", CREATE, create)
    yield* router.add("DELETE", REVOKE, answeringErrors(revoke))
  }),
)

const decodeCreate = decoder(CreateChildKeyRequest)

const childOf = (body: typeof CreateChildKeyRequest.Type): ChildRequest => ({
  name: body.name,
  lifetimeSeconds: body.expires_in_seconds,
  budgetNanoUsd: body.budget_usd,
  ...(body.rpm !== undefined && { requestsPerMinute: body.rpm }),
  ...(body.tpm !== undefined && { tokensPerMinute: body.tpm }),
  ...(body.concurrency !== undefined && { concurrency: body.concurrency }),
  ...(body.models !== undefined && { models: body.models }),
  ...(body.tags !== undefined && { tags: body.tags }),
})

/** Names on the wire of what may go beyond the issuer. */
const wireNames: Readonly<Record<Excess["field"], string>> = {
  budgetNanoUsd: "budget_usd",
  requestsPerMinute: "rpm",
  tokensPerMinute: "tpm",
  concurrency: "concurrency",
  models: "models",
  tags: "tags",
}

type ChildKeyError =
  | MayNotIssue
  | BeyondIssuer
  | TooManyChildren
  | ApiKeyNotFound
  | ApiKeysBusy
  | ApiKeysUnavailable

const toGatewayError = (error: ChildKeyError): GatewayError => {
  switch (error._tag) {
    case "MayNotIssue":
      return new GatewayError({
        code: "key_may_not_issue",
        detail: "This API key may not issue others. An operator can allow it to.",
      })
    case "BeyondIssuer": {
      const { field, index, rule } = error.excess
      return invalidField([wireNames[field], ...(index === undefined ? [] : [index])], rule)
    }
    case "TooManyChildren":
      return new GatewayError({
        code: "too_many_child_keys",
        detail: `${MAX_LIVE_CHILDREN} keys that this one issued are alive. End some with DELETE /v1/keys/{id}, or let them live less long.`,
        retryAfterMs: error.retryAfterMs,
      })
    case "ApiKeyNotFound":
      return new GatewayError({ code: "key_not_found", detail: "This API key issued none with this id." })
    case "ApiKeysBusy":
      return new GatewayError({
        code: "overloaded",
        detail:
          "As many keys are being made as the gateway can, or as one API key may at once. Retry shortly.",
      })
    case "ApiKeysUnavailable":
      return new GatewayError({
        code: "database_unavailable",
        detail: "The database did not answer in time. Retry shortly.",
      })
  }
}
