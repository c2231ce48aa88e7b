import { type JsonObject, objectAt, objectsAt, stringAt } from "../../../platform/json.ts"

/** What every reader of a response needs to know of it. */

const terminalEvents: ReadonlySet<unknown> = new Set(["response.completed", "response.incomplete"])

/** Returns the response that an event ends its stream with; undefined for any other event. */
export const ending = (event: JsonObject): JsonObject | undefined =>
  terminalEvents.has(event.type) ? (objectAt(event, "response") ?? {}) : undefined

export const isCall = ({ type }: JsonObject): boolean =>
  type === "function_call" || type === "custom_tool_call"

/** Returns the words of a response, or its refusal. */
export const textOf = (response: JsonObject): string =>
  partsOf(response, "output_text", "text") || refusalOf(response)

export const refusalOf = (response: JsonObject): string => partsOf(response, "refusal", "refusal")

const partsOf = (response: JsonObject, type: string, field: string): string =>
  objectsAt(response, "output")
    .flatMap((item) => (item.type === "message" ? objectsAt(item, "content") : []))
    .map((part) => (part.type === type ? (stringAt(part, field) ?? "") : ""))
    .join("")
