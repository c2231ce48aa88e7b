import { Clock, Effect, Result } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { ChatCompletionRequest } from "../api/chat-completions.ts"
import { EmbeddingsRequest } from "../api/embeddings.ts"
import { ResponsesRequest } from "../api/responses.ts"
import { readRequest } from "../dialects/responses/request.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { Inference } from "../inference/Inference.ts"
import { isObject, objectAt } from "../platform/json.ts"
import { DONE, STREAM_HEADERS, sseEvent } from "../responses/sse.ts"
import { modelInfo, modelPage } from "./anthropic-models.ts"
import { apiKey } from "./credentials.ts"
import { checker } from "./decode.ts"
import { answeringErrors, anthropicFormat, openAiFormat, speaksAnthropic } from "./error-response.ts"
import { InferenceEndpoints } from "./InferenceEndpoints.ts"
import { type DecodeCall, type InferenceRoute, makeInferenceRoute } from "./inference-route.ts"
import { openAiRateLimitFields, progressHeaders } from "./outcome-headers.ts"
import { requestIdOf } from "./request-id.ts"
import type { StreamWriter } from "./StreamedResponse.ts"
import { outcomeWriter } from "./write-outcome.ts"

/** OpenAI's routes: an OpenAI client needs nothing but another base URL and key. */
export const openAiRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const infer = yield* makeInferenceRoute
    const { list, find } = yield* makeModels
    yield* router.addAll([
      HttpRouter.route("POST", "/v1/chat/completions", infer(chatCompletions)),
      HttpRouter.route("POST", "/v1/embeddings", infer(embeddings)),
      HttpRouter.route("GET", "/v1/models", list),
      HttpRouter.route("GET", "/v1/models/:model/*", find),
    ])
  }),
)

/** Makes the handlers that list the names a key may ask for, all of them or one. */
const makeModels = Effect.gen(function* () {
  const endpoints = yield* InferenceEndpoints
  const inference = yield* Inference
  // When a provider made its model is not known here.
  const created = Math.floor((yield* Clock.currentTimeMillis) / 1000)

  const createdAt = new Date(created * 1000).toISOString()

  const listed = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const principal = yield* endpoints.authenticate(apiKey(request))
    return { request, models: inference.models(principal) }
  })
  const modelOf = (id: string, owner: string) => ({ id, object: "model", created, owned_by: owner })

  const list = Effect.gen(function* () {
    const { models, request } = yield* listed
    if (!speaksAnthropic(request)) {
      return HttpServerResponse.jsonUnsafe({
        object: "list",
        data: models.map(({ id, ownedBy }) => modelOf(id, ownedBy)),
      })
    }
    const query = new URLSearchParams(request.url.split("?", 2)[1])
    const ids = models.map(({ id }) => id)
    return asAnthropic(request, yield* Effect.fromResult(modelPage(ids, createdAt, query)))
  })

  const find = Effect.gen(function* () {
    const { model = "", "*": rest } = yield* HttpRouter.params
    const id = rest ? `${model}/${rest}` : model
    const { models, request } = yield* listed
    const found = models.find((each) => each.id === id)
    if (found === undefined) return yield* noSuchModel
    return speaksAnthropic(request)
      ? asAnthropic(request, modelInfo(id, createdAt))
      : HttpServerResponse.jsonUnsafe(modelOf(found.id, found.ownedBy))
  })

  return { list: answeringErrors(list), find: answeringErrors(find) }
})

const asAnthropic = (request: HttpServerRequest.HttpServerRequest, body: unknown) =>
  HttpServerResponse.jsonUnsafe(body, { headers: anthropicFormat.headers?.(requestIdOf(request)) })

const noSuchModel = new GatewayError({
  code: "model_not_found",
  param: "model",
  detail: "No model of this name is available to this API key. GET /v1/models lists them.",
})

const checkChat = checker(ChatCompletionRequest)
const checkResponses = checker(ResponsesRequest)
const checkEmbeddings = checker(EmbeddingsRequest)

export const decodeChat: DecodeCall = (body) =>
  isObject(body.json) && body.json.messages === undefined && body.json.input !== undefined
    ? decodeInput(body)
    : decodeMessages(body)

/** Reads what Cursor's agent sends: a body of Responses, to be answered in chat. */
const decodeInput: DecodeCall = ({ json }) =>
  Result.flatMap(checkResponses(json), ({ model, stream, ...asked }) =>
    Result.map(readRequest(asked), (read) => ({
      requestedModel: model,
      task: { ...read, mode: stream === true ? "stream" : "whole" },
      dryRun: false,
      write: writeOutcome,
      stream:
        stream === true ? streamWriter(objectAt(asked, "stream_options")?.include_usage === true) : undefined,
    })),
  )

const decodeMessages: DecodeCall = ({ json, source }) =>
  Result.map(checkChat(json), ({ model, stream, ...request }) => {
    // The task's mode says whether it streams; the provider's own request is made from that.
    const streamed = stream === true
    return {
      requestedModel: model,
      task: { _tag: "Chat", request, mode: streamed ? "stream" : "whole", source } as const,
      dryRun: false,
      write: writeOutcome,
      stream: streamed ? streamWriter(request.stream_options?.include_usage === true) : undefined,
    }
  })

export const decodeEmbeddings: DecodeCall = ({ json, source }) =>
  Result.map(checkEmbeddings(json), ({ model, ...request }) => ({
    requestedModel: model,
    task: { _tag: "Embedding", request, source } as const,
    dryRun: false,
    write: writeOutcome,
    stream: undefined,
  }))

const writeOutcome = outcomeWriter(
  openAiFormat,
  openAiRateLimitFields,
  (_, answer) => answer?.completion?.body() ?? "",
)

const chatCompletions: InferenceRoute = {
  endpoint: "/v1/chat/completions",
  decode: decodeChat,
  refuse: writeOutcome,
}
const embeddings: InferenceRoute = {
  endpoint: "/v1/embeddings",
  decode: decodeEmbeddings,
  refuse: writeOutcome,
}

/** Passes the provider's own events on; the usage that only the gateway asked for stays here. */
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
