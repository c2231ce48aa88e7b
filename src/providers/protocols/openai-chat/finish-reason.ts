import type { OpenAI } from "openai"
import type { FinishReason } from "../../../domain/Chat.ts"

const finishReasons = new Map<unknown, FinishReason>(
  Object.entries({
    stop: "stop",
    length: "length",
    content_filter: "content_filter",
    tool_calls: "tool_calls",
    function_call: "tool_calls",
    // Zhipu, Mistral, Together.
    sensitive: "content_filter",
    model_length: "length",
    eos: "stop",
  } satisfies Record<OpenAI.ChatCompletion.Choice["finish_reason"], FinishReason> &
    Record<string, FinishReason>),
)

/** Reads why a choice ended; a reason that nobody here knows is `other`. */
export const readFinishReason = (value: unknown): FinishReason => finishReasons.get(value) ?? "other"
