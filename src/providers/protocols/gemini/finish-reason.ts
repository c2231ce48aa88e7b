import type { FinishReason as GeminiFinishReason } from "@google/genai"
import type { FinishReason } from "../../../domain/Chat.ts"

const finishReasons = new Map<unknown, FinishReason>(
  Object.entries({
    STOP: "stop",
    MAX_TOKENS: "length",
    SAFETY: "content_filter",
    RECITATION: "content_filter",
    LANGUAGE: "content_filter",
    BLOCKLIST: "content_filter",
    PROHIBITED_CONTENT: "content_filter",
    SPII: "content_filter",
    IMAGE_SAFETY: "content_filter",
    IMAGE_PROHIBITED_CONTENT: "content_filter",
    IMAGE_RECITATION: "content_filter",
  } satisfies { readonly [reason in keyof typeof GeminiFinishReason]?: FinishReason }),
)

/** Gemini stops after a function call as after anything else; OpenAI has a reason of its own for it. */
export const readFinishReason = (value: unknown, called: boolean): FinishReason => {
  const reason = finishReasons.get(value) ?? "other"
  return reason === "stop" && called ? "tool_calls" : reason
}
