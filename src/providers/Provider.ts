import type { Effect } from "effect"
import type { ModelConfig } from "../catalog/model.ts"
import type { ChatChunk, ChatRequest, Completion } from "../domain/Chat.ts"
import type { EmbeddingRequest } from "../domain/Embedding.ts"
import type { ProviderError } from "../domain/ProviderError.ts"
import type { Task } from "../domain/Task.ts"

/**
 * The seam to one LLM provider. A call is exactly one upstream attempt: no retry, no fallback and no logging in
 * here; interruption aborts the upstream socket.
 */
export interface Provider {
  readonly name: string
  readonly simulated: boolean
  readonly models: ReadonlyMap<string, ModelConfig>
  /** A part of the request that this model behind the provider's protocol cannot take. Pure: planning asks it. */
  readonly unable: (task: Task, model: string) => Unable | undefined
  readonly complete: (call: ProviderCall<ChatRequest>) => Effect.Effect<Completion, ProviderError>
  /**
   * Hands every chunk to the sink, in order, and succeeds after the provider's terminal event. A stream that ends
   * without it, falls silent or reports an error fails, whatever the sink has been given by then.
   */
  readonly stream: (call: ProviderCall<ChatRequest>, sink: ChunkSink) => Effect.Effect<void, ProviderError>
  readonly embed: (call: ProviderCall<EmbeddingRequest>) => Effect.Effect<Completion, ProviderError>
}

export interface ProviderCall<Request> {
  readonly model: string
  readonly request: Request
  /** Time this attempt has left, at most the configured upstream timeouts apply within it. */
  readonly timeoutMs: number
}

/** Where a streamed answer goes. Called from outside of any fiber, once per chunk, and never throws. */
export interface ChunkSink {
  /** False = no room: stop reading from the provider until `onRoom` is called. */
  readonly write: (chunk: ChatChunk) => boolean
  /** Set by the provider while its stream runs. */
  onRoom: () => void
}

/** A field and why it cannot be served, as a sentence for the client. */
export interface Unable {
  readonly param: string
  readonly reason: string
}
