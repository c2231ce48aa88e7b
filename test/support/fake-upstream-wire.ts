import { claudeAnswer, claudeStreamEvents } from "./fake-upstream-anthropic.ts"
import {
  geminiEmbeddings,
  geminiStreamEvents,
  geminiThinkingAnswer,
  sseEvent,
} from "./fake-upstream-gemini.ts"
import { openAiAnswer, openAiEmbeddings, openAiStreamEvents } from "./fake-upstream-openai.ts"
import { responsesAnswer, responsesEvents } from "./fake-upstream-responses.ts"

/**
 * The provider shapes, seen from the provider's side: what a call asks for and what a good answer looks like.
 * Written apart from the gateway's own translation, so that a mistake there is not mirrored here.
 */
type Shape = "openai" | "responses" | "gemini" | "anthropic" | "unknown"

/** `chat` is a whole answer. */
type Operation = "chat" | "stream" | "embedding" | "count"

export interface Asked {
  readonly shape: Shape
  readonly operation: Operation
  readonly model: string
  /** All text of the conversation, or of the inputs, joined. */
  readonly prompt: string
  /** The body; undefined when it was no JSON. */
  readonly json: unknown
}

/** OpenAI's convention: input includes cached, output includes reasoning. */
export interface Tokens {
  readonly input: number
  readonly output: number
  readonly cached?: number
  readonly reasoning?: number
  /** Of the input, what Claude wrote to its cache. */
  readonly written?: number
}

export type Finish = "stop" | "length" | "content_filter"

export interface ToolCall {
  /** Default: by its number in the answer, and so the same in every answer. */
  readonly id?: string
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
}

/** What a good answer says. */
export interface Said {
  /** Empty beside calls: there is none. */
  readonly text: string
  /** Null = no usage. */
  readonly tokens: Tokens | null
  readonly finish: Finish
  readonly toolCalls: ReadonlyArray<ToolCall>
  /** Comes before them, in the form of the vendor, with its signature where it signs. */
  readonly thought?: string | undefined
}

const GEMINI_PATH =
  /^\/v1(?:beta)?\/models\/([^/]+):(generateContent|streamGenerateContent\?alt=sse|batchEmbedContents)$/

export const readCall = (path: string, json: unknown): Asked => {
  const gemini = GEMINI_PATH.exec(path)
  if (gemini !== null) {
    const [, model = "", method] = gemini
    const operation =
      method === "generateContent" ? "chat" : method === "batchEmbedContents" ? "embedding" : "stream"
    return {
      shape: "gemini",
      operation,
      model: decodeURIComponent(model),
      prompt: texts(json, "parts"),
      json,
    }
  }
  const model = String(field(json, "model"))
  if (path.endsWith("/chat/completions")) {
    const operation = field(json, "stream") === true ? "stream" : "chat"
    return { shape: "openai", operation, model, prompt: texts(json, "content"), json }
  }
  if (/\/responses(\/compact)?$/.test(path)) {
    const operation = field(json, "stream") === true ? "stream" : "chat"
    return { shape: "responses", operation, model, prompt: texts(json, "input"), json }
  }
  if (path === "/v1/messages/count_tokens") {
    return { shape: "anthropic", operation: "count", model, prompt: texts(json, "content"), json }
  }
  if (path === "/v1/messages") {
    const operation = field(json, "stream") === true ? "stream" : "chat"
    return { shape: "anthropic", operation, model, prompt: texts(json, "content"), json }
  }
  if (path.endsWith("/embeddings")) {
    return { shape: "openai", operation: "embedding", model, prompt: inputs(json).join(""), json }
  }
  return { shape: "unknown", operation: "chat", model: "", prompt: "", json }
}

/** Four characters a token, at least one: enough for totals that must agree to the token. */
export const countTokens = (text: string): number => Math.max(1, Math.ceil(text.length / 4))

/** The body of a whole good answer. */
export const goodAnswer = (asked: Asked, said: Said): unknown => {
  if (asked.shape === "openai") {
    return asked.operation === "embedding"
      ? openAiEmbeddings(asked, inputs(asked.json), said.tokens)
      : openAiAnswer(asked, said)
  }
  if (asked.shape === "responses") return responsesAnswer(asked, said)
  if (asked.operation === "count") return { input_tokens: said.tokens?.input }
  if (asked.shape === "anthropic") return claudeAnswer(asked, said)
  if (asked.operation === "embedding") return geminiEmbeddings(asked.json)
  if (said.thought !== undefined || said.toolCalls.length > 0) return geminiThinkingAnswer(asked, said)
  return {
    candidates: [
      {
        content: { parts: [{ text: said.text }], role: "model" },
        finishReason: geminiFinish[said.finish],
        index: 0,
      },
    ],
    ...(said.tokens && { usageMetadata: geminiUsage(said.tokens) }),
    modelVersion: asked.model,
    responseId: "resp_fake",
  }
}

/** The events of a good stream, to the terminal one; each is complete, with its blank line. */
export const goodEvents = (asked: Asked, said: Said): ReadonlyArray<string> => {
  if (asked.shape === "openai") return openAiStreamEvents(asked, said)
  if (asked.shape === "responses") return responsesEvents(asked, said)
  if (asked.shape === "anthropic") return claudeStreamEvents(asked, said)
  return said.thought !== undefined || said.toolCalls.length > 0
    ? [sseEvent(geminiThinkingAnswer(asked, said))]
    : geminiStreamEvents(asked, said.text, said.tokens, said.finish)
}

const geminiFinish = { stop: "STOP", length: "MAX_TOKENS", content_filter: "SAFETY" } as const

const geminiUsage = ({ input, output, cached, reasoning }: Tokens) => ({
  promptTokenCount: input,
  candidatesTokenCount: output - (reasoning ?? 0),
  totalTokenCount: input + output,
  ...(cached !== undefined && { cachedContentTokenCount: cached }),
  ...(reasoning !== undefined && { thoughtsTokenCount: reasoning }),
})

export const field = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined

/** One text per input of an embeddings call; token ids count as their digits. */
const inputs = (json: unknown): ReadonlyArray<string> => {
  const input = field(json, "input")
  if (!Array.isArray(input)) return [String(input)]
  return input.every((item) => typeof item === "number") ? [input.join(" ")] : input.map(String)
}

/** Every string under `text`, or under `key` itself, wherever it sits. */
const texts = (value: unknown, key: string): string => {
  if (typeof value !== "object" || value === null) return ""
  return Object.entries(value)
    .map(([name, inner]) =>
      typeof inner === "string" ? (name === "text" || name === key ? inner : "") : texts(inner, key),
    )
    .join("")
}
