import { Effect, Redacted } from "effect"
import type { HttpProviderConfig } from "../../../src/config/GatewayConfig.ts"
import type { Transport, UpstreamRequest } from "../../../src/providers/http/transport.ts"
import type { UpstreamResponse } from "../../../src/providers/http/UpstreamExchange.ts"
import type { Provider } from "../../../src/providers/Provider.ts"
import { makeAnthropic } from "../../../src/providers/vendors/anthropic.ts"
import { makeGemini } from "../../../src/providers/vendors/gemini.ts"
import { makeOpenAi } from "../../../src/providers/vendors/openai.ts"
import { makeOpenAiCompatible } from "../../../src/providers/vendors/openai-compatible.ts"

/** Providers as the gateway makes them, over a transport that sends nothing. */

/** What stands in a column: a model of a kind of provider. */
export interface End {
  readonly name: string
  /** It speaks the client's dialect itself. */
  readonly isNative?: boolean
  readonly kind: HttpProviderConfig["kind"]
  readonly model: string
  readonly endpoints?: HttpProviderConfig["endpoints"]
}

const openAiChat: End = { name: "OpenAI, chat", kind: "openai", model: "gpt-5" }
const openAiResponses: End = { name: "OpenAI, Responses", kind: "openai", model: "gpt-5.5-pro" }
const compatible: End = { name: "OpenAI-compatible", kind: "openai-compatible", model: "llama-4" }
const gemini: End = { name: "Gemini", kind: "gemini", model: "gemini-3-flash-preview" }
const claude: End = { name: "Claude", kind: "anthropic", model: "claude-opus-4-6" }

export const endsOf = {
  chat: [
    { ...openAiChat, isNative: true },
    openAiResponses,
    { ...compatible, isNative: true },
    gemini,
    claude,
  ],
  messages: [
    { ...claude, isNative: true },
    openAiChat,
    openAiResponses,
    compatible,
    { ...compatible, name: "Claude, OpenAI-compatible", model: "claude-opus-4-6" },
    gemini,
  ],
  responses: [
    { ...openAiResponses, model: "gpt-5", isNative: true },
    // A model that no Responses answer for.
    { ...openAiChat, model: "gpt-4o-audio-preview" },
    compatible,
    gemini,
    claude,
  ],
} satisfies Record<string, ReadonlyArray<End>>

/** Other models and servers in the same columns: they take less, or speak more. */
export const othersOf = {
  chat: [
    { ...openAiChat, model: "gpt-4o" },
    { ...openAiResponses, model: "o1-pro" },
    { ...gemini, model: "gemini-2.5-flash" },
    { ...gemini, model: "gemini-2.0-flash" },
    { ...claude, model: "claude-haiku-4-5" },
    { ...claude, model: "claude-3-5-haiku-20241022" },
    { ...claude, model: "claude-opus-5-5" },
  ],
  messages: [
    { ...compatible, endpoints: { messages: { path: "messages" } } },
    { ...compatible, model: "claude-opus-4-6", endpoints: { messages: { path: "messages" } } },
    { ...openAiChat, model: "gpt-4o" },
    { ...openAiResponses, model: "o1-pro" },
    { ...gemini, model: "gemini-2.5-flash" },
    { ...gemini, model: "gemini-2.0-flash" },
  ],
  responses: [
    { ...compatible, endpoints: { responses: { path: "responses", without: ["user", "truncation"] } } },
    { ...gemini, model: "gemini-2.5-flash" },
    { ...gemini, model: "gemini-2.0-flash" },
    { ...claude, model: "claude-haiku-4-5" },
    { ...claude, model: "claude-3-5-haiku-20241022" },
    { ...claude, model: "claude-opus-5-5" },
  ],
} satisfies Record<string, ReadonlyArray<End>>

const makers = {
  openai: makeOpenAi,
  "openai-compatible": makeOpenAiCompatible,
  gemini: makeGemini,
  anthropic: makeAnthropic,
}

/** Makes a provider that hands what it would send to `answer`, and takes what that returns for the answer. */
export const providerOf = (
  { endpoints = {}, kind }: End,
  answer: (request: UpstreamRequest) => UpstreamResponse,
): Provider => {
  const ask = (request: UpstreamRequest) => Effect.sync(() => answer(request))
  const transport: Transport = {
    upstream: () => ({
      post: ask,
      stream: ask,
      maxBytes: 1_000_000,
      inTurn: (_, effect) => effect,
    }),
  }
  const config = {
    kind,
    name: "p",
    baseUrl: "http://provider.test",
    apiKey: Redacted.make("key"),
    models: [],
    endpoints,
  } satisfies HttpProviderConfig
  return makers[kind](config, transport)
}
