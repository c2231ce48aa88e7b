import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ApiKeyAuth } from "./ApiKeyAuth.ts"
import { answerHeaders, anthropicHeaders, codesOf, errorHeaders, perStatus } from "./headers.ts"
import { eventStream, inferenceHeaders } from "./inference-wire.ts"
import { CountTokensBody, Message, MessagesBody, TokenCount } from "./messages.ts"

/** Header fields of requests that say which API a client speaks. */
const apiVersion = {
  "anthropic-version": Schema.optionalKey(
    Schema.String.annotate({
      description: "`2023-06-01`, which is meant when it is left out, or `2026-10-21`",
    }),
  ),
  "anthropic-beta": Schema.optionalKey(
    Schema.String.annotate({ description: "Passed on to a provider that speaks Messages" }),
  ),
}

const anthropicError = perStatus((status) =>
  HttpApiSchema.WithHeaders(
    Schema.Struct({
      type: Schema.Literal("error"),
      error: Schema.Struct({
        type: Schema.String.annotate({ description: "One of the vendor's types, by status" }),
        message: Schema.String,
        details: Schema.Struct({
          error_code: Schema.String.annotate({
            description: "Stable error code; docs/errors.md lists every one",
          }),
          param: Schema.optionalKey(Schema.String),
        }),
      }),
      request_id: Schema.String,
    }).pipe(
      Schema.annotate({ identifier: `AnthropicError${status}`, description: codesOf(status) }),
      HttpApiSchema.status(status),
    ),
    { "request-id": anthropicHeaders["request-id"], ...errorHeaders(status) },
  ),
)

const inferenceErrors = [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504].map(anthropicError)

const countErrors = [400, 401, 403, 404, 413, 415, 429, 500, 503].map(anthropicError)

export class MessagesApi extends HttpApiGroup.make("messages")
  .add(
    HttpApiEndpoint.post("messages", "/v1/messages", {
      headers: { ...inferenceHeaders, ...apiVersion },
      payload: MessagesBody,
      success: [
        HttpApiSchema.WithHeaders(Message, { ...answerHeaders, ...anthropicHeaders }),
        eventStream("With `stream`: events of `MessageStreamEvent`, the last one `message_stop` or `error`"),
      ],
      error: inferenceErrors,
    }).annotateMerge(OpenApi.annotations({ summary: "Messages, Anthropic-compatible" })),
    HttpApiEndpoint.post("countTokens", "/v1/messages/count_tokens", {
      headers: apiVersion,
      payload: CountTokensBody,
      success: HttpApiSchema.WithHeaders(TokenCount, {
        "x-gateway-estimated": Schema.String.annotate({
          description: "`true`: counted by the gateway and not by the model's vendor",
        }),
        ...anthropicHeaders,
      }),
      error: countErrors,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Tokens of a request",
        description:
          "Counted by Claude's vendor where Claude is first in line, and otherwise estimated by a vocabulary of OpenAI's. " +
          "It counts against the key's rate.",
      }),
    ),
  )
  .middleware(ApiKeyAuth)
  .annotateMerge(
    OpenApi.annotations({
      title: "Anthropic-compatible",
      description: "Authenticated by an API key. Errors have Anthropic's envelope.",
    }),
  ) {}
