import type { OpenAI } from "openai"
import type { FinishReason } from "../../../domain/Chat.ts"
import { makeUsage, type Usage } from "../../../domain/Usage.ts"
import { isObject, objectAt } from "../json.ts"

/** What whole and streamed answers of an OpenAI-speaking provider have in common. */

// --- usage

export const readUsage = (usage: unknown): Usage | null => {
  if (!isObject(usage)) return null
  return makeUsage({
    inputTokens: usage.prompt_tokens,
    outputTokens: usage.completion_tokens,
    cachedTokens: objectAt(usage, "prompt_tokens_details")?.cached_tokens,
    reasoningTokens: objectAt(usage, "completion_tokens_details")?.reasoning_tokens,
  })
}

// --- finish reasons

const finishReasons = new Map<unknown, FinishReason>(
  Object.entries({
    stop: "stop",
    length: "length",
    content_filter: "content_filter",
    tool_calls: "tool_calls",
    function_call: "tool_calls",
  } satisfies Record<OpenAI.ChatCompletion.Choice["finish_reason"], FinishReason>),
)

export const finishReason = (value: unknown): FinishReason => finishReasons.get(value) ?? "other"
