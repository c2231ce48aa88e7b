import type { Dialect } from "./Dialect.ts"
import type { Usage } from "./Usage.ts"

/**
 * A chat in the gateway's common language, OpenAI's chat-completions body, which every client and most providers
 * speak. It is that body without `model` (the router picks it) and `stream` (the call's mode says it);
 * fields the gateway does not know ride along. Protocols lower it to their provider's wire.
 */
export interface ChatRequest {
  readonly messages: ReadonlyArray<ChatMessage>
  readonly max_tokens?: number | null
  readonly max_completion_tokens?: number | null
  readonly temperature?: number | null
  readonly top_p?: number | null
  readonly stop?: string | ReadonlyArray<string> | null
  readonly [field: string]: unknown
}

export interface ChatMessage {
  readonly role: ChatRole
  readonly content?: string | ReadonlyArray<ContentPart> | null
  readonly [field: string]: unknown
}

type ChatRole = "system" | "developer" | "user" | "assistant" | "tool" | "function"

interface ContentPart {
  readonly type: string
  readonly text?: string | null
  readonly [field: string]: unknown
}

/** The way an answer travels. Latency statistics are kept apart per mode: a first token is not a whole answer. */
export type CallMode = "whole" | "stream"

/** The reason why a model stopped. `other` keeps an unknown provider value from crashing anything. */
export type FinishReason = "stop" | "length" | "content_filter" | "tool_calls" | "other"

/** The gateway's knowledge of an answer, whole or streamed, or of embeddings, which have no text and no end. */
export interface AnswerSummary {
  /** Text of the first choice; empty when the model gave none. */
  readonly text: string
  /** Null for an answer that does not stop, such as embeddings. */
  readonly finishReason: FinishReason | null
  /** Model name as the provider reports it. */
  readonly model: string
  /** Null when the provider sent none or nonsense. */
  readonly usage: Usage | null
  /** Whether the usage is not (all of) the provider's own count: its stream broke, or its protocol counts nothing. */
  readonly usageEstimated: boolean
  /** The provider's usage block, untouched, for the ledger. */
  readonly rawUsage: unknown
}

/** One whole answer of a provider, translated. */
export interface Completion extends AnswerSummary {
  /** What `body` speaks; chat when absent. Another one only to a client that speaks it too. */
  readonly dialect?: Dialect
  /** URLs of the images of the first choice; absent for none. */
  readonly images?: ReadonlyArray<string>
  /** The answer as a JSON body: the provider's own bytes when it speaks that dialect. */
  readonly body: () => string | Uint8Array
}

/** One event of a streamed answer, and what the gateway understood of it. */
export interface ChatChunk {
  /** What `event` speaks; chat when absent. Another one only to a client that speaks it too. */
  readonly dialect?: Dialect
  /**
   * A complete server-sent event, blank line included, of chat with OpenAI's `chat.completion.chunk` as data: the provider's
   * own bytes when it speaks that dialect. The terminal `[DONE]` is never among them. A comment in its stead says nothing
   * to clients, where only the rest of the chunk is of use.
   */
  readonly event: Uint8Array
  /** Text of the first choice that it adds. */
  readonly text: string
  /** URLs of images of the first choice that it adds; absent for none. */
  readonly images?: ReadonlyArray<string>
  /** Characters that all choices gained, for estimates: text, refusals, reasoning, tool-call arguments. */
  readonly generated: number
  /**
   * Whether the chunk says something of the answer. False for a role, an empty delta, a prompt-filter report: such
   * chunks may be held back, and a failure after them can still go to another provider. An end (`finish_reason`) says
   * something.
   */
  readonly semantic: boolean
  /** Whether it has nothing but the usage that the gateway asked for; a client that did not ask does not get it. */
  readonly usageOnly: boolean
  readonly model: string | undefined
  /** The reason why the first choice ended, once it did. */
  readonly finishReason: FinishReason | undefined
  /** The provider's count so far; `usage` is null when it makes no sense. */
  readonly usage: { readonly usage: Usage | null; readonly raw: unknown } | undefined
}

/** Returns the most tokens that the request may produce, when the client said so. */
export const maxOutputTokens = (request: ChatRequest): number | undefined =>
  request.max_completion_tokens ?? request.max_tokens ?? undefined

/** Name of a file whose client gives it none: servers want one. */
export const UNNAMED_FILE = "document.pdf"

/** UTF-8 of a text, by the usual rule of thumb for BPE vocabularies. */
export const BYTES_PER_TOKEN = 4

/** Tokens of a part that is no text: those of an image of medium size, and a guess for the rest. */
export const PART_TOKENS = 500

/**
 * Estimates input tokens before a provider counts them: four bytes of UTF-8 a token plus four tokens a message, the
 * usual rule of thumb for BPE vocabularies; tools, their calls and schemas are text to the model as well. Scores and
 * the shares of broken streams use it; bills use the provider's numbers.
 */
export const estimateInputTokens = (request: ChatRequest): number => {
  let bytes = jsonLength(request.tools) + jsonLength(request.functions) + jsonLength(request.response_format)
  let tokens = 4 * request.messages.length
  for (const { content, tool_calls, function_call } of request.messages) {
    bytes += jsonLength(tool_calls) + jsonLength(function_call)
    if (typeof content === "string") bytes += Buffer.byteLength(content)
    else if (typeof content === "object" && content !== null) {
      for (const { text } of content) {
        if (text == null) tokens += PART_TOKENS
        else bytes += Buffer.byteLength(text)
      }
    }
  }
  return Math.ceil(bytes / BYTES_PER_TOKEN) + tokens
}

const jsonLength = (value: unknown): number =>
  value === undefined || value === null ? 0 : JSON.stringify(value).length
