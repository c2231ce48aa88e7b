import { Effect, Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ApiKeyAuth } from "./ApiKeyAuth.ts"
import { MAX_MESSAGES, MAX_PARTS, modelName } from "./chat-completions.ts"
import { answerHeaders, rateLimitHeaders } from "./headers.ts"
import { eventStream, inferenceHeaders } from "./inference-wire.ts"
import { problem } from "./Problem.ts"
import { nonEmpty } from "./shapes.ts"

const TextPart = Schema.Struct({ type: Schema.Literal("text"), text: Schema.String })

const Message = Schema.Struct({
  role: Schema.Literals(["system", "developer", "user", "assistant"]),
  content: Schema.Union([Schema.String, nonEmpty(TextPart).check(Schema.isMaxLength(MAX_PARTS))]),
})

/** Body of `POST /infer`. Exactly one of `prompt` and `messages`; unknown fields are refused by name. */
export const InferRequest = Schema.Struct({
  model: modelName
    .annotate({ description: "A name that GET /v1/models lists; `auto` when absent" })
    .pipe(Schema.withDecodingDefaultKey(Effect.succeed("auto"))),
  prompt: Schema.optionalKey(Schema.NonEmptyString),
  messages: Schema.optionalKey(nonEmpty(Message).check(Schema.isMaxLength(MAX_MESSAGES))),
  max_tokens: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000_000 }))),
  temperature: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 2 }))),
  stream: Schema.optionalKey(
    Schema.Boolean.annotate({ description: "Answers as server-sent events, piece by piece" }),
  ),
  explain: Schema.optionalKey(
    Schema.Boolean.annotate({ description: "Adds the routing decision to the answer" }),
  ),
  dry_run: Schema.optionalKey(
    Schema.Boolean.annotate({ description: "Returns the routing decision and calls no provider" }),
  ),
}).pipe(
  Schema.annotateEncoded({
    identifier: "InferRequest",
    examples: [
      { prompt: "Say hello" },
      {
        model: "auto",
        messages: [
          { role: "system", content: "Answer in one sentence." },
          { role: "user", content: "What is an idempotency key?" },
        ],
        max_tokens: 200,
        stream: true,
      },
      { prompt: "Say hello", dry_run: true },
    ],
  }),
)
export type InferRequest = typeof InferRequest.Type

const Decision = Schema.Record(Schema.String, Schema.Unknown).annotate({
  description: "Candidates with predicted milliseconds and dollars, exclusions, attempts",
})

export const InferResponse = Schema.Struct({
  output: Schema.String,
  images: Schema.optionalKey(
    Schema.Array(Schema.String).annotate({
      description: "Images that the model gave beside its text, or in its place, as `data:` URLs",
    }),
  ),
  provider: Schema.String,
  latency_ms: Schema.Int,
  cost: Schema.NullOr(Schema.Finite).annotate({ description: "USD; null when unknown, never a guess" }),
  model: Schema.String,
  usage: Schema.NullOr(
    Schema.Struct({
      input_tokens: Schema.Int,
      output_tokens: Schema.Int,
      cached_tokens: Schema.Int,
      reasoning_tokens: Schema.Int,
    }),
  ),
  finish_reason: Schema.String,
  request_id: Schema.String,
  attempts: Schema.Int,
  simulated: Schema.optionalKey(Schema.Boolean),
  decision: Schema.optionalKey(Decision),
}).annotate({ identifier: "InferResponse" })

export const DryRunResponse = Schema.Struct({
  request_id: Schema.String,
  dry_run: Schema.Literal(true),
  decision: Decision,
}).annotate({ identifier: "DryRunResponse" })

/** Data of one event of a streamed answer; the last event before `[DONE]` has the fields of a whole answer. */
export const InferStreamEvent = Schema.Union([
  Schema.Struct({ delta: Schema.String }),
  Schema.Struct({ images: Schema.Array(Schema.String) }),
  InferResponse,
  Schema.Struct({ error: problem(502).schema }),
]).annotate({ identifier: "InferStreamEvent" })

export class InferApi extends HttpApiGroup.make("inference")
  .add(
    HttpApiEndpoint.post("infer", "/infer", {
      headers: inferenceHeaders,
      payload: InferRequest,
      success: [
        HttpApiSchema.WithHeaders(
          Schema.Union([InferResponse, DryRunResponse]).annotate({
            description: "The answer; with `dry_run` the decision alone",
          }),
          { ...answerHeaders, ...rateLimitHeaders },
        ),
        eventStream(
          "With `stream`: `data: InferStreamEvent` for each piece, and `data: [DONE]` unless it failed",
        ),
      ],
      error: [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504].map(problem),
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Answer a prompt with the best provider",
        description:
          "Ranks every candidate by predicted latency and cost of this request, calls the best, retries and falls back.",
      }),
    ),
  )
  .middleware(ApiKeyAuth)
  .annotateMerge(OpenApi.annotations({ title: "Inference", description: "Authenticated by an API key" })) {}
