import { Result } from "effect"
import type { ChatRequest } from "../../../../src/domain/Chat.ts"
import { anthropic } from "../../../../src/providers/protocols/anthropic/protocol.ts"

/** The protocol, with a catalog that knows how much Haiku puts out. */
export const protocol = anthropic((model) => (model.includes("haiku") ? 64_000 : undefined))

/** Lowers a chat: the writer of its body, or why there is none. */
export const lower = (request: ChatRequest, model = "claude-haiku-4-5") =>
  protocol.lower({ _tag: "Chat", request, mode: "whole" }, model)

/** Lowers a chat and writes its body at once. */
export const lowerChat = (request: ChatRequest, model?: string) =>
  Result.map(lower(request, model), ({ write }) => JSON.parse(String(write("whole"))))

export const bodyOf = (request: ChatRequest, model?: string) => Result.getOrThrow(lowerChat(request, model))

/** Why a request cannot be lowered; undefined when it can. */
export const faultOf = (request: ChatRequest, model?: string) => {
  const lowered = lowerChat(request, model)
  return Result.isFailure(lowered) ? lowered.failure : undefined
}
