import { Result } from "effect"
import { type CallMode, type ChatRequest, maxOutputTokens } from "../../../domain/Chat.ts"
import { isOpenAisReasoning } from "../../../domain/reasoning-details.ts"
import { isObject, type JsonObject, objectAt, objectsAt } from "../../../platform/json.ts"
import { foreignReasoning, lostWithin } from "../lowering.ts"
import { audienceOf } from "../openai-chat/audience.ts"
import { inOpenAiWords, lostOnOpenAi, unknownToOpenAi } from "../openai-chat/from-messages.ts"
import type { BodyWriter, LoweringFault } from "../Protocol.ts"
import { inputItems, unsupported } from "./input.ts"
import { ENCRYPTED, reasons } from "./model-abilities.ts"

/** Puts a chat into the words of Responses. Nothing is stored, so reasoning comes and goes encrypted. */
export const lowerChat = (model: string, request: ChatRequest): Result.Result<BodyWriter, LoweringFault> => {
  const refused = refusedFields.find(([field, asks]) => asks(request[field]))
  if (refused !== undefined) return Result.fail(unsupported(refused[0]))
  return Result.map(inputItems(request.messages), (input) => ({
    write: (mode: CallMode) => JSON.stringify(bodyOf(model, request, input, mode)),
    dropped: () => [
      ...Object.keys(request).filter((name) => !known.has(name) && request[name] != null),
      ...(request.store === true ? ["store"] : []),
      ...lostInItems(request),
    ],
  }))
}

/** The same for a chat that came as Messages. */
export const lowerMessages = (
  model: string,
  request: ChatRequest,
): Result.Result<BodyWriter, LoweringFault> => {
  const foreign = unknownToOpenAi(request)
  if (foreign !== undefined) return Result.fail(foreign)
  const audience = audienceOf(model, true)
  return Result.map(lowerChat(model, inOpenAiWords(request, audience)), ({ write }) => ({
    write,
    dropped: () => [...lostOnOpenAi(request, audience), ...lostInItems(request)],
  }))
}

/** Names what items have no place for. */
const lostInItems = (request: ChatRequest): ReadonlyArray<string> => [
  ...lostWithin(request, [
    "messages[].name",
    "messages[].cache_control",
    "messages[].images[]",
    "messages[].content[].cache_control",
    "messages[].content[].prompt_cache_breakpoint",
    "messages[].tool_calls[].extra_content",
    "tools[].cache_control",
  ]),
  ...foreignReasoning(request, isOpenAisReasoning),
]

const isThere = (value: unknown): boolean => value !== undefined && value !== null
const isOn = (value: unknown): boolean => isThere(value) && value !== false && value !== 0

/** Fields that change the answer, and that Responses do not have. */
const refusedFields: ReadonlyArray<readonly [field: string, asks: (value: unknown) => boolean]> = [
  ["n", (value) => isOn(value) && value !== 1],
  ["stop", (value) => isThere(value) && (!Array.isArray(value) || value.length > 0)],
  ["functions", isThere],
  ["function_call", isThere],
  ["audio", isThere],
  ["modalities", (value) => Array.isArray(value) && value.some((each) => each !== "text")],
  ["logit_bias", (value) => isObject(value) && Object.keys(value).length > 0],
  ["logprobs", isOn],
  ["presence_penalty", isOn],
  ["frequency_penalty", isOn],
  ["web_search_options", isThere],
]

/** Fields of the same name and meaning. */
const sameFields = [
  ...["temperature", "top_p", "parallel_tool_calls", "service_tier", "user", "safety_identifier"],
  ...["metadata", "prompt_cache_key", "prompt_cache_retention"],
]

const known: ReadonlySet<string> = new Set([
  ...sameFields,
  ...refusedFields.map(([field]) => field),
  ...["messages", "max_tokens", "max_completion_tokens", "tools", "tool_choice", "response_format"],
  ...["reasoning_effort", "verbosity", "stream", "stream_options", "store"],
])

const bodyOf = (
  model: string,
  request: ChatRequest,
  input: ReadonlyArray<JsonObject>,
  mode: CallMode,
): JsonObject => {
  const { reasoning_effort: effort, verbosity } = request
  const obfuscation = objectAt(request, "stream_options")?.include_obfuscation
  const limit = maxOutputTokens(request)
  const tools = objectsAt(request, "tools").map(lowerTool)
  const format = lowerFormat(objectAt(request, "response_format"))
  const text = { ...(format !== undefined && { format }), ...(isThere(verbosity) && { verbosity }) }
  return {
    model,
    input,
    store: false,
    ...(mode === "stream" && { stream: true }),
    ...(mode === "stream" &&
      isThere(obfuscation) && { stream_options: { include_obfuscation: obfuscation } }),
    ...(reasons(model) && { include: [ENCRYPTED] }),
    ...Object.fromEntries(
      sameFields.flatMap((name) => (isThere(request[name]) ? [[name, request[name]]] : [])),
    ),
    ...(limit !== undefined && { max_output_tokens: limit }),
    ...(tools.length > 0 && { tools }),
    ...(isThere(request.tool_choice) && { tool_choice: lowerChoice(request.tool_choice) }),
    ...(isThere(effort) && { reasoning: { effort } }),
    ...(Object.keys(text).length > 0 && { text }),
  }
}

/** Responses keep a tool's fields beside its type, and are strict unless told otherwise; chat is not. */
const lowerTool = (tool: JsonObject): JsonObject => {
  const custom = objectAt(tool, "custom")
  if (custom === undefined) return { type: tool.type, strict: false, ...objectAt(tool, "function") }
  const format = objectAt(custom, "format")
  const grammar = objectAt(format, "grammar")
  return {
    type: tool.type,
    ...custom,
    ...(grammar !== undefined && { format: { type: "grammar", ...grammar } }),
  }
}

const lowerChoice = (choice: unknown): unknown => {
  if (!isObject(choice)) return choice
  const allowed = objectAt(choice, "allowed_tools")
  return allowed === undefined
    ? nameBesideType(choice)
    : { type: choice.type, mode: allowed.mode, tools: objectsAt(allowed, "tools").map(nameBesideType) }
}

const nameBesideType = (choice: JsonObject): JsonObject => ({
  type: choice.type,
  ...objectAt(choice, String(choice.type)),
})

const lowerFormat = (format: JsonObject | undefined): JsonObject | undefined =>
  format?.type === "json_schema" ? { type: format.type, ...objectAt(format, "json_schema") } : format
