import { Result } from "effect"
import type { ChatRequest } from "../../../../src/domain/Chat.ts"
import type { EmbeddingRequest } from "../../../../src/domain/Embedding.ts"
import type { Task } from "../../../../src/domain/Task.ts"
import { gemini } from "../../../../src/providers/protocols/gemini/protocol.ts"

/** Lowers a task and writes its body at once: the parsed body, or why there is none. */
const lower = (task: Task, model: string) =>
  Result.map(gemini.lower(task, model), ({ write }) => JSON.parse(String(write("whole"))))

export const lowerChat = (request: ChatRequest, model: string) =>
  lower({ _tag: "Chat", request, mode: "whole" }, model)

export const lowerEmbedding = (request: EmbeddingRequest, model = "gemini-embedding-001") =>
  lower({ _tag: "Embedding", request }, model)

/** Why a request cannot be lowered; undefined when it can. */
export const faultOf = (lowered: ReturnType<typeof lower>) =>
  Result.isFailure(lowered) ? lowered.failure : undefined
