import type { FinishReason as GeminiFinishReason } from "@google/genai"
import type { FinishReason } from "../../../domain/Chat.ts"
import { upstreamFault } from "../fault.ts"
import type { Fault } from "../Protocol.ts"

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
    MODEL_ARMOR: "content_filter",
    ESCALATION: "content_filter",
    // Two more than the package knows.
  } satisfies {
    readonly [reason in keyof typeof GeminiFinishReason | "MODEL_ARMOR" | "ESCALATION"]?: FinishReason
  }),
)

/** Reads why a candidate stopped. `called`: it called a function, for which OpenAI has a reason of its own. */
export const readFinishReason = (value: unknown, called: boolean): FinishReason => {
  const reason = finishReasons.get(value) ?? "other"
  return reason === "stop" && called ? "tool_calls" : reason
}

/**
 * Returns the fault of an empty candidate: with a malformed function call or any other failure as its reason it is no
 * answer, nor when it just stopped, which some models do now and then. The same request may well fail again. One that ran
 * out of tokens while it thought, or met a filter, is an answer.
 */
export const emptyCandidateFault = (value: unknown): Fault | undefined =>
  ["other", "stop"].includes(readFinishReason(value, false))
    ? upstreamFault("server_error_once", { identifiers: [typeof value === "string" ? value : undefined] })
    : undefined
