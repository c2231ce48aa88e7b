import { Result } from "effect"
import { type ChatRequest, maxOutputTokens } from "../../../domain/Chat.ts"
import { isClaudesReasoning } from "../../../domain/reasoning-details.ts"
import { roundedNumber } from "../../../platform/exact-json.ts"
import { isObject, type JsonObject, objectAt } from "../../../platform/json.ts"
import {
  described,
  foreignReasoning,
  lostWithin,
  malformed,
  OPENAIS_ALONE,
  otherFields,
  present,
  type Unserved,
  unsupported,
} from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import { cacheMark } from "./content-blocks.ts"
import { takesSampling } from "./model-abilities.ts"
import type { CommonBody, ModelBody } from "./wire.ts"

/** Settings of a chat that are not about its messages, its tools or how much to think. */
export interface Settings {
  readonly common: Pick<CommonBody, "cache_control" | "metadata" | "service_tier" | "stop_sequences">
  readonly sampling: Sampling
  /** Undefined when the client sets no limit. */
  readonly maxTokens: number | undefined
  /** The schema of the answer. */
  readonly schema: JsonObject | undefined
}

type Sampling = Pick<ModelBody, "temperature" | "top_k" | "top_p">

/** Puts OpenAI's settings under Claude's names. */
export const lowerSettings = (request: ChatRequest): Result.Result<Settings, LoweringFault> => {
  const sampling = lowerSampling(request)
  if (Result.isFailure(sampling)) return Result.fail(sampling.failure)
  const stop = lowerStop(request.stop)
  if (Result.isFailure(stop)) return Result.fail(stop.failure)
  const tier = lowerTier(present(request.service_tier))
  if (Result.isFailure(tier)) return Result.fail(tier.failure)
  const maxTokens = lowerLimit(request)
  if (Result.isFailure(maxTokens)) return Result.fail(maxTokens.failure)
  const user = present(request.user) ?? present(request.safety_identifier)
  return Result.map(lowerResponseFormat(present(request.response_format)), (schema) => ({
    common: {
      ...(stop.success.length > 0 && { stop_sequences: stop.success }),
      ...(typeof user === "string" && user.length <= MAX_USER && { metadata: { user_id: user } }),
      ...(tier.success !== undefined && { service_tier: tier.success }),
      ...cacheMark(request),
    },
    sampling: sampling.success,
    maxTokens: maxTokens.success,
    schema,
  }))
}

/** The longest name of a user. */
const MAX_USER = 256

const lowerSampling = (request: ChatRequest): Result.Result<Sampling, LoweringFault> => {
  const sampling: { -readonly [Name in keyof Sampling]: Sampling[Name] } = {}
  for (const field of ["temperature", "top_p", "top_k"] as const) {
    const value = roundedNumber(present(request[field]))
    if (value === undefined) continue
    if (typeof value !== "number") return Result.fail(malformed(field, `${field} is a number.`))
    if (field === "temperature" && value > 1) {
      return Result.fail(unsupported("temperature", "A temperature above 1 is"))
    }
    // What is Claude's default anyway says nothing.
    if (field !== "top_k" && value === 1) continue
    sampling[field] = value
  }
  return Result.succeed(sampling)
}

/**
 * Tells which sampling settings a model takes: newer ones none, one that thinks none either, and others no `top_p` beside a
 * `temperature`. Those that it does not take are left out: it answers the same question.
 */
export const samplingFor = (model: string, sampling: Sampling, thinks: boolean): Sampling => {
  if (!takesSampling(model) || thinks) return {}
  if (sampling.temperature === undefined) return sampling
  const { top_p: _, ...others } = sampling
  return others
}

const lowerStop = (value: unknown): Result.Result<ReadonlyArray<string>, LoweringFault> => {
  const stop = present(value)
  if (stop === undefined) return Result.succeed([])
  const sequences: ReadonlyArray<unknown> = Array.isArray(stop) ? stop : [stop]
  const texts = sequences.filter((each) => typeof each === "string")
  if (texts.length < sequences.length) {
    return Result.fail(malformed("stop", "stop is a text or a list of texts."))
  }
  return texts.every((text) => /\S/.test(text))
    ? Result.succeed(texts)
    : Result.fail(unsupported("stop", "A stop sequence of white space alone is"))
}

/** OpenAI's `default` is what Claude calls `standard_only`: without priority, even where it is paid for. */
const lowerTier = (tier: unknown): Result.Result<CommonBody["service_tier"], LoweringFault> => {
  switch (tier) {
    case undefined:
      return Result.succeed(undefined)
    case "auto":
      return Result.succeed("auto")
    case "default":
    case "standard":
    case "standard_only":
      return Result.succeed("standard_only")
    default:
      return Result.fail(
        typeof tier === "string"
          ? unsupported("service_tier", "This service tier is")
          : malformed("service_tier", "service_tier is a text."),
      )
  }
}

const lowerLimit = (request: ChatRequest): Result.Result<number | undefined, LoweringFault> => {
  const maximum = present(maxOutputTokens(request))
  const param = present(request.max_completion_tokens) === undefined ? "max_tokens" : "max_completion_tokens"
  return maximum === undefined || Number.isInteger(maximum)
    ? Result.succeed(maximum)
    : Result.fail(malformed(param, `${param} is an integer.`))
}

const lowerResponseFormat = (format: unknown): Result.Result<JsonObject | undefined, LoweringFault> => {
  if (format === undefined) return Result.succeed(undefined)
  if (!isObject(format)) return Result.fail(malformed("response_format", "response_format is an object."))
  switch (format.type) {
    case "text":
      return Result.succeed(undefined)
    case "json_schema": {
      const wanted = objectAt(format, "json_schema")
      if (wanted === undefined) {
        return Result.fail(malformed("response_format.json_schema", "The schema is missing."))
      }
      const schema = present(wanted.schema)
      if (schema === undefined) {
        return Result.fail(unsupported("response_format.json_schema.schema", "JSON without a schema is"))
      }
      return isObject(schema)
        ? Result.succeed(described(schema, wanted.description))
        : Result.fail(malformed("response_format.json_schema.schema", "A schema is an object."))
    }
    default:
      return Result.fail(
        typeof format.type === "string"
          ? unsupported("response_format", "This response format is")
          : malformed("response_format.type", "The type is missing."),
      )
  }
}

/** Fields that change the answer and have no counterpart. */
export const UNSERVED: Unserved = [
  ...OPENAIS_ALONE,
  ["modalities", (value) => !Array.isArray(value) || value.some((each) => each !== "text")],
  ["n", (value) => roundedNumber(value) !== 1],
  ["logprobs", (value) => value !== false],
  ["frequency_penalty", (value) => value !== 0],
  ["presence_penalty", (value) => value !== 0],
]

/** Fields of a chat of which something is made, or which only the gateway is meant to read. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  ...["messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p"],
  ...["top_k", "stop", "response_format", "reasoning_effort", "thinking", "tools", "tool_choice", "user"],
  ...["parallel_tool_calls", "service_tier", "safety_identifier", "cache_control", "top_logprobs"],
  ...UNSERVED.map(([field]) => field),
])

/**
 * Returns the fields that Claude has no words for and a client can live without: it names, stores or hints. Of a `seed` no
 * vendor promises more than its best effort, and strict calls follow a schema nearly always.
 */
export const droppedFields = (request: ChatRequest, isPlain: boolean): ReadonlyArray<string> => [
  ...otherFields(request, UNDERSTOOD),
  ...lostWithin(request, [
    "thinking.block_binding",
    "stream_options.include_obfuscation",
    "response_format.json_schema.name",
    "messages[].name",
    "messages[].images[]",
    "messages[].content[].prompt_cache_breakpoint",
    "messages[].content[].image_url.detail",
    "messages[].tool_calls[].extra_content",
    "tools[].function.strict",
    "tools[].strict",
  ]),
  ...foreignReasoning(request, (detail) => !isPlain && isClaudesReasoning(detail)),
]
