import { type ChatRequest, UNNAMED_FILE } from "../../domain/Chat.ts"
import type { ChatTask } from "../../domain/Task.ts"
import { isObject, type JsonObject, objectsAt, stringAt } from "../../platform/json.ts"
import type { LoweringFault } from "./Protocol.ts"

/** What translations of a chat into another protocol's words have in common. */

export const unsupported = (
  param: string,
  subject: string,
  by: "provider" | "model" = "provider",
): LoweringFault => ({
  kind: "unsupported",
  param,
  reason: `${subject} not supported with this ${by}.`,
})

export const malformed = (param: string, reason: string): LoweringFault => ({
  kind: "malformed",
  param,
  reason,
})

/** Returns a value that is there; OpenAI's clients send `null` for what they do not want. */
export const present = <Value>(value: Value | null | undefined): Value | undefined => value ?? undefined

/** Fields of Messages without which the answer would be another: tools on other servers, earlier turns, what is to be done. */
export const CLAUDES_ALONE = ["mcp_servers", "thread", "compaction"] as const

export type Unserved = ReadonlyArray<readonly [field: string, asks: (value: unknown) => boolean]>

/** Fields of chat that only OpenAI's protocols have, and which values of them ask for something. */
export const OPENAIS_ALONE: Unserved = [
  ["logit_bias", (value) => !isObject(value) || Object.keys(value).length > 0],
  ["functions", (value) => !Array.isArray(value) || value.length > 0],
  ["function_call", () => true],
  ["audio", () => true],
  ["web_search_options", () => true],
]

/** Finds a field that changes the answer and has no counterpart: leaving it out in silence would answer another question. */
export const unservedField = (request: ChatRequest, fields: Unserved): LoweringFault | undefined => {
  const found = fields.find(([field, asks]) => present(request[field]) !== undefined && asks(request[field]))
  return found && unsupported(found[0], found[0] === "n" ? "n other than 1 is" : `${found[0]} is`)
}

/**
 * Finds an image of the model's own in a conversation that came as Responses, for who takes none back. There an image is an item
 * of its own, and what comes after is often about it.
 */
export const unseenImage = ({ dialect, request }: ChatTask): LoweringFault | undefined => {
  if (dialect !== "responses") return undefined
  const turn = request.messages.findIndex(({ images }) => images !== undefined)
  return turn < 0 ? undefined : unsupported(`messages[${turn}].images[0]`, "Images of the model's own are")
}

/** Says within a schema what is said of it beside it, for vendors that have no place there. */
export const described = (schema: JsonObject, description: unknown): JsonObject =>
  typeof description === "string" ? { description, ...schema } : schema

/** Names the fields of a request that are none of these and ask for something. */
export const otherFields = (
  request: ChatRequest,
  understood: ReadonlySet<string>,
  asksSomething: (field: string) => boolean = (field) => present(request[field]) !== undefined,
): ReadonlyArray<string> =>
  Object.keys(request).filter((field) => !understood.has(field) && asksSomething(field))

type Asks = (value: unknown, bearer: JsonObject) => boolean

const isSaid: Asks = (value) => present(value) !== undefined

/** What a request may say that not every vendor has a place for and that leaves the answer what it is, and when it does say it. */
const within = {
  "thinking.block_binding": isSaid,
  "thinking.display": isSaid,
  "stream_options.include_obfuscation": (asked) => asked === true,
  "response_format.json_schema.name": isSaid,
  // Of the result of a tool it repeats what the call says.
  "messages[].name": (name, { role }) => isSaid(name, {}) && role !== "tool",
  "messages[].cache_control": isSaid,
  "messages[].images[]": isSaid,
  "messages[].content[].cache_control": isSaid,
  "messages[].content[].prompt_cache_breakpoint": isSaid,
  "messages[].content[].image_url.detail": (detail) => isSaid(detail, {}) && detail !== "auto",
  "messages[].content[].file.filename": (name) => isSaid(name, {}) && name !== UNNAMED_FILE,
  "messages[].tool_calls[].extra_content": isSaid,
  "tools[].cache_control": isSaid,
  "tools[].function.strict": (strict) => strict === true,
  "tools[].strict": (strict) => strict === true,
} satisfies Record<string, Asks>

/** The ways to those fields, by their names and lists. */
const waysWithin: ReadonlyMap<string, ReadonlyArray<string>> = new Map(
  Object.keys(within).map((field) => [field, field.match(/\w+|\[\]/g) ?? []]),
)

/** So many places of a field tell where it is lost; more would take longer to name than to read. */
export const MAX_PLACES = 1000

/** Names the places of a request that say one of `fields`. */
export const lostWithin = (
  request: ChatRequest,
  fields: ReadonlyArray<keyof typeof within>,
): ReadonlyArray<string> =>
  fields.flatMap((field) =>
    placesIn(request, waysWithin.get(field) ?? [], 0, within[field])
      .slice(0, MAX_PLACES)
      .map((place) => place.slice(1)),
  )

const placesIn = (
  bearer: unknown,
  steps: ReadonlyArray<string>,
  depth: number,
  asks: Asks,
): ReadonlyArray<string> => {
  const step = steps[depth]
  const isLast = depth + 1 === steps.length
  const inner = (value: unknown, name: string): ReadonlyArray<string> => {
    if (isLast) return asks(value, isObject(bearer) ? bearer : {}) ? [name] : []
    return placesIn(value, steps, depth + 1, asks).map((place) => name + place)
  }
  if (step === "[]") {
    return Array.isArray(bearer) ? bearer.flatMap((each, index) => inner(each, `[${index}]`)) : []
  }
  return step !== undefined && isObject(bearer) ? inner(bearer[step], `.${step}`) : []
}

/** Names the reasoning of earlier turns that is not one's own. A text beside what is repeats it. */
export const foreignReasoning = (
  { messages }: ChatRequest,
  isOwn: (detail: JsonObject) => boolean,
): ReadonlyArray<string> =>
  messages
    .flatMap((message, turn) => {
      const details = objectsAt(message, "reasoning_details")
      const texts = details.some(isOwn)
        ? []
        : ["reasoning_content", "reasoning"].filter((field) => stringAt(message, field))
      return [
        ...details.flatMap((detail, index) => (isOwn(detail) ? [] : [`reasoning_details[${index}]`])),
        ...texts,
      ].map((field) => `messages[${turn}].${field}`)
    })
    .slice(0, MAX_PLACES)
