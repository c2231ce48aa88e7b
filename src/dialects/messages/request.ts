import { createHash } from "node:crypto"
import { Result } from "effect"
import type { ChatMessage, ChatRequest } from "../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "../../platform/json.ts"
import { contentOf, partsOf } from "./blocks.ts"
import { type Mistake, Mistakes } from "./mistake.ts"
import { lowerTools } from "./tools.ts"
import { lowerTurn } from "./turns.ts"

/**
 * Turns a request of Anthropic's Messages into chat. Numbers and texts of the top level are those of the API's schema; what
 * stands within messages and tools is checked here. Fields that chat has no word for stay under their names, for providers
 * that know them; `thinking` does too, which says more than an effort.
 */
export const toChat = (body: JsonObject): Result.Result<ChatRequest, Mistake> => {
  const mistakes = new Mistakes()
  const foreign = CHAT_WORDS.find((field) => body[field] !== undefined)
  if (foreign !== undefined) mistakes.add([foreign], "Extra inputs are not permitted")
  const turns = Array.isArray(body.messages) ? body.messages : []
  const request = {
    ...Object.fromEntries(Object.entries(body).filter(([field]) => !TRANSLATED.has(field))),
    messages: [
      ...lowerSystem(body.system, mistakes),
      ...turns.flatMap((turn, index) => lowerTurn(turn, ["messages", index], mistakes)),
    ],
    ...lowerTools(body, mistakes),
    ...lowerStop(body.stop_sequences),
    ...lowerOutput(body, mistakes),
    ...lowerUser(objectAt(body, "metadata")),
    ...lowerTier(body.service_tier),
  }
  return mistakes.first === undefined ? Result.succeed(request) : Result.fail(mistakes.first)
}

/** Fields of which something else is made. */
const TRANSLATED: ReadonlySet<string> = new Set([
  ...["model", "stream", "system", "messages", "stop_sequences", "tools", "tool_choice"],
  ...["output_config", "output_format", "metadata", "service_tier"],
])

/** Fields by which chat says what Messages has other names for. The vendor refuses them in these words. */
const CHAT_WORDS = [
  ...["stop", "n", "user", "max_completion_tokens", "stream_options", "response_format", "reasoning_effort"],
  ...["parallel_tool_calls", "functions", "function_call"],
]

const lowerSystem = (system: unknown, mistakes: Mistakes): ReadonlyArray<ChatMessage> => {
  const parts = partsOf(system, ["system"], mistakes)
  return parts.length === 0 ? [] : [{ role: "system", content: contentOf(parts) }]
}

const lowerStop = (sequences: unknown) =>
  Array.isArray(sequences) && sequences.length > 0 ? { stop: sequences } : {}

/** `output_format` is what `output_config.format` was called before. */
const lowerOutput = (body: JsonObject, mistakes: Mistakes) => {
  const { effort, format = body.output_format, ...others } = objectAt(body, "output_config") ?? {}
  return {
    ...(typeof effort === "string" && { reasoning_effort: effort }),
    ...(isObject(format) && { response_format: lowerFormat(format, mistakes) }),
    ...(Object.keys(others).length > 0 && { output_config: others }),
  }
}

const lowerFormat = (format: JsonObject, mistakes: Mistakes) => {
  const path = ["output_config", "format"]
  if (format.type !== "json_schema") mistakes.add([...path, "type"], "Expected json_schema")
  const { schema } = format
  if (!isObject(schema)) mistakes.add([...path, "schema"], "Expected a JSON schema")
  return {
    type: "json_schema",
    json_schema: { name: "answer", schema, ...(isStrict(schema, MAX_SCHEMA_DEPTH) && { strict: true }) },
  }
}

/** Deeper ones are not looked at. */
const MAX_SCHEMA_DEPTH = 32

/** Tells a schema that OpenAI would hold the model to: every object in it names all of its fields, and has no other. */
const isStrict = (schema: unknown, depth: number): boolean => {
  if (typeof schema !== "object" || schema === null) return true
  if (depth === 0) return false
  if (Array.isArray(schema)) return schema.every((each) => isStrict(each, depth - 1))
  const { properties, required, additionalProperties } = schema as JsonObject
  if (isObject(properties)) {
    const names = new Set<unknown>(Array.isArray(required) ? required : [])
    if (additionalProperties !== false) return false
    if (!Object.keys(properties).every((name) => names.has(name))) return false
  }
  return Object.values(schema).every((each) => isStrict(each, depth - 1))
}

/** OpenAI takes no more characters; Claude Code sends more. The same user keeps the same name. */
const MAX_USER = 64

const lowerUser = (metadata: JsonObject | undefined) => {
  const user = stringAt(metadata, "user_id")
  if (user === undefined) return {}
  return { user: user.length > MAX_USER ? createHash("sha256").update(user).digest("hex") : user }
}

const lowerTier = (tier: unknown) =>
  typeof tier === "string" ? { service_tier: tier === "standard_only" ? "default" : tier } : {}
