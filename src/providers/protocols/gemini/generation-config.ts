import { Result } from "effect"
import { type ChatRequest, maxOutputTokens } from "../../../domain/Chat.ts"
import { roundedNumber } from "../../../platform/exact-json.ts"
import { isObject, type JsonObject } from "../../../platform/json.ts"
import { described, malformed, present, unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import type { GoogleFields } from "./google-fields.ts"
import type { GenerationSettings } from "./wire.ts"

/**
 * Puts OpenAI's settings under Gemini's names, those that are the same for every model. Ranges are Gemini's to judge, since
 * they differ by model, but for those that are narrower than what others serve.
 */
export const lowerSettings = (
  request: ChatRequest,
  google: GoogleFields,
): Result.Result<GenerationSettings, LoweringFault> => {
  const settings: GenerationSettings = {}
  const fault =
    addNumbers(settings, request) ??
    addStop(settings, request.stop) ??
    addLogprobs(settings, request) ??
    addResponseFormat(settings, request.response_format) ??
    addModalities(settings, request.modalities) ??
    addImageConfig(settings, google.image_config ?? request.image_config)
  return fault === undefined ? Result.succeed(settings) : Result.fail(fault)
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
  ["top_k", "topK"],
] as const

/** Numbers that are whole. */
const wholeNumbers: ReadonlySet<string> = new Set(["n", "seed", "top_k"])

const addNumbers = (settings: GenerationSettings, request: ChatRequest): LoweringFault | undefined => {
  for (const [field, name] of numbers) {
    const value = roundedNumber(present(request[field]))
    if (value === undefined || value === neutral[field]) continue
    if (typeof value !== "number") return malformed(field, `${field} is a number.`)
    if (wholeNumbers.has(field) && !Number.isInteger(value)) {
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
      if (schema !== undefined) settings.responseJsonSchema = described(schema, wanted.description)
      return undefined
    }
    default:
      return typeof format.type === "string"
        ? unsupported("response_format", "This response format is")
        : malformed("response_format.type", "The type is missing.")
  }
}

const JSON_TYPE = "application/json"

const addModalities = (settings: GenerationSettings, value: unknown): LoweringFault | undefined => {
  const modalities = present(value)
  if (modalities === undefined) return undefined
  if (!Array.isArray(modalities)) return malformed("modalities", "modalities is a list.")
  if (modalities.every((each) => each === "text")) return undefined
  if (!modalities.every((each) => each === "text" || each === "image")) {
    return unsupported("modalities", "Modalities other than text and image are")
  }
  settings.responseModalities = modalities.map((each) => (each === "image" ? "IMAGE" : "TEXT"))
  return undefined
}

/** Reads what OpenRouter's clients and Google's own say of the image that is wanted: `{"aspect_ratio": "16:9", "image_size": "2K"}`. */
const addImageConfig = (settings: GenerationSettings, value: unknown): LoweringFault | undefined => {
  const wanted = present(value)
  if (wanted === undefined) return undefined
  if (!isObject(wanted)) return malformed("image_config", "image_config is an object.")
  const { aspect_ratio, image_size, ...others } = wanted
  const [other] = Object.keys(others)
  if (other !== undefined) return unsupported("image_config", "This field of image_config is")
  for (const each of [aspect_ratio, image_size]) {
    if (each !== undefined && typeof each !== "string") {
      return malformed("image_config", "aspect_ratio and image_size are texts.")
    }
  }
  settings.imageConfig = {
    ...(typeof aspect_ratio === "string" && { aspectRatio: aspect_ratio }),
    ...(typeof image_size === "string" && { imageSize: image_size }),
  }
  return undefined
}
