import { Result } from "effect"
import type { ChatRequest } from "../../domain/Chat.ts"
import { GatewayError } from "../../domain/GatewayError.ts"
import type { ReadRequest } from "../../domain/Task.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "../../platform/json.ts"
import { type Origins, ownNames } from "../own-names.ts"
import { Beyond } from "./beyond.ts"
import { readInput } from "./items.ts"
import { malformed } from "./malformed.ts"
import { chatToolChoice, chatTools } from "./tools.ts"

/** Puts a request of OpenAI's Responses into chat's words. The gateway keeps no response, so what refers to one is refused. */
export const readRequest = (body: JsonObject): Result.Result<ReadRequest, GatewayError> => {
  if (isAsked(body.previous_response_id)) return Result.fail(notFound)
  const stored = refusedFields.find(([field]) => isAsked(body[field]))
  if (stored !== undefined) return Result.fail(malformed(...stored))
  const beyond = new Beyond()
  return Result.map(lowerRequest(body, beyond), (request) => ({
    _tag: "Chat",
    dialect: "responses",
    request,
    body,
    beyond: beyond.found,
    ownNames: responsesNames(body),
  }))
}

/** Makes what names as the client of a request does what a provider names in chat's words. */
export const responsesNames = (body: JsonObject): ((param: string) => ReadonlyArray<string>) => {
  const origins: Origins = new Map()
  let read: Result.Result<ChatRequest, GatewayError> | undefined
  return (param) => {
    // Few ask, and they ask more than once.
    read ??= lowerRequest(body, new Beyond(origins))
    return Result.isSuccess(read) ? ownNames(param, read.success, origins, OWN_NAMES) : [param]
  }
}

const OWN_NAMES: Readonly<Record<string, ReadonlyArray<string>>> = {
  messages: ["input"],
  max_tokens: ["max_output_tokens"],
  max_completion_tokens: ["max_output_tokens"],
  reasoning_effort: ["reasoning.effort"],
  response_format: ["text.format"],
  "response_format.json_schema.name": ["text.format.name"],
  verbosity: ["text.verbosity"],
  logprobs: ["include"],
}

const lowerRequest = (body: JsonObject, beyond: Beyond): Result.Result<ChatRequest, GatewayError> =>
  Result.map(readInput(body.input, beyond), (said) => {
    const { instructions } = body
    const messages =
      typeof instructions === "string" && instructions !== ""
        ? [beyond.from({ role: "developer" as const, content: instructions }, "instructions"), ...said]
        : said
    return { ...settings(body, beyond), messages }
  })

/** OpenAI's code, at which clients send the whole conversation again. */
const notFound = new GatewayError({
  code: "previous_response_not_found",
  param: "previous_response_id",
  detail: "previous_response_id: No response is stored here. Send the items of earlier turns in `input`.",
})

const refusedFields: ReadonlyArray<readonly [field: string, rule: string]> = [
  ["conversation", "No conversation is stored here. Send the items of earlier turns in `input`."],
  ["background", "No response is stored here that could be asked for later. Leave it out, and use `stream`."],
  ["prompt", "No prompt template is stored here. Send `instructions` and `input`."],
]

const isAsked = (value: unknown): boolean => value !== undefined && value !== null && value !== false

/** Fields with the same name and meaning in chat. */
const sameFields = ["temperature", "top_p", "service_tier", "user"]

/**
 * Fields that are read, here or by who writes the answer. Others are left out: hints that few servers know and strict ones refuse,
 * some of which clients send always, and what nobody here knows.
 */
const known: ReadonlySet<string> = new Set([
  ...sameFields,
  ...["input", "instructions", "max_output_tokens", "parallel_tool_calls", "reasoning", "text", "tools"],
  ...["tool_choice", "include", "top_logprobs", "truncation", "metadata", "store", "stream_options"],
])
const knownOfReasoning: ReadonlySet<string> = new Set(["effort"])
const knownOfText: ReadonlySet<string> = new Set(["format", "verbosity"])

const settings = (body: JsonObject, beyond: Beyond): JsonObject => {
  const {
    max_output_tokens,
    parallel_tool_calls,
    reasoning,
    text,
    tools,
    tool_choice,
    top_logprobs,
    truncation,
  } = body
  const format = chatResponseFormat(objectAt({ text }, "text"))
  const verbosity = stringAt(objectAt({ text }, "text"), "verbosity")
  const effort = stringAt(objectAt({ reasoning }, "reasoning"), "effort")
  const offered = Array.isArray(tools) && tools.length > 0 ? chatTools(tools, beyond) : []
  const choice = tool_choice == null ? undefined : chatToolChoice(tool_choice, beyond)
  const wantsLogprobs = includes(body, "message.output_text.logprobs")
  beyond.dropOthers(body, known)
  if (truncation === "auto") beyond.drop("truncation")
  if (body.store === true) beyond.drop("store")
  if (objectAt(body, "stream_options")?.include_obfuscation === true) {
    beyond.drop("stream_options.include_obfuscation")
  }
  dropIncluded(body.include, beyond)
  if (isObject(reasoning)) beyond.dropOthers(reasoning, knownOfReasoning, "reasoning.")
  if (isObject(text)) beyond.dropOthers(text, knownOfText, "text.")
  return {
    ...Object.fromEntries(sameFields.flatMap((name) => (body[name] == null ? [] : [[name, body[name]]]))),
    ...(max_output_tokens != null && { max_tokens: max_output_tokens }),
    ...(effort !== undefined && { reasoning_effort: effort }),
    ...(format !== undefined && { response_format: format }),
    ...(verbosity !== undefined && { verbosity }),
    ...(offered.length > 0 && { tools: offered }),
    // Without tools they say nothing, and some servers refuse them.
    ...(offered.length > 0 && choice !== undefined && { tool_choice: choice }),
    ...(offered.length > 0 && parallel_tool_calls != null && { parallel_tool_calls }),
    ...(wantsLogprobs && { logprobs: true, ...(top_logprobs != null && { top_logprobs }) }),
  }
}

/** What is asked for beside an answer is what others do not have; reasoning comes with it anyway, as far as a provider gives it. */
const dropIncluded = (include: unknown, beyond: Beyond): void => {
  if (!Array.isArray(include)) return
  for (const [index, each] of include.entries()) {
    if (each !== "message.output_text.logprobs" && each !== "reasoning.encrypted_content") {
      beyond.drop(`include[${index}]`)
    }
  }
}

const includes = ({ include }: JsonObject, what: string): boolean =>
  Array.isArray(include) && include.includes(what)

const chatResponseFormat = (text: JsonObject | undefined): JsonObject | undefined => {
  const format = objectAt(text, "format")
  if (format === undefined || format.type === "text") return undefined
  if (format.type !== "json_schema") return format
  const { type, ...schema } = format
  return { type, json_schema: schema }
}
