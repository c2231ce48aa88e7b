import Anthropic, { type ClientOptions as AnthropicOptions } from "@anthropic-ai/sdk"
import { Effect } from "effect"
import OpenAI, { type ClientOptions as OpenAiOptions } from "openai"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { CLAUDE_SIGNATURE } from "../support/fake-upstream-anthropic.ts"
import {
  type Behaviour,
  endMidBody,
  resetMidBody,
  truncatedJson,
} from "../support/fake-upstream-behaviours.ts"
import type { Trouble } from "../support/fake-upstream-errors.ts"
import { GEMINI_SIGNATURE } from "../support/fake-upstream-gemini.ts"
import {
  streamThenCut,
  streamThenEnd,
  streamThenError,
  streamThenReset,
} from "../support/fake-upstream-streams.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { ENCRYPTED_REASONING } from "../support/openai-request.ts"

/** One kind of provider: who answers a client that cannot tell. */
export interface Kind {
  /** Of the provider here. */
  readonly name: string
  readonly kind: "openai-compatible" | "openai" | "gemini" | "anthropic"
  readonly model: string
  /** Speaks Messages and Responses natively beside chat completions. */
  readonly speaksAll?: true
  /** With which it recognizes its own reasoning, and which nobody else may see; undefined: it signs none. */
  readonly signature: string | undefined
}

export const KINDS: ReadonlyArray<Kind> = [
  { name: "openai-compatible", kind: "openai-compatible", model: "m", signature: undefined },
  // vLLM and its like.
  { name: "polyglot", kind: "openai-compatible", model: "open", speaksAll: true, signature: undefined },
  { name: "openai", kind: "openai", model: "gpt-5.4-mini", signature: ENCRYPTED_REASONING },
  { name: "gemini", kind: "gemini", model: "gemini-3.8-flash", signature: GEMINI_SIGNATURE },
  // Thinks within a budget, and so takes no turn of tools that did not begin with a thought.
  { name: "anthropic", kind: "anthropic", model: "claude-haiku-4-5", signature: CLAUDE_SIGNATURE },
]

const providersOf = (url: string): string =>
  KINDS.flatMap(({ kind, model, name: first, speaksAll }) =>
    // The second of each kind costs more, so that routes prefer the first of another.
    [[first, 1] as const, [`${first}-2`, 100] as const].map(
      ([name, usd]) => `  - name: ${name}
    kind: ${kind}
    base_url: ${kind.startsWith("openai") ? `${url}/v1` : url}
    api_key_env: PROVIDER_KEY
${speaksAll ? "    dialects: [messages, responses]\n" : ""}    models:
      - name: ${model}
        max_output_tokens: 8000
        price: { input_usd_per_1m: ${usd}, cached_input_usd_per_1m: ${usd / 10}, cache_write_usd_per_1m: ${usd * 2}, output_usd_per_1m: ${usd * 4}, source: test, as_of: 2026-11-01 }
`,
    ),
  ).join("")

/** Names the route that asks one kind, and another when that does not answer. */
export const routeOf = (first: Kind, second: Kind): string => `${first.name}-then-${second.name}`

const routes = KINDS.flatMap((first) =>
  KINDS.map(
    (second) =>
      `  ${routeOf(first, second)}: { candidates: [${first.name}/${first.model}, ${second.name}-2/${second.model}], exploration: 0, hysteresis: 1, weights: { latency: 0, cost: 1 } }\n`,
  ),
).join("")

type Row = Readonly<Record<string, unknown>>

/** A gateway in front of one fake upstream, which it takes for two providers of each kind, and both vendors' clients. */
export class SdkMatrixWorld {
  readonly upstream: FakeUpstream
  readonly gateway: GatewayInProcess
  readonly keyId: string
  readonly #key: string

  private constructor(upstream: FakeUpstream, gateway: GatewayInProcess, key: { id: string; key: string }) {
    this.upstream = upstream
    this.gateway = gateway
    this.keyId = key.id
    this.#key = key.key
  }

  /** Unless asked for, one upstream attempt per request, so that a second call is a client's. */
  static async start(maxAttempts = 1): Promise<SdkMatrixWorld> {
    const upstream = await FakeUpstream.start()
    const gateway = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      env: { PROVIDER_KEY: "sk-of-the-gateway", MAX_BODY_BYTES: "100000" },
      config: `providers:\n${providersOf(upstream.url)}routes:\n${routes}
limits: { requests_per_minute: 100000, max_attempts: ${maxAttempts}, max_event_loop_delay_ms: 60000 }`,
    }).catch(async (cause: unknown) => {
      await upstream.stop()
      throw cause
    })
    return new SdkMatrixWorld(upstream, gateway, await gateway.createKey())
  }

  /** Without retries unless asked for. */
  openai(options: OpenAiOptions = {}): OpenAI {
    return new OpenAI({ apiKey: this.#key, baseURL: `${this.gateway.url}/v1`, maxRetries: 0, ...options })
  }

  anthropic(options: AnthropicOptions = {}): Anthropic {
    return new Anthropic({ apiKey: this.#key, baseURL: this.gateway.url, maxRetries: 0, ...options })
  }

  /** Returns the ledger's row of a request as soon as it is there. */
  async row(requestId: string | null | undefined): Promise<Row> {
    for (let tries = 0; tries < 100; tries++) {
      const response = await this.gateway.admin(`/analytics/requests?key_id=${this.keyId}`)
      const { data } = (await response.json()) as { data: ReadonlyArray<Row> }
      const found = data.find(({ request_id }) => request_id === requestId)
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`there is no row of ${requestId}`)
  }

  /** Forgets what was asked, and what the gateway makes of providers that failed. */
  async reset(): Promise<void> {
    this.upstream.reset()
    await Promise.all(
      KINDS.map(({ name }) => this.gateway.admin(`/admin/providers/${name}/reset`, { method: "POST" })),
    )
  }

  async stop(): Promise<void> {
    await this.gateway.stop()
    await this.upstream.stop()
  }
}

export const modelOf = ({ model, name }: Kind): string => `${name}/${model}`

/** One pixel. */
export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="

/** What goes wrong at a provider of any kind, with the status and the code by which a client is told. */
export const TROUBLES = [
  ["badRequest", 400, "invalid_request"],
  ["contextTooLong", 400, "context_length_exceeded"],
  ["contentFilter", 400, "content_filter"],
  ["badKey", 502, "upstream_auth"],
  ["forbidden", 502, "upstream_auth"],
  ["modelNotFound", 502, "upstream_error"],
  ["rateLimited", 429, "upstream_rate_limited"],
  ["quotaExhausted", 503, "upstream_quota"],
  ["serverError", 502, "upstream_error"],
  ["overloaded", 503, "upstream_overloaded"],
  ["deadline", 502, "upstream_error"],
] as const satisfies ReadonlyArray<readonly [Trouble, number, string]>

/** Streams that say something and never come to their end, with the code by which a client is told. */
export const BROKEN_STREAMS = [
  ["is cut", streamThenCut, "upstream_error"],
  ["is reset", streamThenReset, "upstream_error"],
  ["ends too early", streamThenEnd, "upstream_error"],
  ["has an error", (pieces, options) => streamThenError(pieces, undefined, options), "upstream_overloaded"],
] as const satisfies ReadonlyArray<readonly [string, typeof streamThenEnd, string]>

/** Whole answers of which half arrives. */
export const BROKEN_ANSWERS = [
  ["is cut", endMidBody()],
  ["is reset", resetMidBody()],
  ["is half of its JSON", truncatedJson()],
] as const satisfies ReadonlyArray<readonly [string, Behaviour]>
