import type { SafetySetting } from "@google/genai"
import { Result } from "effect"
import type { ChatRequest } from "../../../domain/Chat.ts"
import { isObject } from "../../../platform/json.ts"
import { foreignReasoning, lostWithin, malformed, otherFields, present, unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import type { GenerateContentBody } from "./wire.ts"

/** What a client says to Google alone: `{"extra_body": {"google": {…}}}`, as Google's OpenAI-compatible API has it. */
export type GoogleFields = Readonly<Partial<Record<(typeof KNOWN)[number], unknown>>>

const KNOWN = ["thinking_config", "safety_settings", "image_config"] as const

/** Reads what is said to Google; a field that goes nowhere is refused by its name. */
export const readGoogleFields = (request: ChatRequest): Result.Result<GoogleFields, LoweringFault> => {
  const fields: Record<string, unknown> = {}
  const extra = present(request.extra_body)
  if (extra !== undefined && !isObject(extra)) {
    return Result.fail(malformed("extra_body", "extra_body is an object."))
  }
  for (const [path, said] of [
    ["extra_body.google", present(extra?.google)],
    // What a client library that unpacks `extra_body` makes of it.
    ["google", present(request.google)],
  ] as const) {
    if (said === undefined) continue
    if (!isObject(said)) return Result.fail(malformed(path, `${path} is an object.`))
    const unknown = Object.keys(said).find((name) => !KNOWN.some((known) => known === name))
    if (unknown !== undefined) {
      return Result.fail(unsupported(`${path}.${unknown}`, "This field of Google's is"))
    }
    Object.assign(fields, said)
  }
  return Result.succeed(fields)
}

type Settings = Pick<GenerateContentBody, "safetySettings" | "serviceTier">

/** Lowers what stands beside the contents and the generation's settings. */
export const lowerGoogleSettings = (
  request: ChatRequest,
  google: GoogleFields,
): Result.Result<Settings, LoweringFault> => {
  const safety = present(google.safety_settings) ?? present(request.safety_settings)
  if (safety !== undefined && !isSafety(safety)) {
    return Result.fail(
      malformed("safety_settings", "safety_settings is a list of objects with a category and a threshold."),
    )
  }
  const tier = present(request.service_tier)
  const serviceTier = typeof tier === "string" ? tier.toLowerCase() : undefined
  if (tier !== undefined && serviceTier === undefined) {
    return Result.fail(malformed("service_tier", "service_tier is a text."))
  }
  if (serviceTier !== undefined && !isTier(serviceTier) && !isDefault(serviceTier)) {
    return Result.fail(unsupported("service_tier", "This service tier is"))
  }
  return Result.succeed({
    ...(safety !== undefined && { safetySettings: safety }),
    ...(serviceTier !== undefined && isTier(serviceTier) && { serviceTier }),
  })
}

const isSafety = (value: unknown): value is Array<SafetySetting> =>
  Array.isArray(value) &&
  value.every(
    (each: unknown) =>
      isObject(each) && typeof each.category === "string" && typeof each.threshold === "string",
  )

type Tier = NonNullable<GenerateContentBody["serviceTier"]>

const isTier = (tier: string): tier is Tier => tier === "flex" || tier === "priority" || tier === "standard"

/** OpenAI's words for the tier that the project has anyway. */
const isDefault = (tier: string): boolean => tier === "auto" || tier === "default"

/** Fields of a chat of which something is made, or which only the gateway is meant to read. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  ...["messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p"],
  ...["top_k", "n", "stop", "seed", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs"],
  ...[
    "response_format",
    "reasoning_effort",
    "thinking",
    "tools",
    "tool_choice",
    "modalities",
    "image_config",
  ],
  ...["extra_body", "google", "safety_settings", "service_tier", "logit_bias", "functions", "function_call"],
  ...["audio", "web_search_options"],
])

/**
 * Returns the fields that Gemini has no words for and a client can live without: it names, stores or hints. Without
 * `parallel_tool_calls` a client may get several calls where it asked for one.
 */
export const droppedFields = (request: ChatRequest): ReadonlyArray<string> => [
  ...otherFields(request, UNDERSTOOD, (field) =>
    field === "parallel_tool_calls"
      ? request.parallel_tool_calls === false && Array.isArray(request.tools) && request.tools.length > 0
      : present(request[field]) !== undefined,
  ),
  ...lostWithin(request, [
    "thinking.block_binding",
    "thinking.display",
    "stream_options.include_obfuscation",
    "response_format.json_schema.name",
    "messages[].name",
    "messages[].cache_control",
    "messages[].content[].cache_control",
    "messages[].content[].prompt_cache_breakpoint",
    "messages[].content[].image_url.detail",
    "messages[].content[].file.filename",
    "tools[].cache_control",
    "tools[].function.strict",
    "tools[].strict",
  ]),
  // Gemini's own are signatures, which are not among them.
  ...foreignReasoning(request, () => false),
]
