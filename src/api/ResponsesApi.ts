import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ApiKeyAuth } from "./ApiKeyAuth.ts"
import { answerHeaders, openAiRateLimitHeaders } from "./headers.ts"
import { eventStream, inferenceHeaders } from "./inference-wire.ts"
import { inferenceErrors } from "./OpenAiApi.ts"
import { CompactedResponse, CompactionBody, ResponseObject, ResponsesBody } from "./responses.ts"

export class ResponsesApi extends HttpApiGroup.make("responses")
  .add(
    HttpApiEndpoint.post("responses", "/v1/responses", {
      headers: inferenceHeaders,
      payload: ResponsesBody,
      success: [
        HttpApiSchema.WithHeaders(ResponseObject, { ...answerHeaders, ...openAiRateLimitHeaders }),
        eventStream("With `stream`: named `ResponseEvent`s, the last `response.completed` unless it failed"),
      ],
      error: inferenceErrors,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "OpenAI's Responses, without stored ones",
        description:
          'The path is a WebSocket too: each message `{"type": "response.create", …}` is one request.',
      }),
    ),
  )
  .add(
    HttpApiEndpoint.post("compact", "/v1/responses/compact", {
      headers: inferenceHeaders,
      payload: CompactionBody,
      success: HttpApiSchema.WithHeaders(CompactedResponse, { ...answerHeaders, ...openAiRateLimitHeaders }),
      error: inferenceErrors,
    }).annotateMerge(OpenApi.annotations({ summary: "A conversation in short, to go on from" })),
  )
  .middleware(ApiKeyAuth)
  .annotateMerge(
    OpenApi.annotations({
      title: "Responses",
      description: "OpenAI's other API. Authenticated by an API key. Errors have OpenAI's envelope.",
    }),
  ) {}
