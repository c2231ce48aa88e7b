import { Effect, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { MAX_CHILD_SECONDS } from "../domain/bounds.ts"
import { ApiKeyAuth } from "./ApiKeyAuth.ts"
import { LimitUsd } from "./budget-fields.ts"
import { InstantText } from "./instant-text.ts"
import { KeyModels, KeyName } from "./KeysApi.ts"
import { Concurrency, RequestsPerMinute, Tags, TokensPerMinute } from "./limit-fields.ts"
import { openAiError } from "./OpenAiApi.ts"

const DEFAULT_CHILD_SECONDS = 3_600

const withinIssuers = "; at most the issuing key's"

/** A key for one piece of work, within what holds for the key that asks for it. */
export const CreateChildKeyRequest = Schema.Struct({
  name: KeyName.annotate({ description: "What the key is for" }),
  budget_usd: LimitUsd.annotate({
    description:
      "Dollars that it may spend in all; at most the smallest budget of the issuing key, against which it counts too",
  }),
  expires_in_seconds: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: MAX_CHILD_SECONDS }))
    .annotate({ description: "How long it works, 7 days at most, and no longer than the issuing key" })
    .pipe(Schema.withDecodingDefaultKey(Effect.succeed(DEFAULT_CHILD_SECONDS))),
  rpm: Schema.optionalKey(RequestsPerMinute.annotate({ description: `Requests per minute${withinIssuers}` })),
  tpm: Schema.optionalKey(TokensPerMinute.annotate({ description: `Tokens per minute${withinIssuers}` })),
  concurrency: Schema.optionalKey(
    Concurrency.annotate({ description: `Requests in flight${withinIssuers}` }),
  ),
  models: Schema.optionalKey(
    KeyModels.annotate({
      description: "Names that it may ask for, of the issuing key's; all of these when absent",
    }),
  ),
  tags: Schema.optionalKey(Tags.annotate({ description: "Tags of its requests, beside the issuing key's" })),
}).pipe(
  Schema.annotateEncoded({
    identifier: "CreateChildKeyRequest",
    examples: [
      { name: "agent-run-42", budget_usd: 0.5, expires_in_seconds: 900 },
      { name: "nightly", budget_usd: 0.8, models: ["auto"], tags: ["nightly"] },
    ],
  }),
)

export const ChildKeyJson = Schema.Struct({
  id: Schema.String.annotate({ description: "The 12 characters after gwk_" }),
  key: Schema.String.annotate({ description: "The whole key. It is shown this once." }),
  name: Schema.String,
  parent_id: Schema.String.annotate({ description: "The key that issued it" }),
  created_at: InstantText,
  expires_at: InstantText,
  budget_usd: Schema.Finite,
  rpm: Schema.NullOr(Schema.Int),
  tpm: Schema.NullOr(Schema.Int),
  concurrency: Schema.NullOr(Schema.Int),
  models: Schema.NullOr(Schema.Array(Schema.String)),
  team: Schema.NullOr(Schema.String),
  tags: Schema.Array(Schema.String),
}).annotate({ identifier: "ChildKey" })

const RevokedChildKey = Schema.Struct({ id: Schema.String, revoked_at: InstantText }).annotate({
  identifier: "RevokedChildKey",
})

export class ChildKeysApi extends HttpApiGroup.make("childKeys")
  .add(
    HttpApiEndpoint.post("create", "/v1/keys", {
      payload: CreateChildKeyRequest,
      success: ChildKeyJson,
      error: [400, 401, 403, 413, 415, 429, 500, 503].map(openAiError),
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Issue a short-lived API key for one piece of work",
        description:
          "For a key that may issue others. What the new key spends and asks counts against the issuing key as well, and it ends with it.",
      }),
    ),
    HttpApiEndpoint.delete("revoke", "/v1/keys/:id", {
      params: { id: Schema.String.annotate({ description: "The 12 characters after gwk_" }) },
      success: RevokedChildKey,
      error: [400, 401, 404, 429, 500, 503].map(openAiError),
    }).annotateMerge(OpenApi.annotations({ summary: "End an API key that this one issued" })),
  )
  .middleware(ApiKeyAuth)
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotateMerge(
    OpenApi.annotations({
      title: "Issued keys",
      description: "Authenticated by an API key. Errors have OpenAI's envelope.",
    }),
  ) {}
