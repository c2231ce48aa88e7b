import { Effect, Redacted, Result } from "effect"
import type { HttpProviderConfig } from "../config/GatewayConfig.ts"
import type { Completion } from "../domain/Chat.ts"
import { ProviderError } from "../domain/ProviderError.ts"
import type { Provider, ProviderCall } from "./Provider.ts"
import { badResponse } from "./protocols/fault.ts"
import { parseJson } from "./protocols/json.ts"
import type { Fault, Protocol } from "./protocols/Protocol.ts"
import type { Transport, TransportError, UpstreamResponse } from "./transport.ts"

/**
 * A provider over HTTP: a vendor's endpoint, auth and protocol joined with the transport. Everything that does
 * not depend on the call, the header array with the key in it included, is built once. Nothing of the client's
 * request but its chat goes upstream.
 */
export interface Vendor {
  readonly protocol: Protocol
  /** Appended to the base URL. */
  readonly path: (model: string) => string
  /** Header that carries the key. */
  readonly auth: (apiKey: string) => readonly [name: string, value: string]
}

const commonHeaders = [
  "content-type",
  "application/json",
  "accept",
  "application/json",
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
  const headers = apiKey === undefined ? commonHeaders : [...auth(apiKey), ...commonHeaders]

  const failure = (call: ProviderCall, fault: Fault, status?: number) =>
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

  const answer = (
    call: ProviderCall,
    response: UpstreamResponse,
  ): Effect.Effect<Completion, ProviderError> => {
    const { status, headers, body } = response
    const json = isPlain(headers.contentEncoding) ? parseJson(body) : undefined
    if (status !== 200) {
      return Effect.clockWith((clock) => {
        const fault = protocol.classify({ status, headers, body: json }, clock.currentTimeMillisUnsafe())
        return Effect.fail(failure(call, quotes(body, apiKey) ? withoutText(fault) : fault, status))
      })
    }
    const completion = isJson(headers.contentType)
      ? protocol.parse(call.model, json)
      : Result.fail(badResponse("content-type is not JSON"))
    return Result.isSuccess(completion)
      ? Effect.succeed(completion.success)
      : Effect.fail(failure(call, completion.failure, status))
  }

  return {
    name: config.name,
    simulated: false,
    models: new Map(config.models.map((model) => [model.name, model])),
    complete: (call) =>
      Effect.suspend(() => {
        const body = protocol.lower(call.model, call.request)
        if (Result.isFailure(body)) return Effect.fail(failure(call, body.failure))
        return Effect.matchEffect(
          upstream.post({
            path: prefix + path(call.model),
            headers,
            body: body.success,
            timeoutMs: call.timeoutMs,
          }),
          {
            onSuccess: (response) => answer(call, response),
            onFailure: (error) => Effect.fail(failure(call, transportFault(error), error.status)),
          },
        )
      }),
  }
}

const transportFault = ({ failure, code }: TransportError): Fault => {
  switch (failure) {
    case "too_large":
    case "malformed":
      return badResponse(code)
    default:
      return { kind: failure, detail: code }
  }
}

/** We ask for identity; whatever else comes is not inflated. */
const isPlain = (contentEncoding: string | undefined): boolean =>
  contentEncoding === undefined || contentEncoding === "identity"

const isJson = (contentType: string | undefined): boolean =>
  contentType === undefined || /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType)

/** Shorter ones are placeholders of local servers ("none", "ollama"), which ordinary texts contain. */
const MIN_SECRET_LENGTH = 16

const quotes = (body: Buffer, apiKey: string | undefined): boolean =>
  apiKey !== undefined && apiKey.length >= MIN_SECRET_LENGTH && body.includes(apiKey)

const withoutText = ({ kind, retryAfterMs }: Fault): Fault => ({ kind, retryAfterMs })
