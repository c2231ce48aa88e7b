import type { OpenAI } from "openai"
import { isObject, type JsonObject, objectsAt, stringAt } from "../../../platform/json.ts"
import { fromWireName } from "../function-names.ts"
import type { WireHead } from "../openai-chat/wire.ts"
import { encryptedDetail, type ReasoningDetail, textDetail } from "./thinking-blocks.ts"

/** Content of a message. What tools that run at Anthropic did is left out: no translated request asks for it. */
interface MessageContent {
  readonly text: string
  readonly reasoning: string
  readonly details: ReadonlyArray<ReasoningDetail>
  readonly calls: ReadonlyArray<OpenAI.ChatCompletionMessageFunctionToolCall>
}

export const readContent = (message: JsonObject): MessageContent => {
  let text = ""
  let reasoning = ""
  const details: Array<ReasoningDetail> = []
  const calls: Array<OpenAI.ChatCompletionMessageFunctionToolCall> = []
  for (const block of objectsAt(message, "content")) {
    switch (block.type) {
      case "text":
        text += stringAt(block, "text") ?? ""
        break
      case "thinking": {
        const thought = stringAt(block, "thinking") ?? ""
        reasoning += thought
        details.push(textDetail(details.length, thought, stringAt(block, "signature")))
        break
      }
      case "redacted_thinking":
        details.push(encryptedDetail(details.length, stringAt(block, "data") ?? ""))
        break
      case "tool_use":
        calls.push({
          id: stringAt(block, "id") ?? "",
          type: "function",
          function: {
            name: fromWireName(stringAt(block, "name") ?? ""),
            arguments: JSON.stringify(isObject(block.input) ? block.input : {}),
          },
        })
    }
  }
  return { text, reasoning, details, calls }
}

/** Reads the fields that every part of an answer repeats. */
export const answerHead = (model: string, message: JsonObject | undefined, nowMs: number): WireHead => ({
  id: `chatcmpl-${stringAt(message, "id") || nowMs.toString(36)}`,
  created: Math.floor(nowMs / 1000),
  model: stringAt(message, "model") || model,
})
