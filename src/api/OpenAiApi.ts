import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"

/** The parts of OpenAI's bodies that the gateway itself reads; every other field travels as it came. */
const open = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.StructWithRest(Schema.Struct(fields), [Schema.Record(Schema.String, Schema.Unknown)])

const absent = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

const tokens = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000_000 }))

const model = Schema.NonEmptyString.check(Schema.isMaxLength(256)).pipe(
  Schema.annotateKey({ description: "`auto`, a route name, `provider/model`, or a model name" }),
)

const ContentPart = open({ type: Schema.String, text: absent(Schema.String) })

const Message = open({
  role: Schema.Literals(["system", "developer", "user", "assistant", "tool", "function"]),
  content: absent(Schema.Union([Schema.String, Schema.Array(ContentPart)])),
})

/** Body of `POST /v1/chat/completions`. */
export const ChatCompletionRequest = open({
  model,
  messages: Schema.Array(Message).check(Schema.isMinLength(1)),
  stream: absent(Schema.Boolean),
  stream_options: absent(open({ include_usage: absent(Schema.Boolean) })),
  n: absent(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 128 }))),
  max_tokens: absent(tokens),
  max_completion_tokens: absent(tokens),
  temperature: absent(Schema.Finite),
  top_p: absent(Schema.Finite),
  stop: absent(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
})
export type ChatCompletionRequest = typeof ChatCompletionRequest.Type

const TokenIds = Schema.NonEmptyArray(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)))

/** Body of `POST /v1/embeddings`. */
export const EmbeddingsRequest = open({
  model,
  input: Schema.Union([
    Schema.NonEmptyString,
    Schema.NonEmptyArray(Schema.NonEmptyString),
    TokenIds,
    Schema.NonEmptyArray(TokenIds),
  ]),
  dimensions: absent(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))),
  encoding_format: absent(Schema.Literals(["float", "base64"])),
})
export type EmbeddingsRequest = typeof EmbeddingsRequest.Type

export const Model = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("model"),
  created: Schema.Int,
  owned_by: Schema.String,
})

export const ModelList = Schema.Struct({ object: Schema.Literal("list"), data: Schema.Array(Model) })

const ErrorBody = Schema.Struct({
  error: Schema.Struct({
    message: Schema.String,
    type: Schema.String,
    param: Schema.NullOr(Schema.String),
    code: Schema.NullOr(Schema.String).annotate({
      description: "Stable error code; every one is listed in docs/errors.md",
    }),
  }),
})

const errors = (...statuses: ReadonlyArray<number>) =>
  statuses.map((status) =>
    ErrorBody.pipe(Schema.annotate({ identifier: `OpenAiError${status}` }), HttpApiSchema.status(status)),
  )

const inferenceErrors = errors(400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504)
const AnyObject = Schema.Record(Schema.String, Schema.Unknown)

export class OpenAiApi extends HttpApiGroup.make("openai")
  .add(
    HttpApiEndpoint.post("chatCompletions", "/v1/chat/completions", {
      payload: ChatCompletionRequest,
      success: AnyObject.annotate({
        description:
          "OpenAI's `chat.completion`, or with `stream` server-sent `chat.completion.chunk` events",
      }),
      error: inferenceErrors,
    }).annotateMerge(OpenApi.annotations({ summary: "Chat completions, OpenAI-compatible" })),
    HttpApiEndpoint.post("embeddings", "/v1/embeddings", {
      payload: EmbeddingsRequest,
      success: AnyObject.annotate({ description: "OpenAI's list of embeddings" }),
      error: inferenceErrors,
    }).annotateMerge(OpenApi.annotations({ summary: "Embeddings, OpenAI-compatible" })),
    HttpApiEndpoint.get("models", "/v1/models", {
      success: ModelList,
      error: errors(400, 401, 500, 503),
    }).annotateMerge(OpenApi.annotations({ summary: "Every name that this API key may ask for" })),
    // Names may have slashes, which not every client encodes.
    HttpApiEndpoint.get("model", "/v1/models/:model/*", {
      params: { model: Schema.String, "*": Schema.optionalKey(Schema.String) },
      success: Model,
      error: errors(400, 401, 404, 500, 503),
    }).annotateMerge(OpenApi.annotations({ summary: "One of these names, its slashes encoded or not" })),
  )
  .annotateMerge(
    OpenApi.annotations({
      title: "OpenAI-compatible",
      description: "Authenticated by an API key. Errors have OpenAI's envelope.",
    }),
  ) {}
