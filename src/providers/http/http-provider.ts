import { Effect, Redacted, Result } from "effect"
import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import { ProviderError } from "../../domain/ProviderError.ts"
import { beyondOf, ownNameOf, ownNamesOf, type Task } from "../../domain/Task.ts"
import type { Usage } from "../../domain/Usage.ts"
import { isObject, type JsonObject, parseJson } from "../../platform/json.ts"
import { SMALL_BODY_BYTES } from "../../platform/LargeBodies.ts"
import { keyHeader } from "../key-header.ts"
import type { ChunkSink, PreparedCall, Provider } from "../Provider.ts"
import { badRequest, badResponse } from "../protocols/fault.ts"
import type { BodyWriter, Fault, JsonAnswer, Wire } from "../protocols/Protocol.ts"
import { readEvents, type StreamEnd } from "./event-reader.ts"
import { isMissingPath } from "./missing-path.ts"
import { OutgoingCall } from "./OutgoingCall.ts"
import { SseParser } from "./sse.ts"
import type { Transport, UpstreamRequest } from "./transport.ts"
import type { OpenBody, TransportError, UpstreamHeaders, UpstreamResponse } from "./UpstreamExchange.ts"

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

/**
 * Makes a provider over HTTP: a vendor's endpoint, key and protocols joined with the transport. Everything that does
 * not depend on the call, the header arrays with the key in them included, is built once. Nothing of the client's
 * request but its body goes upstream. `wireOf`: the wire that a task goes over.
 */
export const makeHttpProvider = (
  config: HttpProviderConfig,
  transport: Transport,
  wireOf: (task: Task, model: string) => Wire,
): Provider => {
  const base = new URL(config.baseUrl)
  const prefix = base.pathname.replace(/\/+$/, "")
  const upstream = transport.upstream(base.origin)
  const apiKey = config.apiKey && Redacted.value(config.apiKey)
  const makeHeaders = (name: string | undefined) => {
    const key = apiKey === undefined ? [] : name === undefined ? keyHeader(config, apiKey) : [name, apiKey]
    return {
      whole: [...key, ...commonHeaders("application/json")],
      stream: [...key, ...commonHeaders("text/event-stream")],
    }
  }
  /** A vendor has few wires. */
  const headersByWire = new Map<Wire, ReturnType<typeof makeHeaders>>()
  const headersOver = (over: Wire) => {
    const known = headersByWire.get(over) ?? makeHeaders(over.keyHeader)
    headersByWire.set(over, known)
    return known
  }

  /** Wires whose path the server does not have, for as long as this process lives. */
  const missing = new Set<Wire>()

  const failure = (model: string, fault: Fault, status?: number, usage: Usage | null = null) =>
    new ProviderError({
      kind: fault.kind,
      provider: config.name,
      model,
      ...(status !== undefined && { status }),
      ...(fault.retryAfterMs !== undefined && { retryAfterMs: fault.retryAfterMs }),
      ...(fault.message !== undefined && { message: fault.message }),
      ...(fault.param !== undefined && { param: fault.param }),
      ...(fault.ownParam !== undefined && { ownParam: fault.ownParam }),
      ...(fault.code !== undefined && { code: fault.code }),
      ...(fault.detail !== undefined && { detail: fault.detail }),
      ...(usage !== null && { usage }),
    })

  /** Fails with the provider's own words, unless they quote our key. */
  const failQuoting = (
    call: OutgoingCall,
    fault: Fault,
    status: number,
    said: Buffer,
    usage?: Usage | null,
  ) => {
    if (call.wire.instead !== undefined && isMissingPath(status, said)) {
      missing.add(call.wire)
      return Effect.fail(failure(call.model, { kind: "needs_rewording", detail: "no such path" }, status))
    }
    const own = inClientsNames(call, call.refused(fault))
    return Effect.fail(failure(call.model, quotes(own, said, apiKey) ? withheld(own) : own, status, usage))
  }

  const failUnsent = (call: OutgoingCall, error: TransportError) =>
    Effect.fail(failure(call.model, transportFault(error), error.status))

  const failRefused = (call: OutgoingCall, response: UpstreamResponse): Effect.Effect<never, ProviderError> =>
    Effect.clockWith((clock) => {
      const { status, headers, body } = response
      const fault = call.protocol.classify(
        { status, headers, body: jsonOf(response) },
        clock.currentTimeMillisUnsafe(),
      )
      return failQuoting(call, fault, status, body)
    })

  const parse = ({ model, protocol, task }: OutgoingCall, answer: JsonAnswer) =>
    task._tag === "Chat"
      ? protocol.parse(model, answer)
      : protocol.parseEmbedding(model, task.request, answer)

  /** Reads a stream that came in place of a whole answer. */
  const join = ({ protocol }: OutgoingCall, body: Buffer): JsonObject | undefined => {
    const parser = new SseParser(upstream.maxBytes)
    const { events } = parser.push(body)
    // Only a blank line may be missing.
    return protocol.joinEvents?.([
      ...events,
      {
        data: parser
          .rest()
          .trim()
          .replace(/^data:/, ""),
      },
    ])
  }

  /** Reads the 200 of a whole answer. */
  const read = (call: OutgoingCall, response: UpstreamResponse) =>
    Effect.clockWith((clock) => {
      const { status, headers, body } = response
      const nowMs = clock.currentTimeMillisUnsafe()
      const joined = isEventStream(headers) ? join(call, body) : undefined
      const json = joined ?? (isJson(headers.contentType) ? jsonOf(response) : textJson(response))
      if (json === undefined && !isJson(headers.contentType)) {
        return failQuoting(call, badResponse("content-type is not JSON"), status, body)
      }
      const bytes = joined === undefined ? body : Buffer.from(JSON.stringify(joined))
      const completion = parse(call, { json, bytes, nowMs })
      if (Result.isSuccess(completion)) {
        call.taken()
        return Effect.succeed(completion.success)
      }
      return failQuoting(
        call,
        completion.failure,
        status,
        body,
        isObject(json) ? call.protocol.usageOf(json) : null,
      )
    })

  const complete = (call: OutgoingCall, request: UpstreamRequest) =>
    Effect.matchEffect(upstream.post(request), {
      onSuccess: (response) => {
        if (response.status !== 200) return failRefused(call, response)
        const completion = read(call, response)
        return response.body.length <= SMALL_BODY_BYTES
          ? completion
          : upstream.inTurn(response.body.length, completion)
      },
      onFailure: (error) => failUnsent(call, error),
    })

  /** Reads a whole answer that came in place of a stream, which it is given as. */
  const split = (call: OutgoingCall, response: UpstreamResponse, sink: ChunkSink) =>
    Effect.clockWith((clock) => {
      const { status, headers, body } = response
      const json = isJson(headers.contentType) ? jsonOf(response) : textJson(response)
      const datas = call.protocol.splitAnswer(json)
      if (datas === undefined) {
        return failQuoting(call, badResponse("content-type is not text/event-stream"), status, body)
      }
      const events = datas.map((data) => `data: ${data}\n\n`).join("")
      const reader = readEvents(
        call.protocol.openStream(call.model, clock.currentTimeMillisUnsafe()),
        sink,
        upstream.maxBytes,
      )
      const enough = reader.onBytes(Buffer.from(events))
      const { fault } = typeof enough === "string" ? reader.onEnd() : enough.result
      return ended(call, { fault, said: body })
    })

  /** Reads the end of a stream, of an answer with status 200. */
  const ended = (call: OutgoingCall, { fault, said }: StreamEnd): Effect.Effect<void, ProviderError> => {
    if (fault !== undefined) return failQuoting(call, fault, 200, said)
    call.taken()
    return Effect.void
  }

  const stream = (call: OutgoingCall, request: UpstreamRequest, sink: ChunkSink) =>
    Effect.clockWith((clock) => {
      const open: OpenBody<StreamEnd> = (headers, resume) => {
        if (!isEventStream(headers)) return undefined
        sink.onRoom = resume
        return readEvents(
          call.protocol.openStream(call.model, clock.currentTimeMillisUnsafe()),
          sink,
          upstream.maxBytes,
        )
      }
      return Effect.matchEffect(upstream.stream(request, open), {
        onSuccess: (answer) => {
          if ("said" in answer) return ended(call, answer)
          return answer.status === 200 ? split(call, answer, sink) : failRefused(call, answer)
        },
        onFailure: (error) => failUnsent(call, error),
      })
    })

  const count = (call: OutgoingCall, read: (json: unknown) => number | undefined, request: UpstreamRequest) =>
    Effect.matchEffect(upstream.post(request), {
      onSuccess: (response) => {
        if (response.status !== 200) return failRefused(call, response)
        const tokens = read(jsonOf(response))
        return tokens === undefined
          ? failQuoting(call, badResponse("no count"), response.status, response.body)
          : Effect.succeed(tokens)
      },
      onFailure: (error) => failUnsent(call, error),
    })

  const callOf = (task: Task, model: string, over: Wire, writer: BodyWriter): PreparedCall => {
    const { count: counting, path } = over
    const root = over.isRooted === true ? "" : prefix
    const usual = headersOver(over)
    const kind = task._tag === "Chat" ? "chat" : "embedding"
    const call = new OutgoingCall(task, model, over, writer)
    const beyond = beyondOf(task, over.dialect)
    const withOwn = (all: ReadonlyArray<string>) =>
      call.headers.length === 0 ? all : [...all, ...call.headers]
    return {
      // Few ask: of all candidates, who answered.
      get dropped() {
        const lost = call.dropped.flatMap((name) => ownNamesOf(task, name, over.dialect))
        return [...new Set([...lost, ...(beyond?.dropped ?? [])])]
      },
      ...(beyond?.isReduced === true && { isReduced: true }),
      complete: (timeoutMs) =>
        Effect.suspend(() => {
          const body = call.wholeBody()
          const request = {
            path: root + path(model, kind),
            headers: withOwn(usual.whole),
            body,
            timeoutMs,
          }
          return complete(call, request)
        }),
      stream: (timeoutMs, sink) =>
        Effect.suspend(() => {
          const body = call.streamedBody()
          const request = {
            path: root + path(model, "stream"),
            headers: withOwn(usual.stream),
            body,
            timeoutMs,
          }
          return stream(call, request, sink)
        }),
      ...(counting !== undefined && {
        count: (timeoutMs: number) =>
          Effect.suspend(() =>
            count(call, counting.read, {
              path: root + counting.path,
              headers: withOwn(usual.whole),
              body: call.wholeBody(),
              timeoutMs,
            }),
          ),
      }),
    }
  }

  const refusal = (model: string, fault: Fault): PreparedCall => {
    const refused = Effect.suspend(() => Effect.fail(failure(model, fault)))
    return { complete: () => refused, stream: () => refused }
  }

  /** Makes a call that goes over the other wire once this one's path is missing. */
  const orInstead = (call: PreparedCall, task: Task, model: string, over: Wire): PreparedCall => {
    let other: PreparedCall | undefined
    const current = () => {
      if (!missing.has(over)) return call
      other ??= Result.getOrElse(prepareOver(task, model, over), ({ param, reason }) =>
        refusal(model, { kind: "unsupported", param, message: reason }),
      )
      return other
    }
    return {
      ...call,
      get dropped() {
        return current().dropped ?? []
      },
      complete: (timeoutMs) => Effect.suspend(() => current().complete(timeoutMs)),
      stream: (timeoutMs, sink) => Effect.suspend(() => current().stream(timeoutMs, sink)),
    }
  }

  const prepareOver = (task: Task, model: string, over: Wire): ReturnType<Provider["prepare"]> => {
    const { instead } = over
    if (instead !== undefined && missing.has(over)) return prepareOver(task, model, instead)
    const beyond = beyondOf(task, over.dialect)?.refused
    if (beyond !== undefined) return Result.fail(beyond)
    const lowered = over.protocol.lower(task, model)
    if (Result.isSuccess(lowered)) {
      const call = callOf(task, model, over, lowered.success)
      return Result.succeed(instead === undefined ? call : orInstead(call, task, model, over))
    }
    const { kind, reason } = lowered.failure
    const param = ownNameOf(task, lowered.failure.param, over.dialect)
    return kind === "unsupported"
      ? Result.fail({ param, reason })
      : Result.succeed(refusal(model, badRequest(reason, param)))
  }

  return {
    name: config.name,
    simulated: false,
    models: new Map(config.models.map((model) => [model.name, model])),
    prepare: (task, model) => prepareOver(task, model, wireOf(task, model)),
  }
}

/** Names the parameter as the client does, where the provider speaks chat and the client does not. */
const inClientsNames = ({ task, wire }: OutgoingCall, fault: Fault): Fault =>
  wire.dialect === "chat" && fault.param ? { ...fault, ownParam: ownNameOf(task, fault.param) } : fault

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

/** Recognizes a body that is not compressed: we ask for identity, and inflate nothing else. */
const isPlain = (contentEncoding: string | undefined): boolean =>
  contentEncoding === undefined || contentEncoding === "identity"

const isJson = (contentType: string | undefined): boolean =>
  contentType === undefined || /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType)

/** Reads an object that a small server calls a text. */
const textJson = (response: UpstreamResponse): unknown => {
  if (!/^text\/(plain|json)\s*(;|$)/i.test(response.headers.contentType ?? "")) return undefined
  const json = jsonOf(response)
  return isObject(json) ? json : undefined
}

const isEventStream = ({ contentType, contentEncoding }: UpstreamHeaders): boolean =>
  contentType !== undefined && /^text\/event-stream\s*(;|$)/i.test(contentType) && isPlain(contentEncoding)

/** Length of a key that is looked for in texts. Shorter ones are placeholders of local servers ("none", "ollama"), which ordinary texts contain. */
const MIN_SECRET_LENGTH = 16

/** Looks at the bytes and at what was read from them, where escapes are gone. */
const quotes = ({ code, detail, message, param }: Fault, said: Buffer, apiKey: string | undefined): boolean =>
  apiKey !== undefined &&
  apiKey.length >= MIN_SECRET_LENGTH &&
  (said.includes(apiKey) || [message, detail, param, code].some((text) => text?.includes(apiKey)))

const withheld = ({ kind, retryAfterMs }: Fault): Fault => ({
  kind,
  retryAfterMs,
  message: "The provider's message is withheld: it quotes the gateway's own key.",
})
