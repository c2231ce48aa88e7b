import type { ChatChunk, FinishReason } from "../../../domain/Chat.ts"
import {
  isObject,
  type JsonObject,
  objectAt,
  objectsAt,
  parseJson,
  stringAt,
} from "../../../platform/json.ts"
import { badResponse } from "../fault.ts"
import { classifyInBand, inBandFault } from "../openai-chat/errors.ts"
import type { Fault } from "../Protocol.ts"
import { readUsage } from "./usage.ts"

/** What every reader of a response needs to know of it. */

const terminalEvents: ReadonlySet<unknown> = new Set(["response.completed", "response.incomplete"])

/** Returns the response that an event ends its stream with; undefined for any other event. */
export const ending = (event: JsonObject): JsonObject | undefined =>
  terminalEvents.has(event.type) ? (objectAt(event, "response") ?? {}) : undefined

/** Returns the failure that an event tells of; undefined for none. */
export const eventFault = (event: JsonObject): Fault | undefined => {
  if (event.type === "response.failed") return responseFault(objectAt(event, "response") ?? {})
  return event.type === "error" ? classifyInBand(event) : inBandFault(event, [])
}

/** Returns the failure that a response is in place of an answer; undefined for none. */
const responseFault = (response: JsonObject): Fault | undefined =>
  response.status === "failed" || response.status === "cancelled"
    ? classifyInBand({ error: response.error ?? { code: response.status } })
    : inBandFault(response, [])

/** Returns a whole response; or what is wrong with it. */
export const readResponse = (json: unknown): JsonObject | Fault => {
  if (!isObject(json)) return badResponse("body is not a JSON object")
  return responseFault(json) ?? (Array.isArray(json.output) ? json : badResponse("no output"))
}

export const isCall = ({ type }: JsonObject): boolean =>
  type === "function_call" || type === "custom_tool_call"

export const finishReason = (response: JsonObject): FinishReason => {
  if (response.status === "incomplete") {
    const reason = stringAt(objectAt(response, "incomplete_details"), "reason")
    return reason === "content_filter" ? "content_filter" : "length"
  }
  return objectsAt(response, "output").some(isCall) ? "tool_calls" : "stop"
}

/** Returns the words of a response, or its refusal. */
export const textOf = (response: JsonObject): string =>
  partsOf(response, "output_text", "text") || refusalOf(response)

export const refusalOf = (response: JsonObject): string => partsOf(response, "refusal", "refusal")

const partsOf = (response: JsonObject, type: string, field: string): string =>
  objectsAt(response, "output")
    .flatMap((item) => (item.type === "message" ? objectsAt(item, "content") : []))
    .map((part) => (part.type === type ? (stringAt(part, field) ?? "") : ""))
    .join("")

export const counted = (response: JsonObject): ChatChunk["usage"] =>
  isObject(response.usage) ? { usage: readUsage(response), raw: response.usage } : undefined

/** Makes a whole response of a stream's events; undefined when they do not end. An error among them is returned as it is. */
export const joinEvents = (events: ReadonlyArray<{ readonly data: string }>): JsonObject | undefined => {
  for (const { data } of events) {
    const json = parseJson(data)
    if (!isObject(json)) continue
    const response =
      ending(json) ?? (json.type === "response.failed" ? objectAt(json, "response") : undefined)
    if (response !== undefined) return response
    if (json.type === "error") return { error: json.error ?? json }
  }
  return undefined
}

/** Makes the one event of a stream that a whole response is in place of. */
export const splitAnswer = (json: unknown): ReadonlyArray<string> | undefined => {
  if (!isObject(json)) return undefined
  if (!Array.isArray(json.output)) return [JSON.stringify(json)]
  const type = `response.${json.status === "incomplete" || json.status === "failed" ? json.status : "completed"}`
  return [JSON.stringify({ type, sequence_number: 0, response: json })]
}
