import { createHash } from "node:crypto"
import { Result } from "effect"
import type { ChatMessage, ChatRequest } from "../../domain/Chat.ts"
import type { ReadRequest } from "../../domain/Task.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "../../platform/json.ts"
import { type Origins, ownNames } from "../own-names.ts"
import { contentOf, partsOf } from "./blocks.ts"
import { type Mistake, Notes } from "./notes.ts"
import { lowerTools } from "./tools.ts"
import { lowerTurn } from "./turns.ts"

/**
 * Turns a request of Anthropic's Messages into chat. Numbers and texts of the top level are those of the API's schema; what
 * stands within messages and tools is checked here. Fields that chat has no word for stay under their names, for providers
 * that know them; `thinking` does too, which says more than an effort.
 */
export const readRequest = (body: JsonObject): Result.Result<ReadRequest, Mistake> => {
  const notes = new Notes()
  const request = lowerRequest(body, notes)
  return notes.mistake === undefined
    ? Result.succeed({
        _tag: "Chat",
        dialect: "messages",
        request,
        body,
        beyond: notes.beyond,
        ownNames: messagesNames(body),
      })
    : Result.fail(notes.mistake)
}

/** Makes what names as the client of a request does what a provider names in chat's words. */
const messagesNames = (body: JsonObject): ((param: string) => ReadonlyArray<string>) => {
  const origins: Origins = new Map()
  let read: ChatRequest | undefined
  return (param) => {
    if (param === "output_config") return otherOutput(body)
    // Few ask, and they ask more than once.
    read ??= lowerRequest(body, new Notes(origins))
    return ownNames(param, read, origins, OWN_NAMES)
  }
}

const OWN_NAMES: Readonly<Record<string, ReadonlyArray<string>>> = {
  max_completion_tokens: ["max_tokens"],
  stop: ["stop_sequences"],
  user: ["metadata.user_id"],
  reasoning_effort: ["output_config.effort"],
  response_format: ["output_config.format"],
  "response_format.json_schema.name": [],
  parallel_tool_calls: ["tool_choice.disable_parallel_tool_use"],
}

/** Names what stays in the field of that name. */
const otherOutput = (body: JsonObject): ReadonlyArray<string> => {
  const { effort: _, format: __, ...others } = objectAt(body, "output_config") ?? {}
  return Object.keys(others).map((field) => `output_config.${field}`)
}

const lowerRequest = (body: JsonObject, notes: Notes): ChatRequest => {
  const foreign = CHAT_WORDS.find((field) => body[field] !== undefined)
  if (foreign !== undefined) notes.refuse([foreign], "Extra inputs are not permitted")
  const turns = Array.isArray(body.messages) ? body.messages : []
  return {
    ...Object.fromEntries(Object.entries(body).filter(([field]) => !TRANSLATED.has(field))),
    messages: [
      ...lowerSystem(body.system, notes),
      ...turns.flatMap((turn, index) => lowerTurn(turn, ["messages", index], notes)),
    ],
    ...lowerTools(body, notes),
    ...lowerStop(body.stop_sequences),
    ...lowerOutput(body, notes),
    ...lowerUser(objectAt(body, "metadata")),
    ...lowerTier(body.service_tier),
  }
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

const lowerSystem = (system: unknown, notes: Notes): ReadonlyArray<ChatMessage> => {
  const parts = partsOf(system, ["system"], notes)
  return parts.length === 0
    ? []
    : [notes.from({ role: "system", content: contentOf(parts) } as const, ["system"])]
}

const lowerStop = (sequences: unknown) =>
  Array.isArray(sequences) && sequences.length > 0 ? { stop: sequences } : {}

/** `output_format` is what `output_config.format` was called before. */
const lowerOutput = (body: JsonObject, notes: Notes) => {
  if (body.output_config === undefined && body.output_format === undefined) return {}
  const { effort, format = body.output_format, ...others } = objectAt(body, "output_config") ?? {}
  return {
    ...(typeof effort === "string" && { reasoning_effort: effort }),
    ...(isObject(format) && { response_format: lowerFormat(format, notes) }),
    ...(Object.keys(others).length > 0 && { output_config: others }),
  }
}

const lowerFormat = (format: JsonObject, notes: Notes) => {
  const path = ["output_config", "format"]
  if (format.type !== "json_schema") notes.refuse([...path, "type"], "Expected json_schema")
  const { schema } = format
  if (!isObject(schema)) notes.refuse([...path, "schema"], "Expected a JSON schema")
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
