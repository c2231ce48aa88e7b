import { isObject } from "../platform/json.ts"
import { fieldsOf, modeOf, type Task } from "./Task.ts"

/**
 * Parameters of requests by their names in chat, whichever dialect they are said in: a path of fields without the places in
 * lists, such as `temperature`, `tools.function.strict`, or `reasoning_effort=none` for one value of it.
 */
export interface Parameter {
  /** As it is written. */
  readonly name: string
  /** The same without the value. */
  readonly path: string
  /** The one text that is meant; undefined for whatever it says. */
  readonly value: string | undefined
  /** Ways to it in a request. */
  readonly ways: ReadonlyArray<ReadonlyArray<string>>
  /** Also what asks for nothing is meant. */
  readonly whateverItSays?: boolean
}

/** What a parameter may be called in a file. */
export const PARAMETER = /^[A-Za-z_]\w{0,63}(\.[A-Za-z_]\w{0,63}){0,9}(=[\w.-]{1,64})?$/u

/** Chat's names of what other dialects, and the vendors' protocols, have under another. */
const CHAT_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    stop_sequences: "stop",
    "metadata.user_id": "user",
    "reasoning.effort": "reasoning_effort",
    "output_config.effort": "reasoning_effort",
    "thinking_config.thinking_level": "reasoning_effort",
    "text.verbosity": "verbosity",
    "text.format": "response_format",
    "output_config.format": "response_format",
    output_format: "response_format",
    response_schema: "response_format.json_schema",
    "tool_choice.disable_parallel_tool_use": "parallel_tool_calls",
    response_logprobs: "logprobs",
    candidate_count: "n",
  }),
)

/** What some clients of chat say in a second place, after OpenRouter. */
const SECOND_WAYS: Readonly<Record<string, ReadonlyArray<string>>> = {
  reasoning_effort: ["reasoning", "effort"],
}

/** Reads a name of a file, or a vendor's path, such as `tools[0].function.strict` or `messages.1.content`. */
export const parameterOf = (name: string, value?: string): Parameter | undefined => {
  const [said = "", ownValue = value] = name.split("=", 2)
  const steps = said.split(/[.[\]]+/).filter((step) => step !== "" && !/^\d+$/.test(step))
  // Google's, whose settings stand in an object of their own.
  const path = steps.join(".").replace(/^generation_?config\./i, "")
  const chat = CHAT_NAMES.get(path) ?? path
  const full = ownValue === undefined ? chat : `${chat}=${ownValue}`
  if (!PARAMETER.test(full)) return undefined
  const second = SECOND_WAYS[chat]
  const ways = [chat.split("."), ...(second === undefined ? [] : [second])]
  return { name: full, path: chat, value: ownValue, ways }
}

/** Values that ask for nothing: what happens without them too. */
const NEUTRAL: Readonly<Record<string, unknown>> = {
  temperature: 1,
  top_p: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  n: 1,
  logprobs: false,
  tool_choice: "auto",
}

/** Tells whether a task says something in a parameter; nothing by `null`, by an empty list or object, or by what is usual. */
export const asksFor = (task: Task, parameter: Parameter): boolean => {
  const { path, ways } = parameter
  if (path === "stream" || path.startsWith("stream_options")) return modeOf(task) === "stream"
  for (const way of ways) if (bearersOf(task).some((bearer) => says(bearer, way, 0, parameter))) return true
  return false
}

/** Returns the text that a task says in a parameter; undefined for anything else. */
export const textIn = (task: Task, { ways }: Parameter): string | undefined => {
  for (const way of ways) {
    for (const bearer of bearersOf(task)) {
      const value = way.reduce<unknown>((at, step) => (isObject(at) ? at[step] : undefined), bearer)
      if (typeof value === "string") return value
    }
  }
  return undefined
}

/** What is said in chat's words, and in the client's own. */
const bearersOf = (task: Task): ReadonlyArray<object> => {
  const own = fieldsOf(task)
  return own === task.request ? [own] : [task.request, own]
}

/** Of lists that long, the rest says hardly anything else; every candidate looks. */
const MAX_LOOKED = 100

const says = (bearer: unknown, way: ReadonlyArray<string>, depth: number, wanted: Parameter): boolean => {
  const step = way[depth]
  if (bearer === undefined || bearer === null) return false
  if (step === undefined && wanted.whateverItSays === true) return true
  if (Array.isArray(bearer)) {
    const looked = bearer.length > MAX_LOOKED ? bearer.slice(0, MAX_LOOKED) : bearer
    return looked.some((each) => says(each, way, depth, wanted))
  }
  if (step !== undefined) return isObject(bearer) && says(bearer[step], way, depth + 1, wanted)
  if (wanted.value !== undefined) return bearer === wanted.value
  // A format of plain text is none, and neither is a free choice.
  if (isObject(bearer)) {
    return Object.keys(bearer).length > 0 && bearer.type !== "text" && bearer.type !== "auto"
  }
  return bearer !== NEUTRAL[wanted.path]
}

/** Tells why a parameter is not for the gateway to leave out: what the answer is for its client would change. */
export const whyKept = ({ path }: Parameter): string | undefined => {
  const [field = ""] = path.split(".")
  return KEPT.get(field)
}

const asked = "it is what is asked"
const form = "the client reads the answer by it"
const end = "it decides where the answer ends"
const tools = "the client is told by it what to run"

const KEPT: ReadonlyMap<string, string> = new Map([
  ...["model", "messages", "input", "instructions", "system", "prompt"].map(
    (field) => [field, asked] as const,
  ),
  ...["include", "previous_response_id", "conversation", "context_management"].map(
    (field) => [field, asked] as const,
  ),
  ...["response_format", "stream", "stream_options", "n", "logprobs", "top_logprobs"].map(
    (field) => [field, form] as const,
  ),
  ...["modalities", "audio", "dimensions", "encoding_format"].map((field) => [field, form] as const),
  ...["stop", "max_tokens", "max_completion_tokens", "max_output_tokens"].map(
    (field) => [field, end] as const,
  ),
  ...["tools", "tool_choice", "functions", "function_call", "parallel_tool_calls", "mcp_servers"].map(
    (field) => [field, tools] as const,
  ),
  ["web_search_options", tools],
  ["service_tier", "it decides what the answer costs"],
])
