import { type CallMode, type ChatRequest, estimateInputTokens, maxOutputTokens } from "./Chat.ts"
import { type EmbeddingRequest, estimateEmbeddingTokens } from "./Embedding.ts"

/** The work that a client wants of a model. */
export type Task =
  | { readonly _tag: "Chat"; readonly request: ChatRequest; readonly mode: CallMode }
  | { readonly _tag: "Embedding"; readonly request: EmbeddingRequest }

/** Returns how the answer travels; embeddings always travel whole. */
export const modeOf = (task: Task): CallMode => (task._tag === "Chat" ? task.mode : "whole")

export const inputTokensOf = (task: Task): number =>
  task._tag === "Chat" ? estimateInputTokens(task.request) : estimateEmbeddingTokens(task.request)

/** Returns the most tokens that the task may produce, when it says so; embeddings produce none. */
export const outputLimitOf = (task: Task): number | undefined =>
  task._tag === "Chat" ? maxOutputTokens(task.request) : 0
