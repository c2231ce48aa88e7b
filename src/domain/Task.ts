import type { JsonSource } from "../platform/json-source.ts"
import { remembered } from "../platform/remembered.ts"
import { type CallMode, type ChatRequest, estimateInputTokens, maxOutputTokens } from "./Chat.ts"
import type { Dialect } from "./Dialect.ts"
import { type EmbeddingRequest, estimateEmbeddingTokens } from "./Embedding.ts"

/** A client's wish of a model. */
export type Task = ChatTask | EmbeddingTask

export interface ChatTask {
  readonly _tag: "Chat"
  /** The request in the common language, whatever the client speaks. */
  readonly request: ChatRequest
  readonly mode: CallMode
  /** What the client speaks, and so `source`; chat when absent. */
  readonly dialect?: Dialect | undefined
  /** The fields of the client's own request but for the model, where they are not those of `request`. */
  readonly body?: Readonly<Record<string, unknown>> | undefined
  /** What is asked for is the conversation in short, for which Responses have a path of their own. */
  readonly isCompaction?: boolean | undefined
  /** What of the client's request `request` does not say; undefined for nothing. */
  readonly beyond?: BeyondChat | undefined
  /** Names as the client does what a provider names in chat's words, a field or a place; chat's names when absent. */
  readonly ownNames?: ((param: string) => ReadonlyArray<string>) | undefined
  /** The bytes of the client's own request that `request` was read from, where they may go on as they are. */
  readonly source?: JsonSource | undefined
  /** Header fields of the client's that belong to the body, for providers that speak the same dialect: names and values in turn. */
  readonly headers?: ReadonlyArray<string> | undefined
}

/** What a client's request says, but for how it is to be answered. */
export type ReadRequest = Omit<ChatTask, "mode" | "source">

/** What of a request chat has no word for. Providers that speak its dialect themselves take it all the same. */
export interface BeyondChat {
  /** A field without which the answer would be another one, and why others do not take it. */
  readonly refused: { readonly param: string; readonly reason: string } | undefined
  /** Fields that an answer can do without. */
  readonly dropped: ReadonlyArray<string>
  /** An answer may be a lesser one for it: a tool is among what is dropped. */
  readonly isReduced: boolean
}

export interface EmbeddingTask {
  readonly _tag: "Embedding"
  readonly request: EmbeddingRequest
  /** The bytes of the client's own OpenAI request that `request` was read from. */
  readonly source?: JsonSource | undefined
}

/** Returns the fields that a client sent, any of which may reach a provider that speaks as it does. */
export const fieldsOf = (task: Task): object =>
  task._tag === "Chat" ? (task.body ?? task.request) : task.request

/** Returns what of a task is lost on a provider that speaks `dialect`; undefined for nothing. */
export const beyondOf = (task: Task, dialect: Dialect = "chat"): BeyondChat | undefined =>
  task._tag === "Chat" && (task.dialect ?? "chat") !== dialect ? task.beyond : undefined

/** Returns the client's names of what `dialect` names so; none of what the gateway says itself. */
export const ownNamesOf = (task: Task, param: string, dialect: Dialect = "chat"): ReadonlyArray<string> =>
  task._tag === "Chat" && (task.dialect ?? "chat") !== dialect && task.ownNames !== undefined
    ? task.ownNames(param)
    : [param]

/** Returns the first of them, for who can say but one. */
export const ownNameOf = (task: Task, param: string, dialect?: Dialect): string =>
  ownNamesOf(task, param, dialect)[0] ?? param

/** Returns how the answer travels; embeddings always travel whole. */
export const modeOf = (task: Task): CallMode => (task._tag === "Chat" ? task.mode : "whole")

/** Estimates what a task reads, once: it looks at every text of the request. */
export const inputTokensOf = remembered((task: Task): number =>
  task._tag === "Chat" ? estimateInputTokens(task.request) : estimateEmbeddingTokens(task.request),
)

/** Returns the most tokens that the task may produce, when it says so; embeddings produce none. */
export const outputLimitOf = (task: Task): number | undefined =>
  task._tag === "Chat" ? maxOutputTokens(task.request) : 0

/** Returns how many answers are asked for, each of which may be as long. */
export const choicesOf = (task: Task): number => {
  const n = task._tag === "Chat" ? task.request.n : 1
  return typeof n === "number" && n > 1 ? n : 1
}

/** Returns the client's name of the field that limits its answers; undefined where there is none. */
export const limitNameOf = (task: Task): string | undefined => {
  if (task._tag === "Embedding") return undefined
  const { max_completion_tokens } = task.request
  return ownNameOf(task, max_completion_tokens == null ? "max_tokens" : "max_completion_tokens")
}

/**
 * Returns how many tokens a model may produce for the task, over all choices: what the client says, else what the model can,
 * `unstatedTokens` at most.
 */
export const outputBoundOf = (
  task: Task,
  { maxOutputTokens: limit }: { readonly maxOutputTokens?: number },
  unstatedTokens: number,
): number => {
  if (task._tag === "Embedding") return 0
  // A conversation that is put in short is given no limit: its vendor takes none.
  if (task.isCompaction) return limit ?? unstatedTokens
  const { max_completion_tokens, max_tokens } = task.request
  // Both go on, and the vendor chooses.
  const asked = Math.max(max_completion_tokens ?? 0, max_tokens ?? 0)
  return choicesOf(task) * (asked > 0 ? asked : Math.min(limit ?? unstatedTokens, unstatedTokens))
}
