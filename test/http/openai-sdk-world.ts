import { Effect } from "effect"
import OpenAI, { type ClientOptions } from "openai"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** What the gateway knows its providers by; no client ever sends it. */
export const PROVIDER_KEY = "sk-the-gateways-own-key-at-the-provider"

const price = (usd: number) =>
  `price: { input_usd_per_1m: ${usd}, output_usd_per_1m: ${2 * usd}, source: test, as_of: 2026-11-01 }`

const claude = ({ url }: FakeUpstream) =>
  `  - { name: c0, kind: anthropic, base_url: "${url}", api_key_env: PROVIDER_KEY }\n`
const THREE =
  "  three: { candidates: [c0/claude-haiku-5-5, g0/gemini-2.5-flash, p0/m], exploration: 0, hysteresis: 1, weights: { latency: 0, cost: 1 } }\n"

/** A gateway in front of one fake upstream, which it takes for a provider of each kind, and OpenAI's own client. */
export class OpenAiWorld {
  readonly upstream: FakeUpstream
  readonly gateway: GatewayInProcess
  /** Of an API key that may do everything. */
  readonly key: string

  private constructor(upstream: FakeUpstream, gateway: GatewayInProcess, key: string) {
    this.upstream = upstream
    this.gateway = gateway
    this.key = key
  }

  /**
   * `p0` speaks OpenAI and has the chat models `m`, `small` and `org/large` and the embedding model `e`; `g0` is Gemini with a
   * cheaper chat model and an embedding model. The route `both` asks Gemini before `p0`. Unless
   * asked for, one upstream attempt per request, so that a second call is a client's.
   */
  static async start(
    options: {
      /** More chat models of `p0`. */
      readonly models?: ReadonlyArray<string>
      /** OpenAI itself besides, with all models that are known. */
      readonly openAi?: boolean
      /** `c0` is Claude too, with its built-in models, and the route `three` asks Claude, then Gemini, then `p0`. */
      readonly claude?: boolean
      readonly rest?: string
      readonly maxAttempts?: number
      readonly env?: Readonly<Record<string, string>>
    } = {},
  ): Promise<OpenAiWorld> {
    const upstream = await FakeUpstream.start()
    const gateway = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      env: { PROVIDER_KEY, ...options.env },
      config: `providers:
  - name: p0
    kind: openai-compatible
    base_url: ${upstream.openAiBaseUrl}
    api_key_env: PROVIDER_KEY
    models:
      - { name: m, context_window: 8000, max_output_tokens: 4000, ${price(2)} }
      - { name: small, context_window: 1000, ${price(2)} }
      - { name: org/large, ${price(2)} }
${(options.models ?? []).map((name) => `      - { name: ${name}, ${price(2)} }\n`).join("")}      - { name: e, kind: embedding, ${price(1)} }
${
  options.openAi
    ? `  - name: openai
    kind: openai
    base_url: ${upstream.openAiBaseUrl}
    api_key_env: PROVIDER_KEY
`
    : ""
}  - name: g0
    kind: gemini
    base_url: ${upstream.url}
    api_key_env: PROVIDER_KEY
    models:
      - { name: gemini-2.5-flash, ${price(1)} }
      - { name: gemini-embedding-001, kind: embedding, ${price(1)} }
${options.claude === true ? claude(upstream) : ""}routes:
${options.claude === true ? THREE : ""}  auto: { candidates: [p0/m], exploration: 0 }
  both: { candidates: [g0/gemini-2.5-flash, p0/m], exploration: 0, weights: { latency: 0, cost: 1 } }
${options.rest ?? ""}
limits: { requests_per_minute: 100000, max_attempts: ${options.maxAttempts ?? 1}, max_event_loop_delay_ms: 60000 }`,
    }).catch(async (cause: unknown) => {
      await upstream.stop()
      throw cause
    })
    return new OpenAiWorld(upstream, gateway, (await gateway.createKey()).key)
  }

  get baseUrl(): string {
    return `${this.gateway.url}/v1`
  }

  /** Without retries unless asked for. */
  client(options: ClientOptions = {}): OpenAI {
    return new OpenAI({ apiKey: this.key, baseURL: this.baseUrl, maxRetries: 0, ...options })
  }

  /** The wire itself, for what the client would hide. */
  post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(`${this.baseUrl}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${this.key}`, ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    })
  }

  async stop(): Promise<void> {
    await this.gateway.stop()
    await this.upstream.stop()
  }
}

/** What a promise was rejected with, which has to be this class of the client's. */
export const thrown = async <E extends Error>(
  promise: PromiseLike<unknown>,
  kind: new (...args: never) => E,
): Promise<E> => {
  const outcome = await promise.then(
    (value) => new Error(`not thrown: ${JSON.stringify(value)}`),
    (cause: unknown) => cause,
  )
  if (outcome instanceof kind) return outcome
  throw outcome
}

export const user = (content: string) => ({ role: "user" as const, content })

/** Everything of a stream, and what it ended with. */
export const collect = async <A>(stream: AsyncIterable<A>): Promise<{ chunks: Array<A>; error: unknown }> => {
  const chunks: Array<A> = []
  try {
    for await (const chunk of stream) chunks.push(chunk)
    return { chunks, error: undefined }
  } catch (error) {
    return { chunks, error }
  }
}
