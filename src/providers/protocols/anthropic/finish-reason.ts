import type { BetaStopReason } from "@anthropic-ai/sdk/resources/beta/messages"
import type { StopReason } from "@anthropic-ai/sdk/resources/messages"
import type { FinishReason } from "../../../domain/Chat.ts"
import { upstreamFault } from "../fault.ts"
import type { Fault } from "../Protocol.ts"

/** Every reason that Anthropic's own package knows: with a new one there, this does not compile. */
const finishReasons: ReadonlyMap<unknown, FinishReason> = new Map(
  Object.entries({
    end_turn: "stop",
    stop_sequence: "stop",
    max_tokens: "length",
    model_context_window_exceeded: "length",
    tool_use: "tool_calls",
    refusal: "content_filter",
    // Of tools that run at Anthropic, and of summaries, which no translated request asks for.
    pause_turn: "other",
    compaction: "other",
  } satisfies Readonly<Record<StopReason | BetaStopReason, FinishReason>>),
)

/** Reads why a message ended; a reason that nobody here knows is `other`. `called`: it called a function, whatever it says. */
export const readFinishReason = (value: unknown, called: boolean): FinishReason => {
  const reason = finishReasons.get(value) ?? "other"
  return reason === "stop" && called ? "tool_calls" : reason
}

/**
 * Returns the fault of a message that ended so without any content: one that just ended, as some do after the result of a tool,
 * is no answer. One that ran out of tokens while it thought, or met a filter, is.
 */
export const emptyFault = (value: unknown): Fault | undefined => {
  const reason = readFinishReason(value, false)
  if (reason === "length" || reason === "content_filter") return undefined
  const said = typeof value === "string" ? value : undefined
  return upstreamFault("no_answer", {
    message: `The provider gave no answer: ${said}`,
    identifiers: [said],
  })
}
