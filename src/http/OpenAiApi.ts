import { Clock, Effect, Result } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { ChatCompletionRequest } from "../api/chat-completions.ts"
import { EmbeddingsRequest } from "../api/embeddings.ts"
import { GatewayApi } from "../api/GatewayApi.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import type { Call, StreamWriter } from "../inference/Exchange.ts"
import { Inference } from "../inference/Inference.ts"
import { DONE, STREAM_HEADERS, sseEvent } from "../responses/sse.ts"
import { apiKey } from "./credentials.ts"
import { openDecoder } from "./decode.ts"
import { answeringErrors, openAiFormat } from "./error-response.ts"
import { openAiRateLimitFields, progressHeaders } from "./outcome-headers.ts"
import { serveExchange } from "./serve-exchange.ts"
import { outcomeWriter } from "./write-outcome.ts"

/** OpenAI's routes: an OpenAI client needs nothing but another base URL and key. */
export const OpenAiHandlers = HttpApiBuilder.group(
  GatewayApi,
  "openai",
  Effect.fn(function* (handlers) {
    const serve = yield* serveExchange
    const inference = yield* Inference
    // When a provider made its model is not known here.
    const created = Math.floor((yield* Clock.currentTimeMillis) / 1000)

    const models = (request: HttpServerRequest.HttpServerRequest) =>
      Effect.map(inference.models(apiKey(request)), (listed) =>
        listed.map(({ id, ownedBy }) => ({ id, object: "model", created, owned_by: ownedBy })),
      )

    const model = (request: HttpServerRequest.HttpServerRequest, id: string) =>
      Effect.flatMap(models(request), (all) => {
        const found = all.find((each) => each.id === id)
        return found === undefined ? Effect.fail(noSuchModel) : Effect.succeed(found)
      }).pipe(
        Effect.map((found) => HttpServerResponse.jsonUnsafe(found)),
        answeringErrors,
      )

    // Names may have slashes, which not every client encodes.
    yield* (yield* HttpRouter.HttpRouter).add(
      "GET",
      "/v1/models/:model/:second/*",
      Effect.gen(function* () {
        const { model: first, second, "*": rest } = yield* HttpRouter.params
        const name = rest === undefined ? `${first}/${second}` : `${first}/${second}/${rest}`
        return yield* model(yield* HttpServerRequest.HttpServerRequest, name)
      }),
    )

    return handlers
      .handleRaw("chatCompletions", ({ request }) =>
        serve(request, { endpoint: "/v1/chat/completions", decode: decodeChat, write: writeSettled }),
      )
      .handleRaw("embeddings", ({ request }) =>
        serve(request, { endpoint: "/v1/embeddings", decode: decodeEmbeddings, write: writeSettled }),
      )
      .handleRaw("models", ({ request }) =>
        models(request).pipe(
          Effect.map((data) => HttpServerResponse.jsonUnsafe({ object: "list", data })),
          answeringErrors,
        ),
      )
      .handleRaw("model", ({ request, params }) => model(request, params.model))
  }),
)

const noSuchModel = new GatewayError({
  code: "model_not_found",
  param: "model",
  detail: "No model of this name is available to this API key. GET /v1/models lists them.",
})

const decodeChatRequest = openDecoder(ChatCompletionRequest)
const decodeEmbeddingsRequest = openDecoder(EmbeddingsRequest)

const decodeChat = Effect.fnUntraced(function* (input: unknown) {
  // Who answers decides whether it streams; the provider's own request is made from the mode.
  const { model, stream, ...request } = yield* decodeChatRequest(input)
  const streamed = stream === true
  return {
    requestedModel: model,
    task: { _tag: "Chat", request, mode: streamed ? "stream" : "whole" },
    stream: streamed ? streamWriter(request.stream_options?.include_usage === true) : undefined,
    dryRun: false,
    explain: false,
  } satisfies Omit<Call, "idempotency">
})

const decodeEmbeddings = Effect.fnUntraced(function* (input: unknown) {
  const { model, ...request } = yield* decodeEmbeddingsRequest(input)
  return {
    requestedModel: model,
    task: { _tag: "Embedding", request },
    stream: undefined,
    dryRun: false,
    explain: false,
  } satisfies Omit<Call, "idempotency">
})

const writeSettled = outcomeWriter(
  openAiFormat,
  openAiRateLimitFields,
  (_, answer) => answer?.completion?.body() ?? "",
)

/** The provider's own events; the usage that only the gateway asked for stays here. */
const streamWriter = (includeUsage: boolean): StreamWriter => ({
  headers: (progress) => ({
    ...progressHeaders(progress, openAiRateLimitFields),
    ...STREAM_HEADERS,
  }),
  needsText: false,
  chunk: (chunk) => (chunk.usageOnly && !includeUsage ? undefined : chunk.event),
  end: ({ result, requestId }) =>
    Result.isFailure(result) ? sseEvent(openAiFormat.body(result.failure, requestId)) : DONE,
})
