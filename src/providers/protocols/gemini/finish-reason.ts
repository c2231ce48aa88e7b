import type { FinishReason as GeminiFinishReason } from "@google/genai"
import type { FinishReason } from "../../../domain/Chat.ts"
import type { ProviderErrorKind } from "../../../domain/ProviderError.ts"
import { upstreamFault } from "../fault.ts"
import type { Fault } from "../Protocol.ts"

/** A reason that ends an answer, or one that leaves none, whatever was said before. */
export type Meaning = { readonly ends: FinishReason } | { readonly fails: ProviderErrorKind }

const filtered: Meaning = { ends: "content_filter" }
const unknown: Meaning = { ends: "other" }
/** The same request may well get an answer. */
const malformed: Meaning = { fails: "no_answer" }

/** Every reason that Google's own package knows: with a new one there, this does not compile. */
export const meanings: ReadonlyMap<unknown, Meaning> = new Map(
  Object.entries({
    STOP: { ends: "stop" },
    MAX_TOKENS: { ends: "length" },
    SAFETY: filtered,
    RECITATION: filtered,
    LANGUAGE: filtered,
    BLOCKLIST: filtered,
    PROHIBITED_CONTENT: filtered,
    SPII: filtered,
    IMAGE_SAFETY: filtered,
    IMAGE_PROHIBITED_CONTENT: filtered,
    IMAGE_RECITATION: filtered,
    MODEL_ARMOR: filtered,
    ESCALATION: filtered,
    MALFORMED_FUNCTION_CALL: malformed,
    UNEXPECTED_TOOL_CALL: malformed,
    TOO_MANY_TOOL_CALLS: malformed,
    MALFORMED_RESPONSE: malformed,
    MISSING_THOUGHT_SIGNATURE: { fails: "needs_rewording" },
    // Google has limited or closed the operator's account.
    PUP_LIMITED_DISABLED: { fails: "not_enabled" },
    FINISH_REASON_UNSPECIFIED: unknown,
    OTHER: unknown,
    IMAGE_OTHER: unknown,
    NO_IMAGE: unknown,
    CONTINUATION: unknown,
  } satisfies Readonly<Record<keyof typeof GeminiFinishReason, Meaning>>),
)

/** Reads why a candidate stopped. `called`: it called a function, for which OpenAI has a reason of its own. */
export const readFinishReason = (value: unknown, called: boolean): FinishReason => {
  const meaning = meanings.get(value) ?? unknown
  if ("fails" in meaning) return "other"
  return meaning.ends === "stop" && called ? "tool_calls" : meaning.ends
}

/**
 * Returns the fault of a candidate that stopped so: a malformed call is no answer, even beside a text. Nor is an empty
 * candidate that just stopped, which some models give now and then, or for a reason that says nothing; one that ran out of
 * tokens while it thought, or met a filter, is an answer.
 */
export const candidateFault = (value: unknown, isEmpty: boolean): Fault | undefined => {
  const meaning = meanings.get(value) ?? unknown
  if ("fails" in meaning) return stopped(meaning.fails, value)
  return isEmpty && (meaning.ends === "other" || meaning.ends === "stop")
    ? stopped("no_answer", value)
    : undefined
}

export const stopped = (kind: ProviderErrorKind, value: unknown): Fault => {
  const reason = typeof value === "string" ? value : undefined
  return upstreamFault(kind, {
    message: `The provider gave no answer: ${reason}`,
    identifiers: [reason],
  })
}
