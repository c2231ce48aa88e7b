import { Result } from "effect"
import type { Completion } from "../../../domain/Chat.ts"
import { detailsOfItem } from "../../../domain/reasoning-details.ts"
import { isObject, type JsonObject, objectsAt, stringAt } from "../../../platform/json.ts"
import { badResponse } from "../fault.ts"
import { chatCompletion, type WireHead } from "../openai-chat/wire.ts"
import type { Fault, JsonAnswer } from "../Protocol.ts"
import { responseFault } from "./errors.ts"
import { readFinishReason } from "./finish-reason.ts"
import { isCall, refusalOf, textOf } from "./response.ts"
import { readUsage } from "./usage.ts"

/** Reads a whole answer. The chat completion is built when it is asked for. */
export const parseAnswer = (model: string, { json, nowMs }: JsonAnswer): Result.Result<Completion, Fault> =>
  Result.map(readResponse(json), (response) => {
    const head = answerHead(model, response, nowMs)
    const usage = readUsage(response)
    const finishReason = readFinishReason(response)
    return {
      text: textOf(response),
      finishReason,
      model: head.model,
      usage,
      usageEstimated: false,
      rawUsage: response.usage ?? null,
      body: () => chatCompletion(head, [{ message: messageOf(response), finishReason }], usage),
    }
  })

/** Reads a whole answer for a client that speaks Responses too: it passes as it came. */
export const parseNativeAnswer = (
  model: string,
  { bytes, json }: JsonAnswer,
): Result.Result<Completion, Fault> =>
  Result.map(readResponse(json), (response) => ({
    dialect: "responses",
    text: textOf(response),
    finishReason: readFinishReason(response),
    model: stringAt(response, "model") ?? model,
    usage: readUsage(response),
    usageEstimated: false,
    rawUsage: response.usage ?? null,
    body: () => bytes,
  }))

/** Returns the response that a 200 has, or why it has none. */
const readResponse = (json: unknown): Result.Result<JsonObject, Fault> => {
  if (!isObject(json)) return Result.fail(badResponse("body is not a JSON object"))
  const fault = responseFault(json)
  if (fault !== undefined) return Result.fail(fault)
  // Only of responses in the background, for which nobody can ask here.
  if (json.status === "queued" || json.status === "in_progress") {
    return Result.fail(badResponse("not complete"))
  }
  return Array.isArray(json.output) ? Result.succeed(json) : Result.fail(badResponse("no output"))
}

/** Reads the fields that every part of an answer repeats. */
export const answerHead = (model: string, response: JsonObject, nowMs: number): WireHead => ({
  id: `chatcmpl-${(stringAt(response, "id") ?? "").replace(/^resp_/, "")}`,
  created: typeof response.created_at === "number" ? response.created_at : Math.floor(nowMs / 1000),
  model: stringAt(response, "model") ?? model,
})

/** Returns what a response says as the message of a chat. */
export const messageOf = (response: JsonObject) => {
  const output = objectsAt(response, "output")
  const refusal = refusalOf(response)
  const text = refusal === "" ? textOf(response) : ""
  const calls = output.filter(isCall).map(chatCall)
  const reasoning = output.filter(({ type }) => type === "reasoning")
  const thoughts = reasoning.map(thoughtsOf).filter((each) => each !== "")
  const details = reasoning.flatMap(detailsOfItem)
  return {
    role: "assistant" as const,
    content: text === "" && (calls.length > 0 || refusal !== "") ? null : text,
    refusal: refusal === "" ? null : refusal,
    ...(thoughts.length > 0 && { reasoning_content: thoughts.join("\n\n") }),
    ...(details.length > 0 && { reasoning_details: details }),
    ...(calls.length > 0 && { tool_calls: calls }),
  }
}

export const chatCall = (item: JsonObject): JsonObject => ({
  id: item.call_id,
  ...(item.type === "custom_tool_call"
    ? { type: "custom", custom: { name: item.name, input: item.input ?? "" } }
    : { type: "function", function: { name: item.name, arguments: item.arguments ?? "" } }),
})

/** Returns a summary; or the reasoning itself, which open models show in its place. */
const thoughtsOf = (item: JsonObject): string => textsAt(item, "summary") || textsAt(item, "content")

const textsAt = (item: JsonObject, field: string): string =>
  objectsAt(item, field)
    .map((part) => stringAt(part, "text") ?? "")
    .join("\n\n")
