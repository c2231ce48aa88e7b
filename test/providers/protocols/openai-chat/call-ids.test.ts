import { assert, it } from "@effect/vitest"
import { Result } from "effect"
import type { ChatMessage, ChatRequest } from "../../../../src/domain/Chat.ts"
import { openAiChat } from "../../../../src/providers/protocols/openai-chat/protocol.ts"
import { chatRequestFault } from "../../../support/openai-request.ts"

const longId = `chatcmpl-tool-${"0123456789abcdef".repeat(2)}`
const call = (id: string) => ({ id, type: "function", function: { name: "weather", arguments: "{}" } })

const historyOf = (...ids: ReadonlyArray<string>): ChatRequest => ({
  messages: [
    { role: "user", content: "Hi" },
    { role: "assistant", content: null, tool_calls: ids.map(call) },
    ...ids.map((id): ChatMessage => ({ role: "tool", tool_call_id: id, content: "21" })),
  ],
})

const sent = (model: string, request: ChatRequest, isOpenAi: boolean): ChatRequest => {
  const task = { _tag: "Chat", mode: "whole", request } as const
  const json = JSON.parse(
    String(Result.getOrThrow(openAiChat({ isOpenAi }).lower(task, model)).write("whole")),
  ) as ChatRequest
  assert.isUndefined(chatRequestFault(json))
  return json
}

it("OpenAI gets other names for calls whose names are too long for it, the same in each request", () => {
  const { messages } = sent("gpt-5.4-mini", historyOf("call_1", longId), true)
  const ids = messages.slice(2).map(({ tool_call_id }) => tool_call_id)
  assert.strictEqual(ids[0], "call_1")
  assert.match(String(ids[1]), /^call_[0-9a-f]{32}$/)
  assert.deepStrictEqual(sent("gpt-5.4-mini", historyOf("call_1", longId), true).messages, messages)
})

it.each(["mistral-large-2512", "mistralai/Devstral-Small", "codestral-2501", "open-mixtral-8x22b"])(
  "%s gets names of its own form for others' calls, and its own as they were",
  (model) => {
    const { messages } = sent(model, historyOf("D681PevKs", "call_1", longId), false)
    const ids = messages.slice(2).map(({ tool_call_id }) => tool_call_id)
    assert.strictEqual(ids[0], "D681PevKs")
    assert.strictEqual(new Set(ids).size, 3)
  },
)

it("others get the names as they are", () => {
  const request = historyOf(longId, "functions.weather:0")
  assert.deepStrictEqual(sent("llama-3.3-70b", request, false).messages, request.messages)
})
