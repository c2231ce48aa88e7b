import type { ThinkingConfigParam } from "@anthropic-ai/sdk/resources/messages"
import { Result } from "effect"
import type { ChatRequest } from "../../../domain/Chat.ts"
import { isObject } from "../../../platform/json.ts"
import { malformed, present, unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import { stopOf, takesExtraEffort, thinkingOf, thinksUnasked } from "./model-abilities.ts"
import type { Effort } from "./wire.ts"

type Display = "summarized" | "omitted"

/** How much a client wants a model to think: as tokens; as an effort; as much as it likes; or nothing said. */
export type Thinking =
  | { readonly _tag: "Tokens"; readonly tokens: number; readonly display?: Display }
  | { readonly _tag: "Effort"; readonly effort: WantedEffort }
  | { readonly _tag: "Adaptive"; readonly display?: Display }
  | undefined

const efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const
type WantedEffort = (typeof efforts)[number]

/** Reads Anthropic's `thinking` or OpenAI's `reasoning_effort`, the first that is there. */
export const lowerThinking = (request: ChatRequest): Result.Result<Thinking, LoweringFault> => {
  const thinking = present(request.thinking)
  if (thinking !== undefined) return fromAnthropic(thinking)
  const effort = present(request.reasoning_effort)
  if (effort === undefined) return Result.succeed(undefined)
  const known = efforts.find((each) => each === effort)
  if (known !== undefined) return Result.succeed({ _tag: "Effort", effort: known })
  return Result.fail(
    typeof effort === "string"
      ? unsupported("reasoning_effort", "This effort is")
      : malformed("reasoning_effort", "reasoning_effort is a text."),
  )
}

const fromAnthropic = (thinking: unknown): Result.Result<Thinking, LoweringFault> => {
  if (!isObject(thinking)) return Result.fail(malformed("thinking", "thinking is an object."))
  const { type, budget_tokens: tokens, display } = thinking
  const shown: { readonly display?: Display } =
    display === "summarized" || display === "omitted" ? { display } : {}
  switch (type) {
    case "disabled":
    case "between_tools":
      return Result.succeed({ _tag: "Effort", effort: "none" })
    case "adaptive":
      return Result.succeed({ _tag: "Adaptive", ...shown })
    case "enabled":
      if (tokens === undefined) return Result.succeed({ _tag: "Adaptive", ...shown })
      return typeof tokens === "number" && Number.isInteger(tokens) && tokens > 0
        ? Result.succeed({ _tag: "Tokens", tokens, ...shown })
        : Result.fail(malformed("thinking.budget_tokens", "budget_tokens is a positive integer."))
    default:
      return Result.fail(
        typeof type === "string"
          ? unsupported("thinking", "This type of thinking is")
          : malformed("thinking.type", "The type is missing."),
      )
  }
}

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
  wanted: Thinking,
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

const adaptive = (model: string, wanted: Thinking, { isOrdered }: Circumstances): ThinkingSettings => {
  const effort = effortOf(model, wanted)
  if (isOrdered || (wanted?._tag === "Effort" && wanted.effort === "none")) {
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
const effortOf = (model: string, wanted: Thinking): Effort | undefined => {
  if (wanted === undefined || wanted._tag === "Adaptive") return undefined
  if (wanted._tag === "Tokens") {
    return wanted.tokens <= LOW_TOKENS ? "low" : wanted.tokens <= MEDIUM_TOKENS ? "medium" : "high"
  }
  switch (wanted.effort) {
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
  wanted: Thinking,
  { isBare, isOrdered, maxTokens }: Circumstances,
): ThinkingSettings => {
  const tokens = tokensOf(wanted)
  // The budget is part of the answer's limit, and below it; what an effort stands for leaves room to say something.
  const most = wanted?._tag === "Tokens" ? maxTokens - 1 : Math.floor(maxTokens / 2)
  if (tokens === undefined || isOrdered || isBare || most < MIN_TOKENS) return {}
  const budget_tokens = Math.max(MIN_TOKENS, Math.min(tokens, most))
  return { thinking: { type: "enabled", budget_tokens } }
}

const tokensOf = (wanted: Thinking): number | undefined => {
  if (wanted === undefined) return undefined
  if (wanted._tag === "Tokens") return wanted.tokens
  if (wanted._tag === "Adaptive") return MEDIUM_TOKENS
  switch (wanted.effort) {
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
