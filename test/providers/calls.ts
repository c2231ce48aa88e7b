import { Effect, Result } from "effect"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { EmbeddingRequest } from "../../src/domain/Embedding.ts"
import type { Task } from "../../src/domain/Task.ts"
import type { ChunkSink, OnLimit, PreparedCall, Provider } from "../../src/providers/Provider.ts"

/** One request to one model of a provider, prepared and sent at once. */
export interface ProviderCall<Request> {
  readonly model: string
  readonly request: Request
  readonly timeoutMs: number
}

/** A request that the provider does not support is a mistake of the test. */
const prepared = (provider: Provider, task: Task, model: string) =>
  Effect.suspend(() => {
    const call = provider.prepare(task, model)
    return Result.isSuccess(call) ? Effect.succeed<PreparedCall>(call.success) : Effect.die(call.failure)
  })

export const complete = (
  provider: Provider,
  { model, request, timeoutMs }: ProviderCall<ChatRequest>,
  onLimit?: OnLimit,
) =>
  Effect.flatMap(prepared(provider, { _tag: "Chat", request, mode: "whole" }, model), (call) =>
    call.complete(timeoutMs, { onLimit }),
  )

export const stream = (
  provider: Provider,
  { model, request, timeoutMs }: ProviderCall<ChatRequest>,
  sink: ChunkSink,
  onLimit?: OnLimit,
) =>
  Effect.flatMap(prepared(provider, { _tag: "Chat", request, mode: "stream" }, model), (call) =>
    call.stream(timeoutMs, sink, { onLimit }),
  )

export const embed = (provider: Provider, { model, request, timeoutMs }: ProviderCall<EmbeddingRequest>) =>
  Effect.flatMap(prepared(provider, { _tag: "Embedding", request }, model), (call) =>
    call.complete(timeoutMs),
  )
