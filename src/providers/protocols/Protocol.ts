import type { Result } from "effect"
import type { CallMode, ChatChunk, Completion } from "../../domain/Chat.ts"
import type { Dialect } from "../../domain/Dialect.ts"
import type { EmbeddingRequest } from "../../domain/Embedding.ts"
import type { ProviderErrorKind } from "../../domain/ProviderError.ts"
import type { Task } from "../../domain/Task.ts"
import type { Usage } from "../../domain/Usage.ts"
import type { JsonObject } from "../../platform/json.ts"
import type { SseEvent } from "../http/sse.ts"
import type { UpstreamHeaders } from "../http/UpstreamExchange.ts"

/**
 * One provider wire format as pure functions. Its folder has the same files as the others: `request.ts` lowers, `answer.ts`,
 * `stream.ts` and `embeddings.ts` read, `usage.ts`, `finish-reason.ts` and `errors.ts` read a part of each, `other-form.ts` turns
 * whole answers and streams into one another, and `protocol.ts` joins them; `native-*.ts` are for clients that speak it themselves.
 * Other files are named in the vendor's words.
 */
export interface Protocol {
  /** Puts a task into the protocol's words. Pure; work in proportion to the length of texts is left to the writer. */
  readonly lower: (task: Task, model: string) => Result.Result<BodyWriter, LoweringFault>
  /** Reads the 200 of a whole answer. `model` names the answer when the provider does not. */
  readonly parse: (model: string, answer: JsonAnswer) => Result.Result<Completion, Fault>
  /** Reads what a 200 says that it used, also one that is no answer; null where it says nothing, or nonsense. */
  readonly usageOf: (json: JsonObject) => Usage | null
  /** Makes a reader of one streamed answer. `nowMs` dates it when the provider's events do not. */
  readonly openStream: (model: string, nowMs: number) => StreamReader
  /** Makes a whole answer of the events that came in its place; undefined when they are none. */
  readonly joinEvents?: (events: ReadonlyArray<Pick<SseEvent, "data">>) => JsonObject | undefined
  /** Makes the data of a stream's events of the JSON that came in their place; undefined when it is none. */
  readonly splitAnswer: (json: unknown) => ReadonlyArray<string> | undefined
  readonly parseEmbedding: (
    model: string,
    request: EmbeddingRequest,
    answer: JsonAnswer,
  ) => Result.Result<Completion, Fault>
  /** Classifies an answer with any other status. */
  readonly classify: (answer: ErrorAnswer, nowMs: number) => Fault
}

/** A protocol at the paths of a vendor. One vendor may have several, for the dialects that it speaks. */
export interface Wire {
  readonly protocol: Protocol
  /** The dialect whose requests it takes as they are; absent where whatever goes over it is translated. */
  readonly dialect?: Dialect
  /** The path after the base URL. */
  readonly path: (model: string, call: "chat" | "stream" | "embedding") => string
  /** Where the vendor counts the tokens of what it is asked, without answering it; absent where it does not. */
  readonly count?: { readonly path: string; readonly read: (json: unknown) => number | undefined }
  /** The path begins at the root of the server instead. */
  readonly isRooted?: boolean
  /** The header that carries the key, where it is another than the vendor's. */
  readonly keyHeader?: string
  /** Asked in its place from when the server turns out not to have its path: not each version of a server does. */
  readonly instead?: Wire
}

/** Writes the JSON body of a lowered task. A chat's may differ between whole and streamed answers. */
export interface BodyWriter {
  readonly write: (mode: CallMode) => string | Uint8Array
  /**
   * Names fields of the client that the provider has no words for, and whose loss leaves the answer what it is. Few ask for them. A
   * function: an object literal with a getter is one of a class of its own, which keeps what it refers to until the next full
   * garbage collection.
   */
  readonly dropped?: () => ReadonlyArray<string>
  /** Header fields that the body needs: names and values in turn. */
  readonly headers?: ReadonlyArray<string> | undefined
  /**
   * Finds other words, for when the provider does not take these: without a signature, an option of the gateway's own, a
   * new role. `refused` is what it named, or an empty text, `turns` what is wrong with past turns; undefined when there are none
   * (any more).
   */
  readonly reworded?: (refused: string, turns?: Fault["turns"]) => BodyWriter | undefined
  /** Hears that the provider took these words, so that later requests can be worded so at once. */
  readonly taken?: () => void
}

/** Reason why a task cannot be put into a protocol's words. */
export interface LoweringFault {
  /** `unsupported`: another provider may take it, or has to judge it. `malformed`: it makes sense to none. */
  readonly kind: "unsupported" | "malformed"
  readonly param: string
  /** A sentence for the client. */
  readonly reason: string
}

/** The body of a 200. */
export interface JsonAnswer {
  /** Undefined when it was no JSON. */
  readonly json: unknown
  readonly bytes: Buffer
  /** Epoch milliseconds, for answers that carry no time of their own. */
  readonly nowMs: number
}

/** Reads the events of one stream in order; their meaning may depend on those before. Never throws. */
export interface StreamReader {
  readonly read: (event: SseEvent) => Reading
  /** Reads the proper end of the body; `rest` is the text after the last complete event, mostly empty. */
  readonly end: (rest: string) => Reading
}

export type Reading =
  /** Any number of chunks: a foreign event may stand for none, or for several of OpenAI's. */
  | { readonly _tag: "Chunks"; readonly chunks: ReadonlyArray<ChatChunk> }
  /** The answer is complete: these chunks are the last. */
  | { readonly _tag: "Done"; readonly chunks: ReadonlyArray<ChatChunk> }
  | { readonly _tag: "Fault"; readonly fault: Fault }

/** Header fields that say how long to wait. */
export type WaitHeaders = Pick<UpstreamHeaders, "retryAfter" | "retryAfterMs"> &
  Partial<Pick<UpstreamHeaders, "resets">>

export interface ErrorAnswer {
  readonly status: number
  readonly headers: WaitHeaders
  /** Undefined when the body was no JSON. */
  readonly body: unknown
}

/** A `ProviderError` without its provider and model; see there for what each text may hold. */
export interface Fault {
  readonly kind: ProviderErrorKind
  readonly retryAfterMs?: number | undefined
  readonly message?: string | undefined
  readonly param?: string | null | undefined
  readonly ownParam?: string | undefined
  /** What past turns have or miss, where that is why other words are needed. */
  readonly turns?: "have_fields" | "have_reasoning" | "miss_reasoning" | undefined
  readonly code?: string | undefined
  readonly unsent?: true | undefined
  readonly modelOnly?: true | undefined
  readonly detail?: string | undefined
}
