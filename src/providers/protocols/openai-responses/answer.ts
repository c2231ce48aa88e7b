import { Result } from "effect"
import type { Completion } from "../../../domain/Chat.ts"
import { type JsonObject, objectsAt, stringAt } from "../../../platform/json.ts"
import { chatCompletion, type WireHead } from "../openai-chat/wire.ts"
import type { Fault, JsonAnswer } from "../Protocol.ts"
import { REASONING_FORMAT } from "./input.ts"
import { finishReason, isCall, readResponse, refusalOf, textOf } from "./response.ts"
import { readUsage } from "./usage.ts"

/** Reads a whole answer. The chat completion is built when it is asked for. */
export const parseAnswer = (model: string, { json, nowMs }: JsonAnswer): Result.Result<Completion, Fault> => {
  const response = readResponse(json)
  if ("kind" in response) return Result.fail(response as Fault)
  const head = chatHead(model, response, nowMs)
  const usage = readUsage(response)
  const reason = finishReason(response)
  return Result.succeed({
    text: textOf(response),
    finishReason: reason,
    model: head.model,
    usage,
    usageEstimated: false,
    rawUsage: response.usage ?? null,
    body: () => chatCompletion(head, [{ message: messageOf(response), finishReason: reason }], usage),
  })
}

export const chatHead = (model: string, response: JsonObject, nowMs: number): WireHead => ({
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
  const details = reasoning.flatMap(detailsOf)
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

/** Returns what gives OpenAI its reasoning back when it comes with the next turn. */
export const detailsOf = (item: JsonObject): ReadonlyArray<JsonObject> => {
  const { encrypted_content: data, id } = item
  if (typeof data !== "string") return []
  const summaries = objectsAt(item, "summary").map(({ text }) => ({
    type: "reasoning.summary",
    id,
    summary: text,
    format: REASONING_FORMAT,
  }))
  return [...summaries, { type: "reasoning.encrypted", id, data, format: REASONING_FORMAT }]
}
