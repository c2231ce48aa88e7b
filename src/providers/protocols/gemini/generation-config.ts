import { Result } from "effect"
import { type ChatRequest, maxOutputTokens } from "../../../domain/Chat.ts"
import { roundedNumber } from "../../../platform/exact-json.ts"
import { isObject, type JsonObject } from "../json.ts"
import type { LoweringFault } from "../Protocol.ts"
import { canStopThinking, canThinkMinimally, canThinkModerately, thinkingOf } from "./model-generation.ts"
import { type GenerationSettings, malformed, present, type ThinkingSettings, unsupported } from "./wire.ts"

/** Settings that are the same for every model, and the effort, which models are told in different ways. */
export interface ChatSettings {
  readonly common: GenerationSettings
  readonly effort: Effort | undefined
}

/**
 * Puts OpenAI's settings under Gemini's names. Ranges are Gemini's to judge, since they differ by model, but for those
 * that are narrower than what others serve.
 */
export const lowerSettings = (request: ChatRequest): Result.Result<ChatSettings, LoweringFault> => {
  const settings: GenerationSettings = {}
  const fault =
    addNumbers(settings, request) ??
    addStop(settings, request.stop) ??
    addLogprobs(settings, request) ??
    addResponseFormat(settings, request.response_format) ??
    effortFault(request.reasoning_effort)
  return fault === undefined
    ? Result.succeed({ common: settings, effort: effortOf(request.reasoning_effort) })
    : Result.fail(fault)
}

const MAX_CANDIDATES = 8
const MAX_STOP_SEQUENCES = 5

const numbers = [
  ["temperature", "temperature"],
  ["top_p", "topP"],
  ["frequency_penalty", "frequencyPenalty"],
  ["presence_penalty", "presencePenalty"],
  ["n", "candidateCount"],
  ["seed", "seed"],
] as const

const addNumbers = (settings: GenerationSettings, request: ChatRequest): LoweringFault | undefined => {
  for (const [field, name] of numbers) {
    const value = roundedNumber(present(request[field]))
    if (value === undefined || value === neutral[field]) continue
    if (typeof value !== "number") return malformed(field, `${field} is a number.`)
    if ((field === "n" || field === "seed") && !Number.isInteger(value)) {
      return malformed(field, `${field} is an integer.`)
    }
    if (field === "n" && value > MAX_CANDIDATES) return unsupported("n", `n above ${MAX_CANDIDATES} is`)
    // Gemini's seed has 32 bits; folding a longer one keeps it as deterministic as it was.
    settings[name] = field === "seed" ? value | 0 : value
  }
  const maximum = present(maxOutputTokens(request))
  if (maximum === undefined) return undefined
  const param = present(request.max_completion_tokens) === undefined ? "max_tokens" : "max_completion_tokens"
  if (!Number.isInteger(maximum)) return malformed(param, `${param} is an integer.`)
  settings.maxOutputTokens = maximum
  return undefined
}

/** Values that ask for nothing and are left out: many models refuse the mere mention of a penalty. */
const neutral: JsonObject = { n: 1, frequency_penalty: 0, presence_penalty: 0 }

const addStop = (settings: GenerationSettings, stop: unknown): LoweringFault | undefined => {
  if (stop === undefined || stop === null) return undefined
  const sequences: ReadonlyArray<unknown> = Array.isArray(stop) ? stop : [stop]
  const texts = sequences.filter((each) => typeof each === "string")
  if (texts.length < sequences.length) return malformed("stop", "stop is a text or a list of texts.")
  if (texts.length > MAX_STOP_SEQUENCES) {
    return unsupported("stop", `More than ${MAX_STOP_SEQUENCES} stop sequences are`)
  }
  if (texts.length > 0) settings.stopSequences = texts
  return undefined
}

const addLogprobs = (settings: GenerationSettings, request: ChatRequest): LoweringFault | undefined => {
  const logprobs = present(request.logprobs)
  const top = present(request.top_logprobs)
  if (logprobs !== undefined && typeof logprobs !== "boolean") {
    return malformed("logprobs", "logprobs is true or false.")
  }
  if (top !== undefined && (typeof top !== "number" || !Number.isInteger(top))) {
    return malformed("top_logprobs", "top_logprobs is an integer.")
  }
  if (logprobs !== true) return undefined
  settings.responseLogprobs = true
  if (top !== undefined) settings.logprobs = top
  return undefined
}

const addResponseFormat = (settings: GenerationSettings, value: unknown): LoweringFault | undefined => {
  const format = present(value)
  if (format === undefined) return undefined
  if (!isObject(format)) return malformed("response_format", "response_format is an object.")
  switch (format.type) {
    case "text":
      return undefined
    case "json_object":
      settings.responseMimeType = JSON_TYPE
      return undefined
    case "json_schema": {
      const wanted = format.json_schema
      if (!isObject(wanted)) return malformed("response_format.json_schema", "The schema is missing.")
      const schema = present(wanted.schema)
      if (schema !== undefined && !isObject(schema)) {
        return malformed("response_format.json_schema.schema", "A schema is an object.")
      }
      settings.responseMimeType = JSON_TYPE
      if (schema !== undefined) settings.responseJsonSchema = schema
      return undefined
    }
    default:
      return typeof format.type === "string"
        ? unsupported("response_format", "This response format is")
        : malformed("response_format.type", "The type is missing.")
  }
}

const JSON_TYPE = "application/json"

// --- thinking

const efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const
type Effort = (typeof efforts)[number]

const effortOf = (value: unknown): Effort | undefined => efforts.find((each) => each === value)

const effortFault = (value: unknown): LoweringFault | undefined => {
  if (present(value) === undefined || effortOf(value) !== undefined) return undefined
  return typeof value === "string"
    ? unsupported("reasoning_effort", "This effort is")
    : malformed("reasoning_effort", "reasoning_effort is a text.")
}

/** Tells one model how much to think; undefined when it is told nothing. */
export const thinkingFor = (model: string, effort: Effort | undefined): ThinkingSettings | undefined => {
  // Asking a model that does not think for thoughts is refused; to it, any effort is none.
  const thinking = effort === undefined ? undefined : thinkingOf(model)
  if (effort === undefined || thinking === undefined) return undefined
  return {
    ...(thinking === "level"
      ? { thinkingLevel: level(model, effort) }
      : { thinkingBudget: budget(model, effort) }),
    ...(effort !== "none" && { includeThoughts: true }),
  }
}

/** Returns the budget of Google's own OpenAI-compatible API; where thinking cannot be turned off, at least the lowest. */
const budget = (model: string, effort: Effort): number => {
  switch (effort) {
    case "none":
      return canStopThinking(model) ? 0 : 1024
    case "minimal":
    case "low":
      return 1024
    case "medium":
      return 8192
    default:
      return 24_576
  }
}

/** Returns the nearest level that the model knows. */
const level = (model: string, effort: Effort): NonNullable<ThinkingSettings["thinkingLevel"]> => {
  switch (effort) {
    case "none":
    case "minimal":
      return canThinkMinimally(model) ? "MINIMAL" : "LOW"
    case "low":
      return "LOW"
    case "medium":
      return canThinkModerately(model) ? "MEDIUM" : "HIGH"
    default:
      return "HIGH"
  }
}
