import type { Effect, Result } from "effect"
import type { ModelConfig } from "../catalog/model.ts"
import type { CallRoom } from "../domain/AnswerRoom.ts"
import type { ChatChunk, Completion } from "../domain/Chat.ts"
import type { ProviderError, ProviderErrorKind } from "../domain/ProviderError.ts"
import type { Task } from "../domain/Task.ts"

/** The seam to one LLM provider. */
export interface Provider {
  readonly name: string
  readonly simulated: boolean
  readonly models: ReadonlyMap<string, ModelConfig>
  /** Its keys, where it has a pool of them. */
  readonly keys?: ProviderKeys
  /**
   * Puts a task into the words of the provider's protocol for one of its models, without sending anything. Pure and
   * cheap: planning does it for every candidate, and the call of a candidate that is never asked is dropped.
   */
  readonly prepare: (task: Task, model: string) => Result.Result<PreparedCall, Unsupported>
}

/** The keys of a pool, as operators see them. Synchronous; times are `monotonicMs`. */
export interface ProviderKeys {
  readonly names: ReadonlyArray<string>
  /** How each is for a model, in the order of the configuration. */
  readonly statesOf: (model: string, nowMs: number) => ReadonlyArray<KeyState>
  /** Milliseconds until the model is to be asked with that one again; 0 = now. */
  readonly leftMs: (name: string, model: string, nowMs: number) => number
  /** Forgets what is known against any. */
  readonly reset: () => void
}

export interface KeyState {
  readonly name: string
  readonly weight: number
  /** Milliseconds until the model is asked with it again; 0 = it is. */
  readonly leftMs: number
  /** What it rests for, or was refused for without an answer since. */
  readonly why: ProviderErrorKind | "limit_used_up" | undefined
}

/** Hears from the head of an answer that a limit is used up, and for how many milliseconds from now on. */
export type OnLimit = (ms: number) => void

/** What an attempt is told besides its time, and what it tells before its end. */
export interface AttemptContext {
  /** Names the conversation, alike in every process: it keeps its key as long as that is well. */
  readonly conversation?: string | undefined
  readonly onLimit?: OnLimit | undefined
  /** Holds an answer that comes as a whole. */
  readonly answerRoom?: CallRoom | undefined
  /** Hears which key of a pool the attempt is made with, by its name. */
  readonly onKey?: ((name: string) => void) | undefined
}

/**
 * One task for one model, ready to be sent. Each run of an effect is exactly one upstream attempt: no retry, no fallback
 * and no logging in here; interruption aborts the upstream socket. `timeoutMs` is the time that the attempt has left;
 * within it the configured upstream timeouts apply.
 */
export interface PreparedCall {
  /** Names fields of the client's request that were left out, as the provider has no words for them. Only of who answered. */
  readonly dropped?: () => ReadonlyArray<string>
  /** Makes the same call without a parameter that was refused; undefined where that is not wanted. */
  readonly without?: (param: string) => PreparedCall | undefined
  /** The answer may be a lesser one for what was left out: who takes all is asked first. */
  readonly isReduced?: boolean | undefined
  /** Gets a whole answer: to a chat, or to an embeddings request. */
  readonly complete: (timeoutMs: number, context?: AttemptContext) => Effect.Effect<Completion, ProviderError>
  /**
   * Hands every chunk of a chat's answer to the sink, in order, and succeeds after the provider's terminal event. A
   * stream that ends without it, falls silent or reports an error fails, whatever the sink has been given by then.
   */
  readonly stream: (
    timeoutMs: number,
    sink: ChunkSink,
    context?: AttemptContext,
  ) => Effect.Effect<void, ProviderError>
  /** Has the provider count the tokens of the task, which costs nothing; absent where it does not. */
  readonly count?: ((timeoutMs: number) => Effect.Effect<number, ProviderError>) | undefined
}

/** The destination of a streamed answer. Called from outside of any fiber, once per chunk, and never throws. */
export interface ChunkSink {
  /** False = no room: stop reading from the provider until `onRoom` is called. */
  readonly write: (chunk: ChatChunk) => boolean
  /** Set by the provider while its stream runs. */
  onRoom: () => void
}

/** A field that a model behind the provider's protocol cannot take, and why, as a sentence for the client. */
export interface Unsupported {
  readonly param: string
  readonly reason: string
}
