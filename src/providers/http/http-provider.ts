import { Effect, Redacted, Result } from "effect"
import type { HttpProviderConfig, PooledKey } from "../../config/GatewayConfig.ts"
import { keyValues } from "../../config/key-values.ts"
import type { ProviderError } from "../../domain/ProviderError.ts"
import { beyondOf, ownNameOf, ownNamesOf, type Task } from "../../domain/Task.ts"
import { keyHeader } from "../key-header.ts"
import type { AttemptContext, OnLimit, PreparedCall, Provider } from "../Provider.ts"
import { badRequest } from "../protocols/fault.ts"
import type { BodyWriter, Fault, Wire } from "../protocols/Protocol.ts"
import { makeExchanges } from "./exchanges.ts"
import { KeyHealth } from "./KeyHealth.ts"
import { KeyPool } from "./KeyPool.ts"
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

/** Header fields of calls with one key. */
interface CallHeaders {
  readonly whole: ReadonlyArray<string>
  readonly stream: ReadonlyArray<string>
}

/** Makes the header fields of a wire with one key, once: a vendor has few wires. */
const makeHeadersOver = (config: HttpProviderConfig, value: Redacted.Redacted | undefined) => {
  const apiKey = value && Redacted.value(value)
  const byWire = new Map<Wire, CallHeaders>()
  return (over: Wire): CallHeaders => {
    const known = byWire.get(over)
    if (known !== undefined) return known
    const name = over.keyHeader
    const key = apiKey === undefined ? [] : name === undefined ? keyHeader(config, apiKey) : [name, apiKey]
    const made = {
      whole: [...key, ...commonHeaders("application/json")],
      stream: [...key, ...commonHeaders("text/event-stream")],
    }
    byWire.set(over, made)
    return made
  }
}
type HeadersOver = ReturnType<typeof makeHeadersOver>

/** Returns what is known of one of a provider's keys. */
export type KeyHealthOf = (
  provider: Pick<HttpProviderConfig, "name" | "baseUrl">,
  key: PooledKey,
) => KeyHealth

/**
 * Makes a provider over HTTP: a vendor's endpoint, keys and protocols joined with the transport. Everything that does
 * not depend on the call, the header arrays with the keys in them included, is built once. Nothing of the client's
 * request but its body goes upstream. `wireOf`: the wire that a task goes over. `healthOf`: what is known of a pool's key.
 */
export const makeHttpProvider = (
  config: HttpProviderConfig,
  transport: Transport,
  wireOf: (task: Task, model: string) => Wire,
  healthOf: KeyHealthOf = () => new KeyHealth(),
): Provider => {
  const base = new URL(config.baseUrl)
  const prefix = base.pathname.replace(/\/+$/, "")
  const { apiKey, apiKeys = [] } = config
  const [first, ...others] = apiKeys.map((key) => ({
    name: key.name,
    weight: key.weight,
    health: healthOf(config, key),
    own: makeHeadersOver(config, key.value),
  }))
  const keys = first === undefined ? undefined : new KeyPool([first, ...others])
  const usual = makeHeadersOver(config, apiKey)

  /** Makes one attempt with the header fields of the key, or of one of the keys. */
  const attempt = <A>(
    model: string,
    context: AttemptContext | undefined,
    send: (headersOver: HeadersOver, onLimit: OnLimit | undefined) => Effect.Effect<A, ProviderError>,
  ): Effect.Effect<A, ProviderError> =>
    keys === undefined
      ? Effect.suspend(() => send(usual, context?.onLimit))
      : keys.attempt(model, context, send)

  /** Wires whose path the server does not have, for as long as this process lives. */
  const missing = new Set<Wire>()
  const { complete, count, failure, stream } = makeExchanges(
    config.name,
    keyValues(config),
    transport.upstream(base.origin),
    (wire) => missing.add(wire),
  )

  const callOf = (task: Task, model: string, over: Wire, writer: BodyWriter): PreparedCall => {
    const { count: counting, path } = over
    const root = over.isRooted === true ? "" : prefix
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
      complete: (timeoutMs, context) =>
        attempt(model, context, (headersOver, onLimit) => {
          const request = {
            path: root + path(model, kind),
            headers: withOwn(headersOver(over).whole),
            body: call.wholeBody(),
            timeoutMs,
            room: context?.answerRoom,
          }
          return complete(call, request, onLimit)
        }),
      stream: (timeoutMs, sink, context) =>
        attempt(model, context, (headersOver, onLimit) => {
          const request = {
            path: root + path(model, "stream"),
            headers: withOwn(headersOver(over).stream),
            body: call.streamedBody(),
            timeoutMs,
            room: context?.answerRoom,
          }
          return stream(call, request, sink, onLimit)
        }),
      count:
        counting &&
        ((timeoutMs) => {
          const send = (headersOver: HeadersOver) =>
            count(call, counting.read, {
              path: root + counting.path,
              headers: withOwn(headersOver(over).whole),
              body: call.wholeBody(),
              timeoutMs,
            })
          return keys === undefined ? Effect.suspend(() => send(usual)) : keys.aside(model, send)
        }),
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
      complete: (timeoutMs, context) => Effect.suspend(() => current().complete(timeoutMs, context)),
      stream: (timeoutMs, sink, context) => Effect.suspend(() => current().stream(timeoutMs, sink, context)),
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
    ...(keys !== undefined && { keys }),
    prepare: (task, model) => prepareOver(task, model, wireOf(task, model)),
  }
}
