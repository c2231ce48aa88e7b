import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ApiKeyAuth } from "./ApiKeyAuth.ts"
import { ChatCompletion, ChatCompletionBody } from "./chat-completions.ts"
import { EmbeddingList, EmbeddingsBody } from "./embeddings.ts"
import { answerHeaders, codesOf, errorHeaders, openAiRateLimitHeaders, perStatus } from "./headers.ts"
import { eventStream, inferenceHeaders } from "./inference-wire.ts"

export const Model = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("model"),
  created: Schema.Int,
  owned_by: Schema.String,
}).annotate({ identifier: "Model" })

export const ModelList = Schema.Struct({
  object: Schema.Literal("list"),
  data: Schema.Array(Model),
}).annotate({ identifier: "ModelList" })

export const openAiError = perStatus((status) =>
  HttpApiSchema.WithHeaders(
    Schema.Struct({
      error: Schema.Struct({
        message: Schema.String,
        type: Schema.String,
        param: Schema.NullOr(Schema.String),
        code: Schema.NullOr(Schema.String).annotate({
          description: "Stable error code; docs/errors.md lists every one",
        }),
      }),
    }).pipe(
      Schema.annotate({ identifier: `OpenAiError${status}`, description: codesOf(status) }),
      HttpApiSchema.status(status),
    ),
    errorHeaders(status),
  ),
)

export const inferenceErrors = [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504].map(
  openAiError,
)
const readErrors = [400, 401, 500, 503].map(openAiError)

export class OpenAiApi extends HttpApiGroup.make("openai")
  .add(
    HttpApiEndpoint.post("chatCompletions", "/v1/chat/completions", {
      headers: inferenceHeaders,
      payload: ChatCompletionBody,
      success: [
        HttpApiSchema.WithHeaders(ChatCompletion, { ...answerHeaders, ...openAiRateLimitHeaders }),
        eventStream("With `stream`: `data: ChatCompletionChunk` events, and `data: [DONE]` unless it failed"),
      ],
      error: inferenceErrors,
    }).annotateMerge(OpenApi.annotations({ summary: "Chat completions, OpenAI-compatible" })),
    HttpApiEndpoint.post("embeddings", "/v1/embeddings", {
      headers: inferenceHeaders,
      payload: EmbeddingsBody,
      success: HttpApiSchema.WithHeaders(EmbeddingList, { ...answerHeaders, ...openAiRateLimitHeaders }),
      error: inferenceErrors,
    }).annotateMerge(OpenApi.annotations({ summary: "Embeddings, OpenAI-compatible" })),
    HttpApiEndpoint.get("models", "/v1/models", {
      success: ModelList,
      error: readErrors,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Every name that this API key may ask for",
        description:
          "With `anthropic-version`, a page of them in Anthropic's shape: `limit`, `after_id`, `before_id`",
      }),
    ),
    HttpApiEndpoint.get("model", "/v1/models/:model", {
      params: {
        model: Schema.String.annotate({
          description: "A name that GET /v1/models lists",
          examples: ["auto"],
        }),
      },
      success: Model,
      error: [...readErrors, openAiError(404)],
    }).annotateMerge(OpenApi.annotations({ summary: "One of these names, its slashes encoded or not" })),
  )
  .middleware(ApiKeyAuth)
  .annotateMerge(
    OpenApi.annotations({
      title: "OpenAI-compatible",
      description: "Authenticated by an API key. Errors have OpenAI's envelope.",
    }),
  ) {}
