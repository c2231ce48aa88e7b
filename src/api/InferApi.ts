import { Effect, Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { problem } from "./Problem.ts"

const TextPart = Schema.Struct({ type: Schema.Literal("text"), text: Schema.String })

const Message = Schema.Struct({
  role: Schema.Literals(["system", "developer", "user", "assistant"]),
  content: Schema.Union([Schema.String, Schema.NonEmptyArray(TextPart)]),
})

/** Body of `POST /infer`. Exactly one of `prompt` and `messages`; unknown fields are refused by name. */
export const InferRequest = Schema.Struct({
  model: Schema.NonEmptyString.check(Schema.isMaxLength(256)).pipe(
    Schema.annotateKey({ description: "`auto`, a route name, `provider/model`, or a model name" }),
    Schema.withDecodingDefaultKey(Effect.succeed("auto")),
  ),
  prompt: Schema.optionalKey(Schema.NonEmptyString),
  messages: Schema.optionalKey(Schema.Array(Message).check(Schema.isMinLength(1))),
  max_tokens: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000_000 }))),
  temperature: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 2 }))),
  stream: Schema.optionalKey(
    Schema.Boolean.annotate({
      description:
        'Server-sent events: `{"delta"}` for each piece of text, one event with the fields of a whole answer, `[DONE]`; or `{"error"}` and no `[DONE]`',
    }),
  ),
  explain: Schema.optionalKey(
    Schema.Boolean.annotate({ description: "Adds the routing decision to the answer" }),
  ),
  dry_run: Schema.optionalKey(
    Schema.Boolean.annotate({ description: "Returns the routing decision and calls no provider" }),
  ),
})
export type InferRequest = typeof InferRequest.Type

const Decision = Schema.Record(Schema.String, Schema.Unknown).annotate({
  description: "Candidates with predicted milliseconds and dollars, exclusions, attempts",
})

export const InferResponse = Schema.Struct({
  output: Schema.String,
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
})

export const DryRunResponse = Schema.Struct({
  request_id: Schema.String,
  dry_run: Schema.Literal(true),
  decision: Decision,
})

export class InferApi extends HttpApiGroup.make("inference")
  .add(
    HttpApiEndpoint.post("infer", "/infer", {
      payload: InferRequest,
      success: [InferResponse, DryRunResponse],
      error: [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504].map(problem),
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Answer a prompt with the best provider",
        description:
          "Ranks every candidate by predicted latency and cost of this request, calls the best, retries and falls back.",
      }),
    ),
  )
  .annotateMerge(OpenApi.annotations({ title: "Inference", description: "Authenticated by an API key" })) {}
