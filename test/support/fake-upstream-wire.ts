/**
 * The two provider shapes, seen from the provider's side: what a call asks for and what a good answer looks like.
 * Written apart from the gateway's own translation, so that a mistake there is not mirrored here.
 */
export type Shape = "openai" | "gemini" | "unknown"

export interface Asked {
  readonly shape: Shape
  readonly model: string
  /** All text of the conversation, joined. */
  readonly prompt: string
}

/** OpenAI's convention: input includes cached, output includes reasoning. */
export interface Tokens {
  readonly input: number
  readonly output: number
  readonly cached?: number
  readonly reasoning?: number
}

export type Finish = "stop" | "length" | "content_filter"

const GEMINI_PATH = /^\/v1(?:beta)?\/models\/([^/]+):generateContent$/

export const readCall = (path: string, json: unknown): Asked => {
  const model = GEMINI_PATH.exec(path)?.[1]
  if (model !== undefined) {
    return { shape: "gemini", model: decodeURIComponent(model), prompt: texts(json, "parts") }
  }
  if (path.endsWith("/chat/completions")) {
    return { shape: "openai", model: String(field(json, "model")), prompt: texts(json, "content") }
  }
  return { shape: "unknown", model: "", prompt: "" }
}

/** Four characters a token, at least one: enough for totals that must agree to the token. */
export const countTokens = (text: string): number => Math.max(1, Math.ceil(text.length / 4))

export const goodAnswer = (asked: Asked, text: string, tokens: Tokens | null, finish: Finish): unknown =>
  asked.shape === "gemini"
    ? {
        candidates: [
          { content: { parts: [{ text }], role: "model" }, finishReason: geminiFinish[finish], index: 0 },
        ],
        ...(tokens && { usageMetadata: geminiUsage(tokens) }),
        modelVersion: asked.model,
        responseId: "resp_fake",
      }
    : {
        id: "chatcmpl-fake",
        object: "chat.completion",
        created: 1_700_000_000,
        model: asked.model,
        choices: [
          {
            index: 0,
            message: { role: "assistant", content: text, refusal: null },
            logprobs: null,
            finish_reason: finish,
          },
        ],
        ...(tokens && { usage: openAiUsage(tokens) }),
      }

const geminiFinish = { stop: "STOP", length: "MAX_TOKENS", content_filter: "SAFETY" } as const

const geminiUsage = ({ input, output, cached, reasoning }: Tokens) => ({
  promptTokenCount: input,
  candidatesTokenCount: output - (reasoning ?? 0),
  totalTokenCount: input + output,
  ...(cached !== undefined && { cachedContentTokenCount: cached }),
  ...(reasoning !== undefined && { thoughtsTokenCount: reasoning }),
})

const openAiUsage = ({ input, output, cached, reasoning }: Tokens) => ({
  prompt_tokens: input,
  completion_tokens: output,
  total_tokens: input + output,
  prompt_tokens_details: { cached_tokens: cached ?? 0 },
  completion_tokens_details: { reasoning_tokens: reasoning ?? 0 },
})

const field = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined

/** Every string under `text`, or under `key` itself, wherever it sits. */
const texts = (value: unknown, key: string): string => {
  if (typeof value !== "object" || value === null) return ""
  return Object.entries(value)
    .map(([name, inner]) =>
      typeof inner === "string" ? (name === "text" || name === key ? inner : "") : texts(inner, key),
    )
    .join("")
}
