import { Effect, Redacted, Result } from "effect"
import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import type { Completion } from "../../domain/Chat.ts"
import { ProviderError } from "../../domain/ProviderError.ts"
import type { Provider, ProviderCall } from "../Provider.ts"
import { badResponse } from "../protocols/fault.ts"
import { parseJson } from "../protocols/json.ts"
import type { Fault, JsonAnswer, Protocol } from "../protocols/Protocol.ts"
import { readEvents, type StreamEnd } from "./event-reader.ts"
import type { Transport } from "./transport.ts"
import type { OpenBody, TransportError, UpstreamHeaders, UpstreamResponse } from "./UpstreamExchange.ts"

/**
 * A provider over HTTP: a vendor's endpoint, auth and protocol joined with the transport. Everything that does
 * not depend on the call, the header arrays with the key in them included, is built once. Nothing of the client's
 * request but its body goes upstream.
 */
export interface Vendor {
  readonly protocol: Protocol
  /** Appended to the base URL. */
  readonly path: (model: string, call: CallKind) => string
  /** Header that carries the key. */
  readonly auth: (apiKey: string) => readonly [name: string, value: string]
}

export type CallKind = "chat" | "stream" | "embedding"

const commonHeaders = (accept: string): ReadonlyArray<string> => [
  "content-type",
  "application/json",
  "accept",
  accept,
  "accept-encoding",
  "identity",
  "user-agent",
  "llm-inference-gateway",
]

export const makeHttpProvider = (
  config: HttpProviderConfig,
  transport: Transport,
  { protocol, path, auth }: Vendor,
): Provider => {
  const base = new URL(config.baseUrl)
  const prefix = base.pathname.replace(/\/+$/, "")
  const upstream = transport.upstream(base.origin)
  const apiKey = config.apiKey && Redacted.value(config.apiKey)
  const authHeaders = apiKey === undefined ? [] : auth(apiKey)
  const wholeHeaders = [...authHeaders, ...commonHeaders("application/json")]
  const streamHeaders = [...authHeaders, ...commonHeaders("text/event-stream")]

  const requestOf = (call: Call, kind: CallKind, body: string) => ({
    path: prefix + path(call.model, kind),
    headers: kind === "stream" ? streamHeaders : wholeHeaders,
    body,
    timeoutMs: call.timeoutMs,
  })

  const failure = (call: Call, fault: Fault, status?: number) =>
    new ProviderError({
      kind: fault.kind,
      provider: config.name,
      model: call.model,
      ...(status !== undefined && { status }),
      ...(fault.retryAfterMs !== undefined && { retryAfterMs: fault.retryAfterMs }),
      ...(fault.message !== undefined && { message: fault.message }),
      ...(fault.param !== undefined && { param: fault.param }),
      ...(fault.detail !== undefined && { detail: fault.detail }),
    })

  /** A fault that the provider put into words, which lose their text when they quote our key. */
  const spoken = (call: Call, fault: Fault, status: number, said: Buffer) =>
    Effect.fail(failure(call, quotes(said, apiKey) ? withoutText(fault) : fault, status))

  const unsent = (call: Call, error: TransportError) =>
    Effect.fail(failure(call, transportFault(error), error.status))

  const refused = (call: Call, response: UpstreamResponse): Effect.Effect<never, ProviderError> =>
    Effect.clockWith((clock) => {
      const { status, headers, body } = response
      const fault = protocol.classify(
        { status, headers, body: jsonOf(response) },
        clock.currentTimeMillisUnsafe(),
      )
      return spoken(call, fault, status, body)
    })

  const whole = (
    call: Call,
    kind: CallKind,
    body: Result.Result<string, Fault>,
    parse: (answer: JsonAnswer) => Result.Result<Completion, Fault>,
  ): Effect.Effect<Completion, ProviderError> => {
    if (Result.isFailure(body)) return Effect.fail(failure(call, body.failure))
    return Effect.matchEffect(upstream.post(requestOf(call, kind, body.success)), {
      onSuccess: (response) =>
        response.status !== 200
          ? refused(call, response)
          : Effect.clockWith((clock) => {
              const { status, headers, body } = response
              const nowMs = clock.currentTimeMillisUnsafe()
              const completion = isJson(headers.contentType)
                ? parse({ json: jsonOf(response), bytes: body, nowMs })
                : Result.fail(badResponse("content-type is not JSON"))
              return Result.isSuccess(completion)
                ? Effect.succeed(completion.success)
                : spoken(call, completion.failure, status, body)
            }),
      onFailure: (error) => unsent(call, error),
    })
  }

  return {
    name: config.name,
    simulated: false,
    models: new Map(config.models.map((model) => [model.name, model])),
    unable: protocol.unable,
    complete: (call) =>
      Effect.suspend(() =>
        whole(call, "chat", protocol.lower(call.model, call.request, "whole"), (answer) =>
          protocol.parse(call.model, answer),
        ),
      ),
    embed: (call) =>
      Effect.suspend(() =>
        whole(call, "embedding", protocol.lowerEmbedding(call.model, call.request), (answer) =>
          protocol.parseEmbedding(call.model, call.request, answer),
        ),
      ),
    stream: (call, sink) =>
      Effect.clockWith((clock) => {
        const body = protocol.lower(call.model, call.request, "stream")
        if (Result.isFailure(body)) return Effect.fail(failure(call, body.failure))
        const open: OpenBody<StreamEnd> = (headers, resume) => {
          if (!isEventStream(headers)) return undefined
          sink.onRoom = resume
          return readEvents(
            protocol.openStream(call.model, clock.currentTimeMillisUnsafe()),
            sink,
            upstream.maxBytes,
          )
        }
        return Effect.matchEffect(upstream.stream(requestOf(call, "stream", body.success), open), {
          onSuccess: (answer) => {
            if ("said" in answer) {
              return answer.fault === undefined ? Effect.void : spoken(call, answer.fault, 200, answer.said)
            }
            return answer.status === 200
              ? Effect.fail(failure(call, badResponse("content-type is not text/event-stream"), 200))
              : refused(call, answer)
          },
          onFailure: (error) => unsent(call, error),
        })
      }),
  }
}

type Call = ProviderCall<unknown>

const transportFault = ({ failure, code }: TransportError): Fault => {
  switch (failure) {
    case "malformed":
      return badResponse(code)
    default:
      return { kind: failure, detail: code }
  }
}

const jsonOf = ({ headers, body }: UpstreamResponse): unknown =>
  isPlain(headers.contentEncoding) ? parseJson(body.toString()) : undefined

/** We ask for identity; whatever else comes is not inflated. */
const isPlain = (contentEncoding: string | undefined): boolean =>
  contentEncoding === undefined || contentEncoding === "identity"

const isJson = (contentType: string | undefined): boolean =>
  contentType === undefined || /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType)

const isEventStream = ({ contentType, contentEncoding }: UpstreamHeaders): boolean =>
  contentType !== undefined && /^text\/event-stream\s*(;|$)/i.test(contentType) && isPlain(contentEncoding)

/** Shorter ones are placeholders of local servers ("none", "ollama"), which ordinary texts contain. */
const MIN_SECRET_LENGTH = 16

const quotes = (said: Buffer, apiKey: string | undefined): boolean =>
  apiKey !== undefined && apiKey.length >= MIN_SECRET_LENGTH && said.includes(apiKey)

const withoutText = ({ kind, retryAfterMs }: Fault): Fault => ({ kind, retryAfterMs })
