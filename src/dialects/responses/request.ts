import { Result } from "effect"
import type { ChatRequest } from "../../domain/Chat.ts"
import { GatewayError } from "../../domain/GatewayError.ts"
import type { BeyondChat } from "../../domain/Task.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "../../platform/json.ts"
import { Beyond } from "./beyond.ts"
import { readInput } from "./items.ts"
import { malformed } from "./malformed.ts"
import { chatToolChoice, chatTools } from "./tools.ts"

/** A request in chat's words, and what of it has none. */
export interface ReadRequest {
  readonly request: ChatRequest
  readonly beyond: BeyondChat | undefined
}

/** Puts a request of OpenAI's Responses into chat's words. The gateway keeps no response, so what refers to one is refused. */
export const readRequest = (body: JsonObject): Result.Result<ReadRequest, GatewayError> => {
  if (isAsked(body.previous_response_id)) return Result.fail(notFound)
  const stored = refusedFields.find(([field]) => isAsked(body[field]))
  if (stored !== undefined) return Result.fail(malformed(...stored))
  const beyond = new Beyond()
  return Result.map(readInput(body.input, beyond), (said) => {
    const { instructions } = body
    const messages =
      typeof instructions === "string" && instructions !== ""
        ? [{ role: "developer" as const, content: instructions }, ...said]
        : said
    const request: ChatRequest = { ...settings(body, beyond), messages }
    return { request, beyond: beyond.found }
  })
}

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

/** Hints that few servers know and strict ones refuse, and that do not change what is said. Clients send some of them always. */
const hints = ["context_management", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"]

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
  if (isObject(reasoning) && reasoning.summary != null) beyond.drop("reasoning.summary")
  if (truncation === "auto") beyond.drop("truncation")
  for (const hint of hints) if (body[hint] != null) beyond.drop(hint)
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

const includes = ({ include }: JsonObject, what: string): boolean =>
  Array.isArray(include) && include.includes(what)

const chatResponseFormat = (text: JsonObject | undefined): JsonObject | undefined => {
  const format = objectAt(text, "format")
  if (format === undefined || format.type === "text") return undefined
  if (format.type !== "json_schema") return format
  const { type, ...schema } = format
  return { type, json_schema: schema }
}
