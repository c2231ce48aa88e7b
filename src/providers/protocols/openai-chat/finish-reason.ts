import type { OpenAI } from "openai"
import type { FinishReason } from "../../../domain/Chat.ts"
import type { ProviderErrorKind } from "../../../domain/ProviderError.ts"
import { type Meaning, meanings } from "../gemini/finish-reason.ts"

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
export const readFinishReason = (value: unknown): FinishReason => {
  const known = finishReasons.get(value)
  if (known !== undefined) return known
  const meaning = ofGoogle(value)
  return meaning === undefined || "fails" in meaning ? "other" : meaning.ends
}

/** Returns what a reason makes of an answer that is none. */
export const failureOf = (value: unknown): ProviderErrorKind | undefined => {
  if (finishReasons.has(value)) return undefined
  const meaning = ofGoogle(value)
  return meaning !== undefined && "fails" in meaning ? meaning.fails : undefined
}

/** Google's own compatible API says whose filter it was before the name: `content_filter: PROHIBITED_CONTENT`. */
const FILTERS: ReadonlyArray<readonly [name: string, meaning: Meaning]> = [
  ["content_filter: ", { ends: "content_filter" }],
  ["function_call_filter: ", { fails: "no_answer" }],
]

/** Reads one of Google's names, which some proxies pass on, too. */
const ofGoogle = (value: unknown): Meaning | undefined => {
  if (typeof value !== "string") return undefined
  const filter = FILTERS.find(([name]) => value.startsWith(name))
  return meanings.get(value) ?? filter?.[1]
}
