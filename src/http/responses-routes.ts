import { Effect, Result } from "effect"
import { HttpRouter, HttpServerRequest } from "effect/http"
import { ResponsesRequest } from "../api/responses.ts"
import { chunkData } from "../dialects/chat-answer.ts"
import { responseOf } from "../dialects/responses/answer.ts"
import { compactionOf, isSummary, readCompaction } from "../dialects/responses/compaction.ts"
import { ResponseStream } from "../dialects/responses/ResponseStream.ts"
import { readRequest } from "../dialects/responses/request.ts"
import { makeResponse, type ResponseState } from "../dialects/responses/response.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { fieldsOf } from "../domain/Task.ts"
import type { Outcome } from "../inference/Outcome.ts"
import { type JsonObject, parseJson } from "../platform/json.ts"
import { STREAM_HEADERS } from "../responses/sse.ts"
import { checker } from "./decode.ts"
import { openAiFormat } from "./error-response.ts"
import type { InferenceCall } from "./InferenceEndpoints.ts"
import { type DecodeCall, makeInferenceRoute } from "./inference-route.ts"
import { openAiRateLimitFields, progressHeaders } from "./outcome-headers.ts"
import { makeResponsesSocket } from "./responses-socket.ts"
import type { StreamWriter } from "./StreamedResponse.ts"
import { outcomeWriter } from "./write-outcome.ts"

/** `/v1/responses`, by POST or a WebSocket, and `/v1/responses/compact`: OpenAI's Responses, of which nothing is stored. */
export const responsesRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const infer = yield* makeInferenceRoute
    yield* router.add(
      "POST",
      "/v1/responses",
      infer({ endpoint: "/v1/responses", decode: decodeResponses, refuse: makeWriter({}) }),
    )
    const serveSocket = yield* makeResponsesSocket({
      decode: decodeResponses,
      refuse: makeWriter({}),
      warmUp,
    })
    yield* router.add(
      "GET",
      "/v1/responses",
      Effect.flatMap(HttpServerRequest.HttpServerRequest, serveSocket),
    )
    yield* router.add(
      "POST",
      "/v1/responses/compact",
      infer({
        endpoint: "/v1/responses/compact",
        decode: decodeCompaction,
        refuse: makeCompactionWriter({}),
      }),
    )
  }),
)

const check = checker(ResponsesRequest)

export const decodeResponses: DecodeCall = ({ json, source }) =>
  Result.flatMap(check(json), (body) => {
    const { model, stream, ...asked } = body
    const streamed = stream === true
    return Result.map(readRequest(asked), (read) => ({
      requestedModel: model,
      task: { ...read, mode: streamed ? "stream" : "whole", source },
      dryRun: false,
      write: makeWriter(asked),
      stream: streamed ? streamWriter(asked) : undefined,
    }))
  })

const decodeCompaction: DecodeCall = ({ json, source }) =>
  Result.flatMap(check(json), (body) => {
    const { model, ...asked } = body
    return Result.map(readCompaction(asked), (read) => ({
      requestedModel: model,
      task: { ...read, mode: "whole", source },
      dryRun: false,
      write: makeCompactionWriter(asked),
      stream: undefined,
    }))
  })

/** Makes the writer of a conversation in short: OpenAI's own, or one of a model's summary. */
const makeCompactionWriter = (asked: JsonObject) => {
  const write = outcomeWriter(openAiFormat, openAiRateLimitFields, (outcome, answer) => {
    const completion = answer?.completion
    if (answer === undefined || completion === undefined) return ""
    if (completion.dialect === "responses") return completion.body()
    return JSON.stringify(compactionOf(answer.summary, { ...identity(outcome.requestId), asked }))
  })
  return (outcome: Outcome) => {
    const answer = Result.getOrUndefined(outcome.result)
    return answer === undefined || answer.completion?.dialect === "responses" || isSummary(answer.summary)
      ? write(outcome)
      : write({ ...outcome, result: Result.fail(noSummary) })
  }
}

const noSummary = new GatewayError({
  code: "upstream_bad_response",
  detail:
    "The model gave no whole summary of the conversation. Send the request again, or use another model.",
})

/** Makes the writer of a whole answer. A request that is not understood has nothing that a response repeats. */
const makeWriter = (asked: JsonObject) =>
  outcomeWriter(openAiFormat, openAiRateLimitFields, (outcome, answer) => {
    const completion = answer?.completion
    if (answer === undefined || completion === undefined) return ""
    if (completion.dialect === "responses") return completion.body()
    const response = responseOf(parseJson(completion.body().toString()), answer.summary, {
      ...identity(outcome.requestId),
      completedAt: endOf(outcome),
      asked,
    })
    return JSON.stringify(response)
  })

/** Has nobody answer: the response says nothing, and is not in the ledger. */
const warmUp = (call: InferenceCall): InferenceCall => ({
  ...call,
  dryRun: true,
  stream: undefined,
  write: (outcome) => {
    if (Result.isFailure(outcome.result)) return call.write(outcome)
    const { requestedModel: model, task } = call
    const head = { ...identity(outcome.requestId), model, asked: fieldsOf(task) as JsonObject }
    const line = (state: ResponseState, sequence_number: number) => {
      const type = sequence_number === 0 ? "response.created" : "response.completed"
      return `${JSON.stringify({ type, sequence_number, response: makeResponse(head, [], state) })}\n`
    }
    const completed: ResponseState = { status: "completed", completedAt: endOf(outcome), usage: null }
    return { status: 200, headers: {}, body: line({ status: "in_progress" }, 0) + line(completed, 1) }
  },
})

/** Makes the writer of one stream. The events of a provider that speaks Responses pass as they are. */
const streamWriter = (asked: JsonObject): StreamWriter => {
  let requestId = ""
  let stream: ResponseStream | undefined
  let nativeEvents = 0
  const streamOf = (model: string) => {
    stream ??= new ResponseStream({ ...identity(requestId), model, asked })
    return stream
  }
  return {
    headers: (progress) => {
      requestId = progress.requestId
      return { ...progressHeaders(progress, openAiRateLimitFields), ...STREAM_HEADERS }
    },
    needsText: false,
    chunk: ({ dialect, event, model }) => {
      if (dialect === "responses") {
        nativeEvents += 1
        return event
      }
      const data = chunkData(event)
      if (data === undefined) return undefined
      const events = streamOf(model ?? "").read(data)
      return events === "" ? undefined : Buffer.from(events)
    },
    end: (outcome) => {
      const { result } = outcome
      if (Result.isFailure(result)) {
        const { code, detail, param, upstreamCode } = result.failure
        const error = { code: upstreamCode ?? code, message: detail }
        if (nativeEvents > 0) {
          const data = { type: "error", sequence_number: nativeEvents, ...error, param: param ?? null }
          return Buffer.from(`event: error\ndata: ${JSON.stringify(data)}\n\n`)
        }
        return Buffer.from(streamOf(outcome.candidate?.model.name ?? "").fail(error))
      }
      const summary = result.success?.summary
      return Buffer.from(
        summary === undefined || nativeEvents > 0 ? "" : streamOf(summary.model).end(summary, endOf(outcome)),
      )
    },
  }
}

/** Makes what a response is known by of its request's id. */
const identity = (requestId: string): { readonly seed: string; readonly createdAt: number } => ({
  seed: requestId.replaceAll("-", ""),
  createdAt: Math.floor(startedMs(requestId) / 1000),
})

/** Reads when a request began: in the first 48 bits of its id, a UUIDv7. */
const startedMs = (requestId: string): number =>
  Number.parseInt(requestId.replaceAll("-", "").slice(0, 12), 16)

const endOf = ({ latencyMs, requestId }: Outcome): number =>
  Math.floor((startedMs(requestId) + latencyMs) / 1000)
