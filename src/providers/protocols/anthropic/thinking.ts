import type { ThinkingConfigParam } from "@anthropic-ai/sdk/resources/messages"
import type { WantedThinking } from "../thinking.ts"
import { stopOf, takesExtraEffort, thinkingOf, thinksUnasked } from "./model-abilities.ts"
import type { Effort } from "./wire.ts"

interface ThinkingSettings {
  readonly thinking?: ThinkingConfigParam
  readonly effort?: Effort
}

/** What of a request decides whether a model may think. */
interface Circumstances {
  /** The client wants a tool to be called. No model thinks before it does as it is told. */
  readonly isOrdered: boolean
  /** The conversation ends in calls that had no thought before them. */
  readonly isBare: boolean
  readonly maxTokens: number
}

/** Tells one model how much to think. */
export const thinkingFor = (
  model: string,
  wanted: WantedThinking,
  circumstances: Circumstances,
): ThinkingSettings => {
  switch (thinkingOf(model)) {
    case undefined:
      return {}
    case "budget":
      return withinBudget(wanted, circumstances)
    case "adaptive":
      return adaptive(model, wanted, circumstances)
  }
}

const adaptive = (model: string, wanted: WantedThinking, { isOrdered }: Circumstances): ThinkingSettings => {
  const effort = effortOf(model, wanted)
  if (
    isOrdered ||
    wanted?._tag === "BetweenTools" ||
    (wanted?._tag === "Effort" && wanted.effort === "none")
  ) {
    const type = stopOf(model)
    if (type === undefined) return { effort: "low" }
    return {
      ...(thinksUnasked(model) && { thinking: { type } }),
      // Above, not thinking is refused.
      ...(effort !== undefined && { effort: effort === "xhigh" || effort === "max" ? "high" : effort }),
    }
  }
  if (wanted === undefined) return {}
  const display = wanted._tag === "Effort" ? undefined : wanted.display
  // Unless they are told, newer models keep to themselves what they thought.
  return {
    thinking: { type: "adaptive", display: display ?? "summarized" },
    ...(effort !== undefined && { effort }),
  }
}

const LOW_TOKENS = 4096
const MEDIUM_TOKENS = 16_384
const HIGH_TOKENS = 32_768

/** Returns the nearest effort that the model knows; undefined for its own. */
const effortOf = (model: string, wanted: WantedThinking): Effort | undefined => {
  if (wanted === undefined) return undefined
  if (wanted._tag === "Tokens") {
    return wanted.tokens <= LOW_TOKENS ? "low" : wanted.tokens <= MEDIUM_TOKENS ? "medium" : "high"
  }
  switch (wanted.effort) {
    case undefined:
    case "none":
      return undefined
    case "minimal":
      return "low"
    case "xhigh":
      return takesExtraEffort(model) ? "xhigh" : "high"
    default:
      return wanted.effort
  }
}

/** The least budget that Claude takes. */
const MIN_TOKENS = 1024

const withinBudget = (
  wanted: WantedThinking,
  { isBare, isOrdered, maxTokens }: Circumstances,
): ThinkingSettings => {
  const tokens = tokensOf(wanted)
  // The budget is part of the answer's limit, and below it; what an effort stands for leaves room to say something.
  const most = wanted?._tag === "Tokens" ? maxTokens - 1 : Math.floor(maxTokens / 2)
  if (tokens === undefined || isOrdered || isBare || most < MIN_TOKENS) return {}
  const budget_tokens = Math.max(MIN_TOKENS, Math.min(tokens, most))
  return { thinking: { type: "enabled", budget_tokens } }
}

const tokensOf = (wanted: WantedThinking): number | undefined => {
  if (wanted === undefined) return undefined
  if (wanted._tag === "Tokens") return wanted.tokens
  if (wanted._tag === "BetweenTools") return undefined
  switch (wanted.effort ?? "medium") {
    case "none":
      return undefined
    case "minimal":
      return MIN_TOKENS
    case "low":
      return LOW_TOKENS
    case "medium":
      return MEDIUM_TOKENS
    default:
      return HIGH_TOKENS
  }
}
