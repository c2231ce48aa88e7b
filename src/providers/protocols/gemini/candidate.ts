import type { OpenAI } from "openai"
import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "../json.ts"
import type { WireHead } from "../openai-chat/wire.ts"

/** Content of a candidate, or of one event's piece of it. Parts of other kinds (images, executed code) are left out. */
export interface CandidateContent {
  readonly text: string
  readonly reasoning: string
  readonly calls: ReadonlyArray<ToolCall>
}

/** OpenAI's tool call, with the signature that must come back where Google's own OpenAI-compatible API puts it. */
type ToolCall = OpenAI.ChatCompletionMessageFunctionToolCall & {
  readonly extra_content?: { readonly google: { readonly thought_signature: string } }
}

export const isEmpty = ({ text, reasoning, calls }: CandidateContent): boolean =>
  text === "" && reasoning === "" && calls.length === 0

/** Reads a candidate. `ownId` names the calls that Gemini did not name, by their number within this candidate. */
export const readCandidate = (candidate: JsonObject, ownId: (nth: number) => string): CandidateContent => {
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

/** Reads the number of a candidate, which is left out when it is zero. */
export const candidateIndex = (candidate: JsonObject, position: number): number => {
  const { index } = candidate
  return typeof index === "number" && Number.isInteger(index) && index >= 0 ? index : position
}

/** Reads the fields that every part of an answer repeats; the same for the same answer, however it travels. */
export const answerHead = (model: string, json: JsonObject, nowMs: number): WireHead => ({
  id: `chatcmpl-${stringAt(json, "responseId") || nowMs.toString(36)}`,
  created: Math.floor(nowMs / 1000),
  model: stringAt(json, "modelVersion") || model,
})

/** Makes a name for a call that Gemini did not name. OpenAI takes at most 40 characters back. */
export const callId = (head: WireHead, choice: number, nth: number): string =>
  `call_${head.id.slice("chatcmpl-".length).slice(0, 24)}_${choice}_${nth}`
