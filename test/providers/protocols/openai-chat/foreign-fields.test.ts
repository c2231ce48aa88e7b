import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { ChatRequest } from "../../../../src/domain/Chat.ts"
import { jsonLimits } from "../../../../src/http/body.ts"
import { scanJson } from "../../../../src/platform/json-source.ts"
import { inOlderWords } from "../../../../src/providers/protocols/openai-chat/foreign-fields.ts"
import { openAiChat } from "../../../../src/providers/protocols/openai-chat/protocol.ts"

const openai = openAiChat({ isOpenAi: true })
const imitator = openAiChat({ isOpenAi: false })

const call = { id: "c1", type: "function", function: { name: "weather", arguments: "{}" } }
const signature = { google: { thought_signature: "c2lnbmF0dXJl" } }
const history = (...assistant: ReadonlyArray<object>): ChatRequest =>
  ({
    messages: [
      { role: "user", content: "Hi" },
      ...assistant.map((fields) => ({ role: "assistant", content: null, ...fields })),
      { role: "tool", tool_call_id: "c1", content: "21" },
    ],
  }) as ChatRequest

/** What is sent, once with the client's bytes at hand and once without. */
const sent = (protocol: typeof openai, request: ChatRequest, model = "m"): ChatRequest => {
  const bytes = Buffer.from(JSON.stringify({ ...request, model: "auto" }))
  const { members } = scanJson(bytes, jsonLimits)
  assert(members !== undefined)
  const [edited, written] = [{ bytes, members }, undefined].map((source) => {
    const task = { _tag: "Chat", mode: "whole", request, source } as const
    return JSON.parse(String(Result.getOrThrow(protocol.lower(task, model)).write("whole"))) as ChatRequest
  })
  assert.deepStrictEqual(edited, written)
  return edited as ChatRequest
}

describe("what another vendor handed out", () => {
  const foreign = history({
    reasoning_content: "Let me see.",
    extra_content: signature,
    tool_calls: [{ ...call, extra_content: signature }],
  })

  it("goes to no other", () => {
    for (const protocol of [openai, imitator]) {
      const text = JSON.stringify(sent(protocol, foreign))
      assert.notMatch(text, /extra_content|thought_signature|reasoning_content/)
      assert.include(text, '"tool_call_id":"c1"')
      assert.include(text, '"name":"weather"')
    }
  })

  it("is left out, and nothing else is", () => {
    const [, message] = sent(imitator, foreign).messages
    assert.deepStrictEqual(message as unknown, { role: "assistant", content: null, tool_calls: [call] })
  })

  it("may be reasoning that only OpenAI reads, and that a turn has beside its own", () => {
    const encrypted = { type: "reasoning.encrypted", id: "rs_1", data: "e", format: "openai-responses-v1" }
    const openRouters = { ...encrypted, index: 0 }
    for (const protocol of [openai, imitator]) {
      const [, message] = sent(
        protocol,
        history({ tool_calls: [call], reasoning_details: [encrypted] }),
      ).messages
      assert.deepStrictEqual(message as unknown, { role: "assistant", content: null, tool_calls: [call] })
    }
    const both = history({ tool_calls: [call], reasoning_details: [encrypted, openRouters] })
    assert.deepStrictEqual(sent(imitator, both).messages[1]?.reasoning_details, [openRouters])
  })

  it("may be Claude's thoughts, which models of the name keep wherever they are", () => {
    const detail = { type: "reasoning.text", text: "Hm.", signature: "c2ln", format: "anthropic-claude-v1" }
    const claudes = history({ reasoning_content: "Hm.", reasoning_details: [detail], tool_calls: [call] })
    for (const protocol of [openai, imitator]) {
      const [, message] = sent(protocol, claudes).messages
      assert.deepStrictEqual(message as unknown, { role: "assistant", content: null, tool_calls: [call] })
    }
    assert.deepStrictEqual(sent(imitator, claudes, "claude-opus-5").messages, claudes.messages)
  })

  it("may be the server's own reasoning, which some want back", () => {
    const own = history({ reasoning_content: "Mine.", tool_calls: [call] })
    assert.deepInclude(sent(imitator, own).messages[1], { reasoning_content: "Mine." })
    assert.notProperty(sent(openai, own).messages[1] ?? {}, "reasoning_content")
  })

  it("is not in a client's own fields, which are sent as they are", () => {
    const asked = history({ tool_calls: [{ ...call, extra_content: { mine: 1 } }], custom: { google: {} } })
    assert.deepStrictEqual(sent(imitator, asked).messages as unknown, asked.messages as unknown)
  })

  it("may be images, which OpenAI takes from nobody", () => {
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }
    const own = history({ images: [image], tool_calls: [call] })
    assert.deepInclude(sent(imitator, own).messages[1], { images: [image] })
    assert.notProperty(sent(openai, own).messages[1] ?? {}, "images")
    const googles = history({ images: [{ ...image, extra_content: signature }], tool_calls: [call] })
    assert.notProperty(sent(imitator, googles).messages[1] ?? {}, "images")
  })
})

describe("what a client says to Google alone", () => {
  const google = { thinking_config: { thinking_budget: 0 } }

  it("goes to no other, and nothing else is left out", () => {
    const { messages } = history({ tool_calls: [call] })
    assert.deepStrictEqual(
      Object.keys(sent(openai, { messages, extra_body: { google }, top_k: 1 })).toSorted(),
      ["messages", "model", "top_k"],
    )
    assert.deepInclude(sent(openai, { messages, extra_body: { google, own: 1 }, google }), {
      extra_body: { own: 1 },
    })
    assert.notProperty(sent(openai, { messages, google }), "google")
    // Other vendors' fields of the name are not Google's.
    assert.property(sent(openai, { messages, google: true }), "google")
  })
})

describe("what only OpenAI knows", () => {
  const turn = { content: null, refusal: null, annotations: [], audio: null, function_call: null }

  it("goes to its imitators, and is put into older words for those that refuse it", () => {
    const { messages } = history({ ...turn, tool_calls: [call] })
    const asked = { messages: [{ role: "developer", content: "Be brief." }, ...messages] } as ChatRequest
    assert.deepStrictEqual(sent(imitator, asked).messages, asked.messages)
    assert.deepStrictEqual(inOlderWords(asked).messages.slice(0, 3) as unknown, [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hi" },
      { role: "assistant", content: null, tool_calls: [call] },
    ])
  })

  it("may say something, and stays", () => {
    const said = history({ refusal: "No.", annotations: [{ type: "url_citation" }], audio: { id: "a" } })
    assert.strictEqual(inOlderWords(said), said)
  })

  it("is a call without a text for its arguments", () => {
    const bare = history({ tool_calls: [{ ...call, function: { name: "now", arguments: "" } }] })
    assert.deepInclude(sent(imitator, bare).messages[1], {
      tool_calls: [{ ...call, function: { name: "now", arguments: "{}" } }],
    })
    assert.deepStrictEqual(sent(openai, bare).messages, bare.messages)
  })

  it("is a list of calls with a call in it", () => {
    for (const protocol of [openai, imitator]) {
      const [, message] = sent(protocol, history({ content: "Hello", tool_calls: [] })).messages
      assert.deepStrictEqual(message as unknown, { role: "assistant", content: "Hello" })
    }
  })

  it("is no reasoning, by whatever name", () => {
    const own = history({
      reasoning: "Hm.",
      reasoning_details: [{ type: "reasoning.text" }],
      tool_calls: [call],
    })
    assert.deepStrictEqual(sent(imitator, own).messages, own.messages)
    assert.deepStrictEqual(sent(openai, own).messages[1] as unknown, {
      role: "assistant",
      content: null,
      tool_calls: [call],
    })
  })
})

describe("Claude's reasoning", () => {
  const details = [{ type: "reasoning.text", text: "Hm.", signature: "c2ln", format: "anthropic-claude-v1" }]
  const other = { type: "reasoning.text", text: "Ha.", format: "unknown" }
  const said = history({ reasoning: "Hm.", reasoning_details: [...details, other], tool_calls: [call] })
  const sentTo = (model: string) =>
    JSON.parse(
      String(
        Result.getOrThrow(imitator.lower({ _tag: "Chat", mode: "whole", request: said }, model)).write(
          "whole",
        ),
      ),
    ).messages[1]

  it("goes to Claude, whoever serves it, and to no other model", () => {
    assert.deepInclude(sentTo("anthropic/claude-opus-5"), {
      reasoning: "Hm.",
      reasoning_details: [...details, other],
    })
    const elsewhere = sentTo("llama")
    assert.deepStrictEqual(elsewhere.reasoning_details, [other])
    assert.notInclude(JSON.stringify(elsewhere), "Hm.")
  })
})
