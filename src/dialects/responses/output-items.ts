import { carryReasoning } from "../../domain/carried-reasoning.ts"
import { isClaudesReasoning } from "../../domain/reasoning-details.ts"
import { type JsonObject, objectAt, objectsAt, stringAt } from "../../platform/json.ts"
import { contentText } from "../chat-answer.ts"
import type { ToolName } from "./namespaces.ts"

/** The items of an answer, made of what a chat's message says. Ids are made of the response's seed and the place. */

export type ItemStatus = "in_progress" | "completed" | "incomplete"

export const reasoningItem = (
  id: string,
  summary: string,
  details: ReadonlyArray<JsonObject>,
): JsonObject => ({
  id,
  type: "reasoning",
  summary: summary === "" ? [] : [summaryPart(summary)],
  ...(details.length > 0 && { encrypted_content: carryReasoning(details) }),
})

export const summaryPart = (text: string): JsonObject => ({ type: "summary_text", text })

export const textPart = (text: string, logprobs: ReadonlyArray<unknown> = []): JsonObject => ({
  type: "output_text",
  text,
  annotations: [],
  logprobs,
})

export const refusalPart = (refusal: string): JsonObject => ({ type: "refusal", refusal })

export const messageItem = (
  id: string,
  status: ItemStatus,
  content: ReadonlyArray<JsonObject>,
): JsonObject => ({ id, type: "message", status, role: "assistant", content })

/** An image of the model's: what OpenAI gives with a tool of its own, and others in their answer. */
export interface Image {
  readonly data: string
  readonly format: string
  readonly extra: JsonObject | undefined
}

export const imageItem = (id: string, { data, extra, format }: Image): JsonObject => ({
  ...imageBegun(id),
  status: "completed",
  result: data,
  output_format: format,
  ...(extra !== undefined && { extra_content: extra }),
})

/** The same before the image is there. */
export const imageBegun = (id: string): JsonObject => ({
  id,
  type: "image_generation_call",
  status: "in_progress",
  result: null,
})

const DATA_URL = /^data:image\/([\w.+-]+);base64,/i

/** Returns the images of a message or a delta that come as data. */
export const imagesOf = (message: JsonObject): ReadonlyArray<Image> =>
  objectsAt(message, "images").flatMap((image) => {
    const url = stringAt(objectAt(image, "image_url"), "url") ?? ""
    const head = DATA_URL.exec(url)
    if (head === null) return []
    const [, subtype = ""] = head
    const format = subtype
      .toLowerCase()
      .replace(/^jpg$/, "jpeg")
      .replace(/\+xml$/, "")
    return [{ data: url.slice(head[0].length), format, extra: objectAt(image, "extra_content") }]
  })

/** Returns what a message or a delta says in words: its text, and where images are that do not come as data. */
export const wordsOf = (message: JsonObject): string => {
  const text = contentText(message.content)
  const links = objectsAt(message, "images")
    .map((image) => stringAt(objectAt(image, "image_url"), "url") ?? "")
    .filter((url) => url !== "" && !DATA_URL.test(url))
  return [...(text === "" ? [] : [text]), ...links].join("\n")
}

/** A call as chat has it, its arguments or its input complete. */
export interface Call {
  readonly id: string
  readonly name: string
  /** Of the tool, when the client has it in one. */
  readonly namespace: string | undefined
  /** Text of its arguments, or of the input of a custom tool. */
  readonly said: string
  readonly isCustom: boolean
  readonly extra: JsonObject | undefined
}

export const callItem = (id: string, status: ItemStatus, call: Call): JsonObject => ({
  id,
  type: call.isCustom ? "custom_tool_call" : "function_call",
  status,
  call_id: call.id,
  name: call.name,
  ...(call.namespace !== undefined && { namespace: call.namespace }),
  [call.isCustom ? "input" : "arguments"]: call.said,
  ...(call.extra !== undefined && { extra_content: call.extra }),
})

/** Reads a call, or the piece of one that a delta has. `names`: see `namesOf`. */
export const readCall = (call: JsonObject, names: ReadonlyMap<string, ToolName>): Call => {
  const custom = objectAt(call, "custom")
  const called = custom ?? objectAt(call, "function")
  const name = stringAt(called, "name") ?? ""
  return {
    id: stringAt(call, "id") ?? "",
    name: names.get(name)?.name ?? name,
    namespace: names.get(name)?.namespace,
    said: stringAt(called, custom === undefined ? "arguments" : "input") ?? "",
    isCustom: custom !== undefined,
    extra: objectAt(call, "extra_content"),
  }
}

/** Returns what of a message's or a delta's reasoning Claude wants back, and misses in a loop of tools. */
export const signedReasoningOf = (message: JsonObject): ReadonlyArray<JsonObject> =>
  objectsAt(message, "reasoning_details").filter(isClaudesReasoning)

/** Puts chat's logprobs of tokens into the response's words, which are almost the same. */
export const logprobsOf = (choice: JsonObject): ReadonlyArray<JsonObject> =>
  objectsAt(objectAt(choice, "logprobs"), "content").map(({ bytes, logprob, token, top_logprobs }) => ({
    token,
    logprob,
    bytes: bytes ?? [],
    top_logprobs: top_logprobs ?? [],
  }))
