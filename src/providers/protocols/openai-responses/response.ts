import type { Response, ResponseError } from "openai/resources/responses/responses"
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
  return event.type === "error" ? failure(objectAt(event, "error") ?? event) : inBandFault(event, [])
}

/** Returns the failure that a response is in place of an answer; undefined for none. */
const responseFault = (response: JsonObject): Fault | undefined =>
  response.status === "failed" || response.status === "cancelled"
    ? failure(objectAt(response, "error") ?? { code: response.status })
    : inBandFault(response, [])

const failure = (error: JsonObject): Fault =>
  classifyInBand({ error: { ...error, type: errorTypes.get(error.code) ?? error.type } })

/** The types that errors with a status have, of codes that stand without: with a new one in OpenAI's own package, this does not compile. */
const errorTypes: ReadonlyMap<unknown, string> = new Map(
  Object.entries({
    server_error: "server_error",
    vector_store_timeout: "server_error",
    rate_limit_exceeded: "rate_limit_error",
    // By a status, OpenRouter says so of whatever is wrong with a request.
    invalid_prompt: "content_filter_error",
    bio_policy: "invalid_request_error",
    misalignment_policy_violation: "invalid_request_error",
    data_residency_mismatch: "invalid_request_error",
    invalid_image: "invalid_request_error",
    invalid_image_format: "invalid_request_error",
    invalid_base64_image: "invalid_request_error",
    invalid_image_url: "invalid_request_error",
    image_too_large: "invalid_request_error",
    image_too_small: "invalid_request_error",
    image_parse_error: "invalid_request_error",
    image_content_policy_violation: "invalid_request_error",
    invalid_image_mode: "invalid_request_error",
    image_file_too_large: "invalid_request_error",
    unsupported_image_media_type: "invalid_request_error",
    empty_image_file: "invalid_request_error",
    failed_to_download_image: "invalid_request_error",
    image_file_not_found: "invalid_request_error",
  } satisfies Readonly<Record<ResponseError["code"], string>>),
)

/** Returns a whole response; or what is wrong with it. */
export const readResponse = (json: unknown): JsonObject | Fault => {
  if (!isObject(json)) return badResponse("body is not a JSON object")
  const fault = responseFault(json)
  if (fault !== undefined) return fault
  // Only of responses in the background, for which nobody can ask here.
  if (json.status === "queued" || json.status === "in_progress") return badResponse("not complete")
  return Array.isArray(json.output) ? json : badResponse("no output")
}

export const isCall = ({ type }: JsonObject): boolean =>
  type === "function_call" || type === "custom_tool_call"

export const finishReason = (response: JsonObject): FinishReason => {
  if (response.status === "incomplete") {
    return reasons.get(objectAt(response, "incomplete_details")?.reason) ?? "length"
  }
  return objectsAt(response, "output").some(isCall) ? "tool_calls" : "stop"
}

/** Why a response is incomplete: with a new reason in OpenAI's own package, this does not compile. */
const reasons: ReadonlyMap<unknown, FinishReason> = new Map(
  Object.entries({
    max_output_tokens: "length",
    content_filter: "content_filter",
    // Of agents and of WebSockets.
    max_messages: "other",
    steered: "other",
  } satisfies Readonly<Record<NonNullable<Response.IncompleteDetails["reason"]>, FinishReason>>),
)

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
