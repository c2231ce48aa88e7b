import { Effect, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import {
  MAX_GRACE_SECONDS,
  MAX_KEY_MODELS,
  MAX_KEY_NAME_LENGTH,
  MAX_MODEL_NAME_LENGTH,
} from "../domain/bounds.ts"
import { instant } from "../domain/Instant.ts"
import { KEY_STATES } from "../domain/KeyState.ts"
import { AdminAuth } from "./AdminAuth.ts"
import { BudgetJson, LimitUsd, Period } from "./budget-fields.ts"
import { booleanFromText, queryOf } from "./from-text.ts"
import { Timestamp } from "./instant-text.ts"
import {
  Concurrency,
  limitNames,
  RequestsPerMinute,
  shownLimits,
  Tags,
  TeamName,
  TokensPerMinute,
} from "./limit-fields.ts"
import { problem } from "./Problem.ts"
import { nextCursor, pageParameters } from "./paging.ts"
import { JsonBody, SchemaErrors } from "./RequestChecks.ts"
import { absent, line, nameOf, nonEmpty } from "./shapes.ts"

export const KeyName = nameOf(MAX_KEY_NAME_LENGTH)

export const KeyModels = nonEmpty(nameOf(MAX_MODEL_NAME_LENGTH)).check(Schema.isMaxLength(MAX_KEY_MODELS))

/** Names on the wire of the fields of a key. */
const wireNames = { ...limitNames, mayIssue: "may_issue", expiresAt: "expires_at" } as const

const said = {
  name: KeyName.annotate({ description: "Who or what uses the key" }),
  requestsPerMinute: RequestsPerMinute.annotate({
    description: "Requests per minute; the gateway's default when absent",
  }),
  tokensPerMinute: TokensPerMinute.annotate({
    description: "Tokens per minute, input and output together; no limit when absent",
  }),
  concurrency: Concurrency.annotate({ description: "Requests in flight; no limit when absent" }),
  team: TeamName.annotate({ description: "The team whose limits and budgets hold for the key too" }),
  tags: Tags.annotate({ description: "Tags of every request with the key" }),
  models: KeyModels.annotate({
    description: "Route names, provider/model, provider/* or model names this key may use; all when absent",
  }),
  mayIssue: Schema.Boolean.annotate({
    description: "Whether it may make keys of its own, which spend within what holds for it",
  }),
  expiresAt: instant({
    description: "An instant or a UTC day in the future, from which the key is refused; never when absent",
    examples: ["2036-12-31T23:59:59Z"],
  }),
  limitNanoUsd: LimitUsd.annotate({
    description: "Dollars that the key may spend in each window; see the budgets",
  }),
  period: Period.annotate({ description: "The window of `budget_usd`; `month` when absent" }),
}

const wireNamesOfRequest = { ...wireNames, limitNanoUsd: "budget_usd", period: "budget_window" } as const

const CreateKeyRequest = Schema.Struct({
  name: said.name,
  requestsPerMinute: Schema.optionalKey(said.requestsPerMinute),
  tokensPerMinute: Schema.optionalKey(said.tokensPerMinute),
  concurrency: Schema.optionalKey(said.concurrency),
  team: Schema.optionalKey(said.team),
  tags: Schema.optionalKey(said.tags),
  models: Schema.optionalKey(said.models),
  limitNanoUsd: Schema.optionalKey(said.limitNanoUsd),
  period: Schema.optionalKey(said.period),
  mayIssue: Schema.optionalKey(said.mayIssue),
  expiresAt: Schema.optionalKey(said.expiresAt),
}).pipe(
  Schema.encodeKeys(wireNamesOfRequest),
  Schema.annotateEncoded({
    identifier: "CreateKeyRequest",
    examples: [
      { name: "billing-service" },
      { name: "nightly-report", rpm: 60, models: ["auto"], expires_at: "2036-12-31T23:59:59Z" },
      {
        name: "search",
        tpm: 100_000,
        concurrency: 8,
        tags: ["prod"],
        budget_usd: 50,
        budget_window: "month",
      },
    ],
  }),
)

const SetKeyRequest = Schema.Struct({
  name: Schema.optionalKey(said.name),
  requestsPerMinute: absent(said.requestsPerMinute),
  tokensPerMinute: absent(said.tokensPerMinute),
  concurrency: absent(said.concurrency),
  team: absent(said.team),
  tags: absent(said.tags),
  models: absent(said.models),
  limitNanoUsd: absent(said.limitNanoUsd).annotateKey({
    description:
      "null takes the budget of `budget_window` away, or every budget that the key has when no window is said",
  }),
  period: Schema.optionalKey(said.period),
  mayIssue: Schema.optionalKey(said.mayIssue),
  expiresAt: absent(said.expiresAt),
}).pipe(
  Schema.encodeKeys(wireNamesOfRequest),
  Schema.annotateEncoded({
    identifier: "SetKeyRequest",
    description: "null takes a value away, as if it had never been said; what is left out stays",
    examples: [{ rpm: 60, models: null }, { budget_usd: 80 }],
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
  state: Schema.Literals(KEY_STATES).annotate({
    description:
      "Whether requests with it are let in; `issuer_ended`: the key that issued it is not `active`",
  }),
  ...shownLimits,
  requestsPerMinute: Schema.NullOr(Schema.Int).annotate({
    description: "Requests per minute; null for the gateway's default",
  }),
  team: Schema.NullOr(Schema.String),
  tags: Schema.Array(Schema.String),
  models: Schema.NullOr(Schema.Array(Schema.String)).annotate({
    description: "Names that the key may ask for; null for all",
  }),
  mayIssue: Schema.Boolean.annotate({ description: "Whether it may make keys of its own" }),
  budgets: Schema.Array(BudgetJson).annotate({
    description: "Its own, without its team's and those that hold for everybody",
  }),
  createdAt: Timestamp,
  expiresAt: Schema.NullOr(Timestamp),
  revokedAt: Schema.NullOr(Timestamp),
  previousSecretUntil: Schema.NullOr(Timestamp),
  parentId: Schema.NullOr(Schema.String).annotate({
    description: "The key that issued it; null for those that operators made",
  }),
}

const wireNamesOfKey = {
  ...wireNames,
  createdAt: "created_at",
  revokedAt: "revoked_at",
  previousSecretUntil: "previous_secret_until",
  parentId: "parent_id",
} as const

/** An API key as the admin routes and the command line's `--json` print it. */
export const ApiKeyJson = Schema.Struct(key).pipe(
  Schema.encodeKeys(wireNamesOfKey),
  Schema.annotateEncoded({ identifier: "ApiKey" }),
)

/** The same of a listing. */
export const ListedKeyJson = Schema.Struct({
  ...key,
  lastUsedAt: Schema.NullOr(Timestamp).annotate({
    description: "When its newest request in the ledger began, of the last 31 days; null where it had none",
  }),
}).pipe(
  Schema.encodeKeys({ ...wireNamesOfKey, lastUsedAt: "last_used_at" }),
  Schema.annotateEncoded({ identifier: "ListedApiKey" }),
)

/** The same with the whole key: the one place where it leaves the process. */
export const IssuedKeyJson = Schema.Struct({
  ...key,
  key: Schema.RedactedFromValue(
    Schema.String.annotate({ description: "The whole key. It is shown this once." }),
  ),
}).pipe(Schema.encodeKeys(wireNamesOfKey), Schema.annotateEncoded({ identifier: "IssuedApiKey" }))

const KeyList = Schema.Struct({ data: Schema.Array(ListedKeyJson), next_cursor: nextCursor })

const unavailable = [problem(500), problem(503)]
const notFound = [problem(404), ...unavailable]
const params = { id: Schema.String.annotate({ description: "The 12 characters after gwk_" }) }

export class KeysApi extends HttpApiGroup.make("keys")
  .add(
    HttpApiEndpoint.get("list", "/admin/keys", {
      query: queryOf({
        ...pageParameters,
        search: Schema.optionalKey(
          line
            .check(Schema.isMaxLength(MAX_MODEL_NAME_LENGTH))
            .annotate({ description: "Part of an id, name, team, tag or model, whatever its case" }),
        ),
        active: Schema.optionalKey(
          booleanFromText({ description: "true for keys that are `active` alone, false for the others" }),
        ),
      }),
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
    HttpApiEndpoint.patch("set", "/admin/keys/:id", {
      params,
      payload: SetKeyRequest,
      success: ApiKeyJson,
      error: [...notFound, problem(409)],
    })
      .middleware(JsonBody)
      .annotateMerge(OpenApi.annotations({ summary: "Change an API key" })),
    HttpApiEndpoint.get("show", "/admin/keys/:id", {
      params,
      success: ListedKeyJson,
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
