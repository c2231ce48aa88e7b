import { Data, Effect, identity, Redacted, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import type { HttpProviderConfig } from "../config/GatewayConfig.ts"
import { isObject, parseJson, stringAt } from "../platform/json.ts"
import { monotonicMs } from "../platform/monotonic.ts"
import { keyHeader } from "./key-header.ts"
import { API_VERSION } from "./protocols/anthropic/wire.ts"

/** Finds out whether a provider answers and takes its key, by its list of models, which costs nothing. */
export type KeyCheck =
  | {
      readonly status: "ok"
      readonly ms: number
      readonly listed: number
      readonly missing: ReadonlyArray<string>
    }
  /** `detail` is the gateway's own words: what a provider says may quote the key. */
  | { readonly status: "wrong key" | "unreachable" | "failed" | "unchecked"; readonly detail: string }

/** The list of models, as long as a vendor gives it at once. */
const LISTS: Readonly<Record<HttpProviderConfig["kind"], string>> = {
  openai: "/models",
  "openai-compatible": "/models",
  gemini: "/v1beta/models?pageSize=1000",
  anthropic: "/v1/models?limit=1000",
}

const TIMEOUT = "10 seconds"
const MAX_BYTES = 8 * 1024 * 1024

class CheckFailed extends Data.TaggedError("CheckFailed")<{
  readonly status: Exclude<KeyCheck["status"], "ok">
  readonly detail: string
}> {}

export const checkKey = (config: HttpProviderConfig): Effect.Effect<KeyCheck> =>
  check(config).pipe(
    Effect.timeout(TIMEOUT),
    Effect.catchTags({
      CheckFailed: ({ detail, status }) => Effect.succeed({ status, detail }),
      TimeoutError: () =>
        Effect.succeed<KeyCheck>({ status: "unreachable", detail: `no answer in ${TIMEOUT}` }),
    }),
    Effect.provide(FetchHttpClient.layer),
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
  )

const check = Effect.fnUntraced(function* (
  config: HttpProviderConfig,
): Effect.fn.Return<KeyCheck, CheckFailed, HttpClient.HttpClient> {
  const { baseUrl, kind, models, preset } = config
  if (preset?.listsModels === false) {
    return { status: "unchecked", detail: `${preset.title} has no list of models for such a key` }
  }
  const startedMs = yield* monotonicMs
  if (preset?.keyPath !== undefined) yield* get(config, baseUrl + preset.keyPath)
  const listed = namesIn(yield* get(config, baseUrl + LISTS[kind]))
  if (listed === undefined) {
    return { status: "failed", detail: "the answer is no list of models: is the address right?" }
  }
  const missing = models
    .map(({ name }) => name)
    .filter((name) => !listed.has(name) && !listed.has(`${name}:latest`))
  return { status: "ok", ms: Math.round((yield* monotonicMs) - startedMs), listed: listed.size, missing }
})

/** Asks for JSON, and returns what came: undefined when it was none. */
const get = Effect.fnUntraced(function* (config: HttpProviderConfig, url: string) {
  const { apiKey, kind } = config
  const response = yield* HttpClientRequest.get(url).pipe(
    HttpClientRequest.setHeaders({ accept: "application/json", "user-agent": "llm-inference-gateway" }),
    kind === "anthropic" ? HttpClientRequest.setHeader("anthropic-version", API_VERSION) : identity,
    apiKey === undefined
      ? identity
      : HttpClientRequest.setHeader(...keyHeader(config, Redacted.value(apiKey))),
    HttpClient.execute,
    Effect.mapError(unreachable),
  )
  const chunks: Array<Uint8Array> = []
  let size = 0
  yield* Stream.runForEach(response.stream, (chunk) =>
    Effect.suspend(() => {
      size += chunk.length
      chunks.push(chunk)
      return size > MAX_BYTES ? tooLong : Effect.void
    }),
  ).pipe(Effect.catchTag("HttpClientError", unreachable))
  const text = Buffer.concat(chunks).toString()
  const { status } = response
  if (status === 200) return parseJson(text)
  // Google and xAI say so with 400.
  if (status === 401 || status === 403 || (status === 400 && /api[ _-]?key/i.test(text))) {
    return yield* new CheckFailed({
      status: "wrong key",
      detail: `the key was refused with status ${status}`,
    })
  }
  const redirect = status >= 300 && status < 400 ? ", and no redirect is followed" : ""
  return yield* new CheckFailed({ status: "failed", detail: `answered with status ${status}${redirect}` })
})

const unreachable = () =>
  new CheckFailed({ status: "unreachable", detail: "no connection, or one that broke" })
const tooLong = new CheckFailed({ status: "failed", detail: `the answer has more than ${MAX_BYTES} bytes` })

/** OpenAI's list is in `data`, Google's in `models`, and Together's is the answer itself. */
const namesIn = (json: unknown): ReadonlySet<string> | undefined => {
  const list = Array.isArray(json) ? json : isObject(json) ? (json.data ?? json.models) : undefined
  if (!Array.isArray(list)) return undefined
  return new Set(
    list
      .filter(isObject)
      .flatMap((model) => stringAt(model, "id") ?? stringAt(model, "name")?.replace(/^models\//, "") ?? []),
  )
}
