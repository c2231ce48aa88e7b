import type { OpenAI } from "openai"
import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "../json.ts"
import type { WireHead } from "../openai-chat/wire.ts"

/** What a candidate, or one event's piece of it, says. Parts of other kinds (images, executed code) say nothing. */
export interface Said {
  readonly text: string
  readonly reasoning: string
  readonly calls: ReadonlyArray<ToolCall>
}

/** OpenAI's tool call, and where Google's own OpenAI-compatible API puts the signature that must come back with it. */
export type ToolCall = OpenAI.ChatCompletionMessageFunctionToolCall & {
  readonly extra_content?: { readonly google: { readonly thought_signature: string } }
}

export const saysNothing = ({ text, reasoning, calls }: Said): boolean =>
  text === "" && reasoning === "" && calls.length === 0

/** `ownId` names the calls that Gemini did not name, by their number within this candidate. */
export const readCandidate = (candidate: JsonObject, ownId: (nth: number) => string): Said => {
  let text = ""
  let reasoning = ""
  const calls: Array<ToolCall> = []
  for (const part of objectsAt(objectAt(candidate, "content"), "parts")) {
    const call = objectAt(part, "functionCall")
    if (call !== undefined) calls.push(toolCall(part, call, ownId(calls.length)))
    else if (part.thought === true) reasoning += stringAt(part, "text") ?? ""
    else text += stringAt(part, "text") ?? ""
  }
  return { text, reasoning, calls }
}

const toolCall = (part: JsonObject, call: JsonObject, ownId: string): ToolCall => {
  const signature = stringAt(part, "thoughtSignature")
  return {
    id: stringAt(call, "id") || ownId,
    type: "function",
    function: {
      name: stringAt(call, "name") ?? "",
      arguments: JSON.stringify(isObject(call.args) ? call.args : {}),
    },
    ...(signature !== undefined && { extra_content: { google: { thought_signature: signature } } }),
  }
}

/** The number of a candidate, which is left out when it is zero. */
export const candidateIndex = (candidate: JsonObject, position: number): number => {
  const { index } = candidate
  return typeof index === "number" && Number.isInteger(index) && index >= 0 ? index : position
}

/** What every part of an answer repeats; the same for the same answer, however it travels. */
export const answerHead = (model: string, json: JsonObject, nowMs: number): WireHead => ({
  id: `chatcmpl-${stringAt(json, "responseId") || nowMs.toString(36)}`,
  created: Math.floor(nowMs / 1000),
  model: stringAt(json, "modelVersion") || model,
})

/** A name for a call that Gemini did not name. OpenAI takes at most 40 characters back. */
export const callId = (head: WireHead, choice: number, nth: number): string =>
  `call_${head.id.slice("chatcmpl-".length).slice(0, 24)}_${choice}_${nth}`
