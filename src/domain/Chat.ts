import type { Usage } from "./Usage.ts"

/**
 * The gateway's common language for a chat is OpenAI's chat-completions body: every client and most providers
 * speak it. A request is that body without `model` (the router picks it) and `stream` (the call's mode says it);
 * fields the gateway does not know ride along. Protocols lower it to their provider's wire.
 */
export interface ChatRequest {
  readonly messages: ReadonlyArray<ChatMessage>
  readonly max_tokens?: number
  readonly max_completion_tokens?: number
  readonly temperature?: number
  readonly top_p?: number
  readonly stop?: string | ReadonlyArray<string>
  readonly seed?: number
  readonly [field: string]: unknown
}

export interface ChatMessage {
  readonly role: ChatRole
  readonly content?: string | ReadonlyArray<ContentPart> | null
  readonly [field: string]: unknown
}

export type ChatRole = "system" | "developer" | "user" | "assistant" | "tool"

export interface ContentPart {
  readonly type: string
  readonly text?: string
  readonly [field: string]: unknown
}

/** How the answer travels. Latency statistics are kept apart per mode: a first token is not a whole answer. */
export type CallMode = "whole" | "stream"

/** Why the model stopped. `other` keeps an unknown provider value from crashing anything. */
export type FinishReason = "stop" | "length" | "content_filter" | "tool_calls" | "other"

/** One whole answer of a provider, translated. */
export interface Completion {
  /** Text of the first choice; empty when the model gave none. */
  readonly text: string
  readonly finishReason: FinishReason
  /** Model name as the provider reports it. */
  readonly model: string
  /** Null when the provider sent none or nonsense. */
  readonly usage: Usage | null
  /** The provider's usage block, untouched, for the ledger. */
  readonly rawUsage: unknown
}

/** The most tokens this request may produce, when the client said so. */
export const maxOutputTokens = (request: ChatRequest): number | undefined =>
  request.max_completion_tokens ?? request.max_tokens

/** The text of a message, parts joined; parts without text count as nothing. */
export const messageText = (message: ChatMessage): string => {
  const { content } = message
  if (typeof content === "string") return content
  if (content === null || content === undefined) return ""
  return content.map((part) => part.text ?? "").join("")
}

/**
 * Input tokens before anyone counted them: four bytes of UTF-8 a token plus four tokens a message, the usual
 * rule of thumb for BPE vocabularies. Only scores use it; bills use the provider's numbers.
 */
export const estimateInputTokens = (request: ChatRequest): number => {
  let bytes = 0
  for (const message of request.messages) bytes += Buffer.byteLength(messageText(message))
  return Math.ceil(bytes / 4) + 4 * request.messages.length
}
