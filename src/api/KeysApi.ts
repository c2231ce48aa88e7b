import { Effect, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import {
  MAX_GRACE_SECONDS,
  MAX_KEY_MODELS,
  MAX_KEY_NAME_LENGTH,
  MAX_MODEL_NAME_LENGTH,
  MAX_REQUESTS_PER_MINUTE,
} from "../domain/bounds.ts"
import { instant } from "../domain/Instant.ts"
import { AdminAuth } from "./AdminAuth.ts"
import { queryOf } from "./from-text.ts"
import { Timestamp } from "./instant-text.ts"
import { problem } from "./Problem.ts"
import { nextCursor, pageParameters } from "./paging.ts"
import { JsonBody, SchemaErrors } from "./RequestChecks.ts"
import { nameOf, nonEmpty } from "./shapes.ts"

export const KeyName = nameOf(MAX_KEY_NAME_LENGTH)

export const KeyModels = nonEmpty(nameOf(MAX_MODEL_NAME_LENGTH)).check(Schema.isMaxLength(MAX_KEY_MODELS))

export const RequestsPerMinute = Schema.Int.check(
  Schema.isBetween({ minimum: 1, maximum: MAX_REQUESTS_PER_MINUTE }),
)

/** Names on the wire of the fields of a key. */
const wireNames = { requestsPerMinute: "rpm", expiresAt: "expires_at" } as const

const CreateKeyRequest = Schema.Struct({
  name: KeyName.annotate({ description: "Who or what uses the key" }),
  requestsPerMinute: Schema.optionalKey(
    RequestsPerMinute.annotate({
      description: "Requests per minute; the gateway's default when absent",
    }),
  ),
  models: Schema.optionalKey(
    KeyModels.annotate({
      description: "Route names, provider/model, provider/* or model names this key may use; all when absent",
    }),
  ),
  expiresAt: Schema.optionalKey(
    instant({
      description: "An instant or a UTC day in the future, from which the key is refused; never when absent",
      examples: ["2036-12-31T23:59:59Z"],
    }),
  ),
}).pipe(
  Schema.encodeKeys(wireNames),
  Schema.annotateEncoded({
    identifier: "CreateKeyRequest",
    examples: [
      { name: "billing-service" },
      { name: "nightly-report", rpm: 60, models: ["auto"], expires_at: "2036-12-31T23:59:59Z" },
    ],
  }),
)

const RotateKeyRequest = Schema.Struct({
  grace_seconds: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: MAX_GRACE_SECONDS }))
    .annotate({ description: "How long the old secret keeps working; not at all when absent" })
    .pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
}).pipe(
  Schema.annotateEncoded({
    identifier: "RotateKeyRequest",
    examples: [{ grace_seconds: 3600 }],
  }),
)

const key = {
  id: Schema.String.annotate({ description: "The 12 characters after gwk_" }),
  name: Schema.String,
  requestsPerMinute: Schema.NullOr(Schema.Int).annotate({
    description: "Requests per minute; null for the gateway's default",
  }),
  models: Schema.NullOr(Schema.Array(Schema.String)).annotate({
    description: "Names that the key may ask for; null for all",
  }),
  createdAt: Timestamp,
  expiresAt: Schema.NullOr(Timestamp),
  revokedAt: Schema.NullOr(Timestamp),
  previousSecretUntil: Schema.NullOr(Timestamp),
}

const wireNamesOfKey = {
  ...wireNames,
  createdAt: "created_at",
  revokedAt: "revoked_at",
  previousSecretUntil: "previous_secret_until",
} as const

/** An API key as the admin routes and the command line's `--json` print it. */
export const ApiKeyJson = Schema.Struct(key).pipe(
  Schema.encodeKeys(wireNamesOfKey),
  Schema.annotateEncoded({ identifier: "ApiKey" }),
)

/** The same with the whole key: the one place where it leaves the process. */
export const IssuedKeyJson = Schema.Struct({
  ...key,
  key: Schema.RedactedFromValue(
    Schema.String.annotate({ description: "The whole key. It is shown this once." }),
  ),
}).pipe(Schema.encodeKeys(wireNamesOfKey), Schema.annotateEncoded({ identifier: "IssuedApiKey" }))

const KeyList = Schema.Struct({ data: Schema.Array(ApiKeyJson), next_cursor: nextCursor })

const unavailable = [problem(500), problem(503)]
const notFound = [problem(404), ...unavailable]
const params = { id: Schema.String.annotate({ description: "The 12 characters after gwk_" }) }

export class KeysApi extends HttpApiGroup.make("keys")
  .add(
    HttpApiEndpoint.get("list", "/admin/keys", {
      query: queryOf(pageParameters),
      success: KeyList,
      error: unavailable,
    }).annotateMerge(OpenApi.annotations({ summary: "List API keys, newest first" })),
    HttpApiEndpoint.post("create", "/admin/keys", {
      payload: CreateKeyRequest,
      success: IssuedKeyJson,
      error: unavailable,
    })
      .middleware(JsonBody)
      .annotateMerge(OpenApi.annotations({ summary: "Create an API key" })),
    HttpApiEndpoint.get("show", "/admin/keys/:id", {
      params,
      success: ApiKeyJson,
      error: notFound,
    }).annotateMerge(OpenApi.annotations({ summary: "Show an API key" })),
    HttpApiEndpoint.post("rotate", "/admin/keys/:id/rotate", {
      params,
      payload: RotateKeyRequest,
      success: IssuedKeyJson,
      error: [...notFound, problem(409)],
    })
      .middleware(JsonBody)
      .annotateMerge(OpenApi.annotations({ summary: "Give an API key a new secret" })),
    HttpApiEndpoint.post("revoke", "/admin/keys/:id/revoke", {
      params,
      success: ApiKeyJson,
      error: notFound,
    }).annotateMerge(OpenApi.annotations({ summary: "Revoke an API key for good" })),
  )
  .middleware(SchemaErrors)
  .middleware(AdminAuth)
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotateMerge(OpenApi.annotations({ title: "Keys", description: "Authenticated by an admin token" })) {}
