import { Result } from "effect"
import type { ChatMessage } from "../../../domain/Chat.ts"
import { isOpenAisReasoning } from "../../../domain/reasoning-details.ts"
import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "../../../platform/json.ts"
import { boundedCallId } from "../call-ids.ts"
import { present } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"

/** Messages in the words of Responses: items, of which a turn with reasoning and calls takes several. */

export const inputItems = (
  messages: ReadonlyArray<ChatMessage>,
): Result.Result<ReadonlyArray<JsonObject>, LoweringFault> => {
  const items: Array<JsonObject> = []
  const customCalls = new Set<unknown>()
  for (const [index, message] of messages.entries()) {
    const at = `messages[${index}]`
    if (message.role === "function") return Result.fail(unsupported(`${at}.role`))
    const content = contentParts(message, `${at}.content`)
    if (Result.isFailure(content)) return Result.fail(content.failure)
    if (message.role === "tool") {
      const id = ownCallId(message.tool_call_id)
      items.push({
        type: customCalls.has(id) ? "custom_tool_call_output" : "function_call_output",
        call_id: id,
        output: content.success,
      })
      continue
    }
    if (message.role !== "assistant") {
      items.push({ role: message.role, content: content.success })
      continue
    }
    const field = ["function_call", "audio"].find((each) => present(message[each]) !== undefined)
    if (field !== undefined) return Result.fail(unsupported(`${at}.${field}`))
    for (const item of reasoningItems(message)) items.push(item)
    if (content.success.length > 0) items.push({ role: "assistant", content: content.success })
    for (const call of objectsAt(message, "tool_calls")) {
      const item = callItem(call)
      if (item.type === "custom_tool_call") customCalls.add(item.call_id)
      items.push(item)
    }
  }
  return Result.succeed(items)
}

export const unsupported = (param: string): LoweringFault => ({
  kind: "unsupported",
  param,
  reason: "OpenAI's Responses, which this request needs, have no word for it.",
})

const contentParts = (
  { content, refusal, role }: ChatMessage,
  at: string,
): Result.Result<string | ReadonlyArray<JsonObject>, LoweringFault> => {
  const refused = role === "assistant" && typeof refusal === "string" && refusal !== ""
  if (typeof content === "string" && !refused) return Result.succeed(content)
  const parts = typeof content === "string" ? [{ type: "text", text: content }] : (content ?? [])
  const lowered: Array<JsonObject> = []
  for (const [index, part] of parts.entries()) {
    const own = lowerPart(part, role === "assistant" ? "output_text" : "input_text")
    if (own === undefined) return Result.fail(unsupported(`${at}[${index}].type`))
    if (own.text !== "") lowered.push(own)
  }
  return Result.succeed(refused ? [...lowered, { type: "refusal", refusal }] : lowered)
}

const lowerPart = (part: unknown, textType: string): JsonObject | undefined => {
  if (!isObject(part)) return undefined
  switch (part.type) {
    case "text":
      return { type: textType, text: part.text ?? "" }
    case "refusal":
      return { type: "refusal", refusal: part.refusal }
    case "image_url": {
      const image = objectAt(part, "image_url")
      return { type: "input_image", image_url: image?.url, detail: image?.detail ?? "auto" }
    }
    case "file":
      return { type: "input_file", ...objectAt(part, "file") }
    default:
      return undefined
  }
}

/** Gives OpenAI its own reasoning back, and no other's. */
const reasoningItems = (message: ChatMessage): ReadonlyArray<JsonObject> => {
  const own = objectsAt(message, "reasoning_details").filter(isOpenAisReasoning)
  const summaries = Map.groupBy(
    own.filter(({ type }) => type === "reasoning.summary"),
    ({ id }) => id,
  )
  return own.flatMap(({ data, id, type }) => {
    if (type !== "reasoning.encrypted") return []
    const summary = summaries.get(id) ?? []
    // Each is said once, whatever repeats its id.
    summaries.delete(id)
    return [
      {
        type: "reasoning",
        id,
        summary: summary.map((each) => ({ type: "summary_text", text: each.summary })),
        encrypted_content: data,
      },
    ]
  })
}

/** The longest id of a call that OpenAI takes in Responses. */
const MAX_CALL_ID = 64

export const ownCallId = (id: unknown): unknown =>
  typeof id === "string" ? boundedCallId(id, MAX_CALL_ID) : id

const callItem = (call: JsonObject): JsonObject => {
  const call_id = ownCallId(call.id)
  const custom = objectAt(call, "custom")
  if (custom !== undefined) {
    return { type: "custom_tool_call", call_id, name: custom.name, input: custom.input }
  }
  const called = objectAt(call, "function")
  return {
    type: "function_call",
    call_id,
    name: called?.name,
    arguments: stringAt(called, "arguments") ?? "",
  }
}
