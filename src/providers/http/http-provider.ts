import { Effect, Redacted, Result } from "effect"
import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import { beyondOf, ownNameOf, ownNamesOf, type Task } from "../../domain/Task.ts"
import { keyHeader } from "../key-header.ts"
import type { PreparedCall, Provider } from "../Provider.ts"
import { badRequest } from "../protocols/fault.ts"
import type { BodyWriter, Fault, Wire } from "../protocols/Protocol.ts"
import { makeExchanges } from "./exchanges.ts"
import { OutgoingCall } from "./OutgoingCall.ts"
import type { Transport } from "./transport.ts"

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
    const known = headersByWire.get(over)
    if (known !== undefined) return known
    const made = makeHeaders(over.keyHeader)
    headersByWire.set(over, made)
    return made
  }

  /** Wires whose path the server does not have, for as long as this process lives. */
  const missing = new Set<Wire>()
  const { complete, count, failure, stream } = makeExchanges(
    config.name,
    apiKey,
    transport.upstream(base.origin),
    (wire) => missing.add(wire),
  )

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
      dropped: () => {
        const lost = call.dropped.flatMap((name) => ownNamesOf(task, name, over.dialect))
        const others = beyond?.dropped ?? []
        return lost.length === 0 ? others : [...new Set([...lost, ...others])]
      },
      isReduced: beyond?.isReduced,
      complete: (timeoutMs, onLimit) =>
        Effect.suspend(() => {
          const request = {
            path: root + path(model, kind),
            headers: withOwn(usual.whole),
            body: call.wholeBody(),
            timeoutMs,
          }
          return complete(call, request, onLimit)
        }),
      stream: (timeoutMs, sink, onLimit) =>
        Effect.suspend(() => {
          const request = {
            path: root + path(model, "stream"),
            headers: withOwn(usual.stream),
            body: call.streamedBody(),
            timeoutMs,
          }
          return stream(call, request, sink, onLimit)
        }),
      count:
        counting &&
        ((timeoutMs) =>
          Effect.suspend(() =>
            count(call, counting.read, {
              path: root + counting.path,
              headers: withOwn(usual.whole),
              body: call.wholeBody(),
              timeoutMs,
            }),
          )),
    }
  }

  const refusal = (model: string, fault: Fault): PreparedCall => {
    const refused = Effect.suspend(() => Effect.fail(failure(model, { ...fault, unsent: true })))
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
      isReduced: call.isReduced,
      dropped: () => current().dropped?.() ?? [],
      complete: (timeoutMs, onLimit) => Effect.suspend(() => current().complete(timeoutMs, onLimit)),
      stream: (timeoutMs, sink, onLimit) => Effect.suspend(() => current().stream(timeoutMs, sink, onLimit)),
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
