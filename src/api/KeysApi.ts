import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { problem } from "./Problem.ts"

export const CreateKeyRequest = Schema.Struct({
  name: Schema.NonEmptyString.check(Schema.isMaxLength(128)),
  rpm: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })).annotate({
      description: "Requests per minute; the gateway's default when absent",
    }),
  ),
  models: Schema.optionalKey(
    Schema.NonEmptyArray(Schema.NonEmptyString).annotate({
      description: "Route names, provider/model or model names this key may use; all when absent",
    }),
  ),
  expires_at: Schema.optionalKey(Schema.String.annotate({ description: "ISO 8601 instant" })),
})

export const RotateKeyRequest = Schema.Struct({
  grace_seconds: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 * 86_400 })).annotate({
      description: "How long the old secret keeps working; 0 by default",
    }),
  ),
})

export const KeyResponse = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  rpm: Schema.NullOr(Schema.Int),
  models: Schema.NullOr(Schema.Array(Schema.String)),
  created_at: Schema.String,
  expires_at: Schema.NullOr(Schema.String),
  revoked_at: Schema.NullOr(Schema.String),
  previous_secret_until: Schema.NullOr(Schema.String),
})

export const IssuedKeyResponse = Schema.Struct({
  ...KeyResponse.fields,
  key: Schema.String.annotate({ description: "The whole key. It is shown this once." }),
})

export const KeyListResponse = Schema.Struct({
  data: Schema.Array(KeyResponse),
  next_cursor: Schema.NullOr(Schema.String),
})

const error = [400, 401, 404, 409, 413, 415, 500, 503].map(problem)
const params = { id: Schema.String }

export class KeysApi extends HttpApiGroup.make("keys")
  .add(
    HttpApiEndpoint.get("list", "/admin/keys", {
      query: { limit: Schema.optionalKey(Schema.String), cursor: Schema.optionalKey(Schema.String) },
      success: KeyListResponse,
      error,
    }).annotateMerge(OpenApi.annotations({ summary: "List API keys, newest first" })),
    HttpApiEndpoint.post("create", "/admin/keys", {
      payload: CreateKeyRequest,
      success: IssuedKeyResponse,
      error,
    }).annotateMerge(OpenApi.annotations({ summary: "Create an API key" })),
    HttpApiEndpoint.get("show", "/admin/keys/:id", { params, success: KeyResponse, error }).annotateMerge(
      OpenApi.annotations({ summary: "Show an API key" }),
    ),
    HttpApiEndpoint.post("rotate", "/admin/keys/:id/rotate", {
      params,
      payload: RotateKeyRequest,
      success: IssuedKeyResponse,
      error,
    }).annotateMerge(OpenApi.annotations({ summary: "Give an API key a new secret" })),
    HttpApiEndpoint.post("revoke", "/admin/keys/:id/revoke", {
      params,
      success: KeyResponse,
      error,
    }).annotateMerge(OpenApi.annotations({ summary: "Revoke an API key for good" })),
  )
  .annotateMerge(OpenApi.annotations({ title: "Keys", description: "Authenticated by an admin JWT" })) {}
