import type { Result } from "effect"
import type { CallMode, ChatChunk, ChatRequest, Completion } from "../../domain/Chat.ts"
import type { EmbeddingRequest } from "../../domain/Embedding.ts"
import type { ProviderErrorKind } from "../../domain/ProviderError.ts"
import type { Task } from "../../domain/Task.ts"
import type { SseEvent } from "../http/sse.ts"
import type { UpstreamHeaders } from "../http/UpstreamExchange.ts"
import type { Unable } from "../Provider.ts"

/**
 * One provider wire format as pure functions. Each protocol keeps the same sections in the same order: request
 * lowering, response parsing, stream reading, embeddings, usage, finish reasons, error classification.
 */
export interface Protocol {
  /** See `Provider.unable`. What passes it can be lowered, except for faults in the values themselves. */
  readonly unable: (task: Task, model: string) => Unable | undefined
  /** The JSON body to send, or why the request makes no sense (`bad_request`). */
  readonly lower: (model: string, request: ChatRequest, mode: CallMode) => Result.Result<string, Fault>
  /** A 200 of a whole answer. `model` names the answer when the provider does not. */
  readonly parse: (model: string, answer: JsonAnswer) => Result.Result<Completion, Fault>
  /** A reader of one streamed answer. `nowMs` dates it when the provider's events do not. */
  readonly openStream: (model: string, nowMs: number) => StreamReader
  readonly lowerEmbedding: (model: string, request: EmbeddingRequest) => Result.Result<string, Fault>
  readonly parseEmbedding: (
    model: string,
    request: EmbeddingRequest,
    answer: JsonAnswer,
  ) => Result.Result<Completion, Fault>
  /** Any other status. */
  readonly classify: (answer: ErrorAnswer, nowMs: number) => Fault
}

/** The body of a 200. */
export interface JsonAnswer {
  /** Undefined when it was no JSON. */
  readonly json: unknown
  readonly bytes: Buffer
  /** Epoch milliseconds, for answers that carry no time of their own. */
  readonly nowMs: number
}

/** Fed the events of one stream in order; what they mean may depend on those before. Never throws. */
export interface StreamReader {
  readonly read: (event: SseEvent) => Reading
  /** The upstream ended its body properly; `rest` is what followed the last complete event, mostly nothing. */
  readonly end: (rest: string) => Reading
}

export type Reading =
  /** Any number of chunks: a foreign event may stand for none, or for several of OpenAI's. */
  | { readonly _tag: "Chunks"; readonly chunks: ReadonlyArray<ChatChunk> }
  /** The answer is complete: these chunks are the last. */
  | { readonly _tag: "Done"; readonly chunks: ReadonlyArray<ChatChunk> }
  | { readonly _tag: "Fault"; readonly fault: Fault }

export interface ErrorAnswer {
  readonly status: number
  readonly headers: Pick<UpstreamHeaders, "retryAfter" | "retryAfterMs">
  /** Undefined when the body was no JSON. */
  readonly body: unknown
}

/** A `ProviderError` before it is known whose it is; see there for what each text may hold. */
export interface Fault {
  readonly kind: ProviderErrorKind
  readonly retryAfterMs?: number | undefined
  readonly message?: string | undefined
  readonly param?: string | null | undefined
  readonly detail?: string | undefined
}
