import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { ChatRequest } from "../../../src/domain/Chat.ts"
import { anthropic } from "../../../src/providers/protocols/anthropic/protocol.ts"
import { gemini } from "../../../src/providers/protocols/gemini/protocol.ts"
import { openAiChat } from "../../../src/providers/protocols/openai-chat/protocol.ts"
import { scaled } from "../../support/slowness.ts"

/** A schema that counts how often it is written. */
const counted = () => {
  const seen = { written: 0 }
  const parameters = {
    type: "object",
    toJSON: () => {
      seen.written++
      return { type: "object" }
    },
  }
  return { seen, parameters }
}

const bodies = (protocol: typeof gemini, models: ReadonlyArray<string>, request: ChatRequest) =>
  models.map((model) => {
    const write = Result.getOrThrow(protocol.lower({ _tag: "Chat", request, mode: "whole" }, model))
    return JSON.parse(String(write.write("whole")))
  })

const asking = (parameters: object): ChatRequest => ({
  messages: [
    { role: "user", content: "hello" },
    {
      role: "assistant",
      tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{}" } }],
    },
    { role: "tool", tool_call_id: "1", content: "r" },
  ],
  max_tokens: 5,
  reasoning_effort: "low",
  tools: [{ type: "function", function: { name: "f", parameters } }],
})

describe("what models of a dialect are told alike is written once", () => {
  it("for OpenAI's, which go by different names for the limit", () => {
    const { parameters, seen } = counted()
    const [o3, other] = bodies(openAiChat({ isOpenAi: true }), ["o3", "gpt-4o"], asking(parameters))
    assert.strictEqual(seen.written, 1)
    assert.deepInclude(o3, { model: "o3", max_completion_tokens: 5 })
    assert.notProperty(o3, "max_tokens")
    assert.deepInclude(other, { model: "gpt-4o", max_tokens: 5 })
    assert.deepStrictEqual(o3.tools, other.tools)
  })

  it("for Gemini's, of which some want signatures and think in other ways", () => {
    const { parameters, seen } = counted()
    const models = ["gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.0-flash"]
    const [flash, pro, two] = bodies(gemini, models, asking(parameters))
    assert.strictEqual(seen.written, 1)
    assert.deepStrictEqual(flash, pro)
    assert.deepInclude(flash.generationConfig, { maxOutputTokens: 5 })
    assert.property(flash.generationConfig, "thinkingConfig")
    assert.deepStrictEqual(two.generationConfig, { maxOutputTokens: 5 })
    assert.deepStrictEqual(two.contents, flash.contents)
    const [three] = bodies(gemini, ["gemini-3-pro", "gemini-3-flash-preview"], asking(parameters))
    assert.property(three.contents[1].parts[0], "thoughtSignature")
    assert.notProperty(flash.contents[1].parts[0], "thoughtSignature")
  })
})

describe("what Claude's models are told alike", () => {
  it("is written once, though they think in other ways", () => {
    const { parameters, seen } = counted()
    const models = ["claude-haiku-4-5", "claude-opus-4-8", "claude-opus-5-5"]
    const [haiku, ...others] = bodies(
      anthropic(() => 1000),
      models,
      { ...asking(parameters), max_tokens: 5000 },
    )
    assert.strictEqual(seen.written, 1)
    assert.notProperty(haiku, "output_config")
    for (const other of others) {
      assert.deepStrictEqual(other.messages, haiku.messages)
      assert.deepStrictEqual(other.output_config, { effort: "low" })
    }
  })
})

it("ids of calls that Claude does not take cost no more for the names that a client has taken", () => {
  const calls = Array.from({ length: 60_000 }, (_, nth) => ({
    id: nth < 30_000 ? `call_${30_000 + nth}` : "",
    type: "function",
    function: { name: "f", arguments: "" },
  }))
  const started = performance.now()
  const [body] = bodies(
    anthropic(() => 1000),
    ["claude-opus-5-5"],
    {
      messages: [{ role: "assistant", tool_calls: calls }],
    },
  )
  assert.strictEqual(
    new Set(body.messages[1].content.map(({ id }: { readonly id: string }) => id)).size,
    60_000,
  )
  assert.isBelow(performance.now() - started, scaled(5_000))
})

it("a hundred thousand calls of one turn are no more than a list", () => {
  const call = { id: "1", type: "function", function: { name: "f", arguments: "" } }
  const assistant = { role: "assistant", tool_calls: Array(200_000).fill(call) } as const
  const [body] = bodies(gemini, ["gemini-2.5-pro"], { messages: [assistant, assistant] })
  assert.strictEqual(body.contents.at(-2).parts.length, 200_000)
  const [messages] = bodies(
    anthropic(() => 1000),
    ["claude-opus-5-5"],
    { messages: [assistant, assistant] },
  )
  assert.strictEqual(messages.messages.at(-2).content.length, 200_000)
})
