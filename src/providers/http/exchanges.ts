import { Effect, Result } from "effect"
import { ProviderError } from "../../domain/ProviderError.ts"
import { ownNameOf } from "../../domain/Task.ts"
import type { Usage } from "../../domain/Usage.ts"
import { isObject, type JsonObject } from "../../platform/json.ts"
import { SMALL_BODY_BYTES } from "../../platform/LargeBodies.ts"
import type { ChunkSink, OnLimit } from "../Provider.ts"
import { badResponse } from "../protocols/fault.ts"
import type { Fault, JsonAnswer, Wire } from "../protocols/Protocol.ts"
import { untilReset } from "../protocols/retry-after.ts"
import { answerJson, errorBody, isEventStream, isJson, jsonOf } from "./answer-body.ts"
import { readEvents, type StreamEnd } from "./event-reader.ts"
import { makeKeyGuard } from "./key-guard.ts"
import { isMissingPath } from "./missing-path.ts"
import type { OutgoingCall } from "./OutgoingCall.ts"
import { SseParser } from "./sse.ts"
import type { Upstream, UpstreamRequest } from "./transport.ts"
import type { OpenBody, TransportError, UpstreamHeaders, UpstreamResponse } from "./UpstreamExchange.ts"

/**
 * Makes what sends the calls of one provider and reads what comes back: a whole answer, a stream or a count, or why there is
 * none. `onMissing` hears of a wire whose path the server does not have.
 */
export const makeExchanges = (
  provider: string,
  apiKeys: ReadonlyArray<string>,
  upstream: Upstream,
  onMissing: (wire: Wire) => void,
) => {
  /** Wires over which it has answered: what is missing there is something else, a file of the client's for one. */
  const found = new Set<Wire>()

  const quotesKey = makeKeyGuard(apiKeys)

  const taken = (call: OutgoingCall): void => {
    found.add(call.wire)
    call.taken()
  }

  const failure = (model: string, fault: Fault, status?: number, usage: Usage | null = null) =>
    new ProviderError({
      kind: fault.kind,
      provider,
      model,
      ...(status !== undefined && { status }),
      ...(fault.retryAfterMs !== undefined && { retryAfterMs: fault.retryAfterMs }),
      ...(fault.message !== undefined && { message: fault.message }),
      ...(fault.param !== undefined && { param: fault.param }),
      ...(fault.ownParam !== undefined && { ownParam: fault.ownParam }),
      ...(fault.code !== undefined && { code: fault.code }),
      ...(fault.detail !== undefined && { detail: fault.detail }),
      ...(fault.unsent && { unsent: true }),
      ...(fault.modelOnly && { modelOnly: true }),
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
    if (call.wire.instead !== undefined && !found.has(call.wire) && isMissingPath(status, said)) {
      onMissing(call.wire)
      return Effect.fail(failure(call.model, { kind: "needs_rewording", detail: "no such path" }, status))
    }
    const own = inClientsNames(call, call.refused(fault))
    return Effect.fail(failure(call.model, quotes(own, quotesKey) ? withheld(own) : own, status, usage))
  }

  const failUnsent = (call: OutgoingCall, error: TransportError) =>
    Effect.fail(failure(call.model, transportFault(error), error.status))

  const failRefused = (call: OutgoingCall, response: UpstreamResponse): Effect.Effect<never, ProviderError> =>
    Effect.clockWith((clock) => {
      const { status, headers, body } = response
      const fault = call.protocol.classify(
        { status, headers, body: errorBody(response) },
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
  const read = (call: OutgoingCall, response: UpstreamResponse, onLimit: OnLimit | undefined) =>
    Effect.clockWith((clock) => {
      const { status, headers, body } = response
      const nowMs = clock.currentTimeMillisUnsafe()
      tellLimits(headers, nowMs, onLimit)
      const joined = isEventStream(headers) ? join(call, body) : undefined
      const json = joined ?? answerJson(response)
      if (json === undefined && !isJson(headers)) {
        return failQuoting(call, badResponse("content-type is not JSON"), status, body)
      }
      const bytes = joined === undefined ? body : Buffer.from(JSON.stringify(joined))
      const completion = parse(call, { json, bytes, nowMs })
      if (Result.isSuccess(completion)) {
        taken(call)
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

  const complete = (call: OutgoingCall, request: UpstreamRequest, onLimit: OnLimit | undefined) =>
    Effect.matchEffect(upstream.post(request), {
      onSuccess: (response) => {
        if (response.status !== 200) return failRefused(call, response)
        const completion = read(call, response, onLimit)
        return response.body.length <= SMALL_BODY_BYTES
          ? completion
          : upstream.inTurn(response.body.length, completion)
      },
      onFailure: (error) => failUnsent(call, error),
    })

  /** Reads a whole answer that came in place of a stream, which it is given as. */
  const split = (call: OutgoingCall, response: UpstreamResponse, sink: ChunkSink) =>
    Effect.clockWith((clock) => {
      const { status, body } = response
      const datas = call.protocol.splitAnswer(answerJson(response))
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
    taken(call)
    return Effect.void
  }

  const stream = (
    call: OutgoingCall,
    request: UpstreamRequest,
    sink: ChunkSink,
    onLimit: OnLimit | undefined,
  ) =>
    Effect.clockWith((clock) => {
      const open: OpenBody<StreamEnd> = (headers, resume) => {
        tellLimits(headers, clock.currentTimeMillisUnsafe(), onLimit)
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

  return { complete, stream, count, failure }
}

/** Names the parameter as the client does, where the provider speaks chat and the client does not. */
const inClientsNames = ({ task, wire }: OutgoingCall, fault: Fault): Fault =>
  wire.dialect === "chat" && fault.param ? { ...fault, ownParam: ownNameOf(task, fault.param) } : fault

/** Says for how long a limit is used up, where the head of a good answer tells. */
const tellLimits = ({ resets }: UpstreamHeaders, nowMs: number, onLimit: OnLimit | undefined): void => {
  if (resets === undefined || onLimit === undefined) return
  const ms = untilReset(resets, nowMs)
  if (ms !== undefined) onLimit(ms)
}

const transportFault = ({ failure, code, dispatched }: TransportError): Fault => {
  if (failure === "malformed") return badResponse(code)
  const kind = failure === "no_room" ? "client_too_slow" : failure
  return { kind, detail: code, ...(!dispatched && { unsent: true }) }
}

const quotes = ({ code, detail, message, param }: Fault, quotesKey: (text: string | undefined) => boolean) =>
  quotesKey(message) || quotesKey(detail) || quotesKey(param ?? undefined) || quotesKey(code)

const withheld = ({ kind, retryAfterMs }: Fault): Fault => ({
  kind,
  retryAfterMs,
  message: "The provider's message is withheld: it quotes the gateway's own key.",
})
