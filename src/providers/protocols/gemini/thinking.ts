import { Result } from "effect"
import type { ChatRequest } from "../../../domain/Chat.ts"
import { isObject } from "../../../platform/json.ts"
import { malformed, present, unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import { readThinking, type WantedEffort } from "../thinking.ts"
import type { GoogleFields } from "./google-fields.ts"
import {
  canStopThinking,
  canThinkMinimally,
  canThinkModerately,
  canThinkMost,
  thinkingOf,
} from "./model-abilities.ts"
import type { ThinkingSettings } from "./wire.ts"

/**
 * How much a client wants a model to think: in Google's own words, which go out as they are; as tokens; as an effort; or
 * nothing.
 */
export type Thinking =
  | { readonly _tag: "Google"; readonly settings: ThinkingSettings }
  | { readonly _tag: "Tokens"; readonly tokens: number }
  | { readonly _tag: "Effort"; readonly effort: WantedEffort }
  | undefined

/** Reads Google's `thinking_config`, Anthropic's `thinking`, or OpenAI's `reasoning_effort`, the first that is there. */
export const lowerThinking = (
  request: ChatRequest,
  google: GoogleFields,
): Result.Result<Thinking, LoweringFault> => {
  const config = present(google.thinking_config)
  if (config !== undefined) return fromGoogle(config)
  return Result.map(readThinking(request), (wanted) => {
    if (wanted?._tag !== "Adaptive" && wanted?._tag !== "BetweenTools") return wanted
    // How much is up to the model; how hard it shall try may be said beside it.
    return wanted.effort === undefined ? undefined : { _tag: "Effort", effort: wanted.effort }
  })
}

const levels = ["MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"] as const

const fromGoogle = (config: unknown): Result.Result<Thinking, LoweringFault> => {
  const param = "extra_body.google.thinking_config"
  if (!isObject(config)) return Result.fail(malformed(param, "thinking_config is an object."))
  const { thinking_budget: budget, thinking_level: level, include_thoughts: shown, ...others } = config
  const [other] = Object.keys(others)
  if (other !== undefined) return Result.fail(unsupported(param, "This field of thinking_config is"))
  if (budget !== undefined && (typeof budget !== "number" || !Number.isInteger(budget))) {
    return Result.fail(malformed(`${param}.thinking_budget`, "thinking_budget is an integer."))
  }
  if (shown !== undefined && typeof shown !== "boolean") {
    return Result.fail(malformed(`${param}.include_thoughts`, "include_thoughts is true or false."))
  }
  const thinkingLevel = levels.find((each) => each === String(level).toUpperCase())
  if (level !== undefined && thinkingLevel === undefined) {
    return Result.fail(unsupported(`${param}.thinking_level`, "This level is"))
  }
  return Result.succeed({
    _tag: "Google",
    settings: {
      ...(budget !== undefined && { thinkingBudget: budget }),
      ...(thinkingLevel !== undefined && { thinkingLevel }),
      ...(shown !== undefined && { includeThoughts: shown }),
    },
  })
}

/** Tells one model how much to think; undefined when it is told nothing. */
export const thinkingFor = (model: string, thinking: Thinking): ThinkingSettings | undefined => {
  if (thinking?._tag === "Google") return thinking.settings
  // Asking a model that does not think for thoughts is refused; to it, any effort is none.
  const told = thinking === undefined ? undefined : thinkingOf(model)
  if (thinking === undefined || told === undefined) return undefined
  const includeThoughts = thinking._tag === "Tokens" || thinking.effort !== "none"
  return {
    ...(told === "level"
      ? { thinkingLevel: level(model, effortOf(thinking)) }
      : { thinkingBudget: budget(model, thinking) }),
    ...(includeThoughts && { includeThoughts }),
  }
}

type Wanted = Exclude<Thinking, { readonly _tag: "Google" } | undefined>

/** Budgets of Google's own OpenAI-compatible API, for the efforts that it knows. */
const LOW_TOKENS = 1024
const MEDIUM_TOKENS = 8192
const HIGH_TOKENS = 24_576

const effortOf = (thinking: Wanted): WantedEffort => {
  if (thinking._tag === "Effort") return thinking.effort
  return thinking.tokens <= LOW_TOKENS ? "low" : thinking.tokens <= MEDIUM_TOKENS ? "medium" : "high"
}

/** Where thinking cannot be turned off, it gets at least the lowest budget. */
const budget = (model: string, thinking: Wanted): number => {
  if (thinking._tag === "Tokens") return Math.min(thinking.tokens, HIGH_TOKENS)
  switch (thinking.effort) {
    case "none":
      return canStopThinking(model) ? 0 : LOW_TOKENS
    case "minimal":
    case "low":
      return LOW_TOKENS
    case "medium":
      return MEDIUM_TOKENS
    default:
      return HIGH_TOKENS
  }
}

/** Returns the nearest level that the model knows. */
const level = (model: string, effort: WantedEffort): NonNullable<ThinkingSettings["thinkingLevel"]> => {
  switch (effort) {
    case "none":
    case "minimal":
      return canThinkMinimally(model) ? "MINIMAL" : "LOW"
    case "low":
      return "LOW"
    case "medium":
      return canThinkModerately(model) ? "MEDIUM" : "HIGH"
    case "high":
      return "HIGH"
    case "xhigh":
    case "max":
      return canThinkMost(model) ? "XHIGH" : "HIGH"
  }
}
