import { Clock, Effect, identity, Result } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { CountTokensRequest, MessagesRequest } from "../api/messages.ts"
import { toMessage } from "../dialects/messages/answer.ts"
import { MessageStream } from "../dialects/messages/MessageStream.ts"
import { readRequest } from "../dialects/messages/request.ts"
import { refusedBy, VERSIONS, type Version } from "../dialects/messages/version.ts"
import type { Completion } from "../domain/Chat.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { type BeyondChat, type ChatTask, inputTokensOf, type ReadRequest } from "../domain/Task.ts"
import { Inference } from "../inference/Inference.ts"
import type { Outcome } from "../inference/Outcome.ts"
import type { RateLimitState } from "../limits/limit.ts"
import { isObject, type JsonObject, parseJson } from "../platform/json.ts"
import type { JsonSource } from "../platform/json-source.ts"
import type { GatewayResponse } from "../responses/response.ts"
import { STREAM_HEADERS, sseEvent } from "../responses/sse.ts"
import { promptTokens } from "../tokens/count.ts"
import { checker, invalidField } from "./decode.ts"
import { answeringErrors, anthropicFormat, commonHeaders } from "./error-response.ts"
import { InferenceEndpoints } from "./InferenceEndpoints.ts"
import {
  type DecodeCall,
  exchangeOf,
  makeBodyReader,
  makeInferenceRoute,
  makeRoutingHeaders,
  type ReadHeader,
} from "./inference-route.ts"
import { anthropicRateLimitFields, progressHeaders, type RateLimitFields } from "./outcome-headers.ts"
import { Refusals } from "./Refusals.ts"
import type { StreamWriter } from "./StreamedResponse.ts"
import { outcomeWriter } from "./write-outcome.ts"

/** Anthropic's routes: a client of theirs needs nothing but another base URL and key, whoever answers. */
export const messagesRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const infer = yield* makeInferenceRoute
    const clock = yield* Clock.Clock
    const fields = anthropicRateLimitFields(() => clock.currentTimeMillisUnsafe())
    const write = writerOf(fields)
    yield* router.addAll([
      HttpRouter.route(
        "POST",
        "/v1/messages",
        infer({ endpoint: "/v1/messages", decode: decodeMessages(write, fields), refuse: write }),
      ),
      HttpRouter.route("POST", COUNT_TOKENS, (yield* makeCountTokens)(fields)),
    ])
  }),
)

type Write = (outcome: Outcome) => GatewayResponse

const check = checker(MessagesRequest)
const checkCounted = checker(CountTokensRequest)

/**
 * Refuses what goes on from a conversation that a vendor holds: a client sends only what is new then, and whoever else is asked
 * would know nothing of the rest. The tool runner of Anthropic's client sends all of it upon this code, and from then on.
 */
const checkWhole = (json: unknown) =>
  Result.filterOrFail(
    check(json),
    ({ thread }) => thread == null,
    () =>
      new GatewayError({
        code: "invalid_request",
        upstreamCode: "thread_unsupported_request",
        param: "thread",
        detail: "thread: No conversation is kept here. Send all of its messages, without `thread`.",
      }),
  )

export const decodeMessages =
  (write: Write, rateLimitFields: RateLimitFields): DecodeCall =>
  ({ json, source }, header = () => undefined) =>
    Result.map(readMessages(checkWhole(json), source, header), ({ body, task: whole }) => {
      const streamed = body.stream === true
      const task: ChatTask = streamed ? { ...whole, mode: "stream" } : whole
      return {
        requestedModel: body.model,
        task,
        dryRun: false,
        write,
        stream: streamed ? streamWriter(rateLimitFields, task) : undefined,
      }
    })

/** Reads a request whose own fields are checked, under its version. */
const readMessages = <Body extends typeof CountTokensRequest.Type>(
  checked: Result.Result<Body, GatewayError>,
  source: JsonSource | undefined,
  header: ReadHeader,
): Result.Result<{ readonly body: Body; readonly task: ChatTask }, GatewayError> =>
  Result.flatMap(versionOf(header("anthropic-version")), (version) =>
    Result.flatMap(checked, (body) => {
      const refused = refusedBy(version, body)
      const { model: _, stream: _stream, ...asked }: JsonObject = body
      return Result.mapBoth(refused === undefined ? readRequest(asked) : Result.fail(refused), {
        onSuccess: (read) => ({ body, task: taskOf(read, version, source, header) }),
        onFailure: ({ path, rule }) => invalidField(path, rule),
      })
    }),
  )

const taskOf = (
  read: ReadRequest,
  version: Version,
  source: JsonSource | undefined,
  header: ReadHeader,
): ChatTask => {
  const betas = header("anthropic-beta")
  return {
    ...read,
    beyond: betas === undefined ? read.beyond : withoutBetas(read.beyond),
    mode: "whole",
    source,
    headers: ["anthropic-version", version, ...(betas === undefined ? [] : ["anthropic-beta", betas])],
  }
}

const withoutBetas = (beyond: BeyondChat | undefined): BeyondChat => ({
  refused: beyond?.refused,
  dropped: [...(beyond?.dropped ?? []), "anthropic-beta"],
  isReduced: beyond?.isReduced ?? false,
})

const COUNT_TOKENS = "/v1/messages/count_tokens"

/** Makes the handler that counts a request's tokens: asks who would answer it, and otherwise counts as far as it can itself. */
const makeCountTokens = Effect.gen(function* () {
  const endpoints = yield* InferenceEndpoints
  const inference = yield* Inference
  const refusals = yield* Refusals
  const readMeaning = yield* makeBodyReader
  const routingHeaders = yield* makeRoutingHeaders
  return (rateLimitFields: RateLimitFields) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const exchange = exchangeOf(request, COUNT_TOKENS, refusals)
      const header: ReadHeader = (name) => request.headers[name]
      const headers = (rateLimit: RateLimitState | undefined) => ({
        ...commonHeaders(exchange.requestId),
        ...anthropicFormat.headers?.(exchange.requestId),
        ...(rateLimit && rateLimitFields({ requests: rateLimit, tokens: undefined })),
      })
      const counted = endpoints.serveAlone(exchange, ({ principal, rateLimit, takeBytes }) =>
        Effect.gen(function* () {
          const { body, task } = yield* readMeaning(
            request,
            takeBytes,
            ({ json, source }) => readMessages(checkCounted(json), source, header),
            identity,
          )
          const wanted = { requestedModel: body.model, task, headers: routingHeaders(request) }
          const counted = yield* inference.countTokens(principal, wanted)
          return HttpServerResponse.jsonUnsafe(
            { input_tokens: counted ?? promptTokens(task.request) },
            { headers: { ...headers(rateLimit), "x-gateway-estimated": String(counted === undefined) } },
          )
        }),
      )
      return answeringErrors(counted)
    })
})

/** Reads the version; a client that names none speaks the oldest. */
const versionOf = (named: string | undefined): Result.Result<Version, GatewayError> => {
  const version = named === undefined ? VERSIONS[0] : VERSIONS.find((each) => each === named)
  return version === undefined
    ? Result.fail(
        new GatewayError({
          code: "invalid_request",
          param: "anthropic-version",
          detail: `anthropic-version: Expected one of ${VERSIONS.join(", ")}.`,
        }),
      )
    : Result.succeed(version)
}

export const writerOf = (rateLimitFields: RateLimitFields): Write =>
  outcomeWriter(anthropicFormat, rateLimitFields, (_, answer) =>
    answer?.completion === undefined ? "" : messageOf(answer.completion),
  )

const messageOf = (completion: Completion): string | Uint8Array => {
  const body = completion.body()
  if (completion.dialect === "messages") return body
  const chat = parseJson(typeof body === "string" ? body : Buffer.from(body).toString())
  return JSON.stringify(toMessage(isObject(chat) ? chat : {}, completion))
}

/** Makes the writer of one stream: a provider's own events pass as they are, chunks of chat become events of a message. */
const streamWriter = (rateLimitFields: RateLimitFields, task: ChatTask): StreamWriter => {
  const message = new MessageStream(() => inputTokensOf(task))
  let isOwn = false
  return {
    headers: (progress) => ({
      ...progressHeaders(progress, rateLimitFields),
      ...anthropicFormat.headers?.(progress.requestId),
      ...STREAM_HEADERS,
    }),
    needsText: false,
    chunk: (chunk) => {
      if (chunk.dialect === "messages") {
        isOwn = true
        return chunk.event
      }
      const events = message.read(chunk)
      return events === "" ? undefined : Buffer.from(events)
    },
    end: ({ result, requestId }) => {
      if (Result.isFailure(result)) {
        return Buffer.from(`event: error\n${sseEvent(anthropicFormat.body(result.failure, requestId))}`)
      }
      return Buffer.from(isOwn || result.success === undefined ? "" : message.end(result.success.summary))
    },
  }
}
