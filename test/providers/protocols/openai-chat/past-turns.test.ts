import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { presetOf } from "../../../../src/catalog/vendors.ts"
import type { ChatRequest } from "../../../../src/domain/Chat.ts"
import { classify } from "../../../../src/providers/protocols/openai-chat/errors.ts"
import { openAiChat } from "../../../../src/providers/protocols/openai-chat/protocol.ts"
import type { BodyWriter } from "../../../../src/providers/protocols/Protocol.ts"
import { vendorFixtures } from "../../../support/FakeVendors.ts"
import { refusalOf, type StrictVendor, strictVendors } from "../../../support/strict-vendors.ts"

const call = { id: "c12345678", type: "function", function: { name: "weather", arguments: "{}" } }
const signature = { google: { thought_signature: "c2ln" } }
const thinking = { type: "thinking", thinking: [{ type: "text", text: "Hm." }] }

/** What answers have beside their text and calls, as this gateway passes them on: those of the fixtures, and what these lack. */
const answers: ReadonlyArray<readonly [name: string, message: Readonly<Record<string, unknown>>]> = [
  ...vendorFixtures.flatMap(({ fixture, preset }) => {
    const { choices } = fixture.whole as { readonly choices?: ReadonlyArray<{ readonly message: object }> }
    return choices === undefined ? [] : [[preset.title, { ...choices[0]?.message }] as const]
  }),
  ["OpenAI", { content: "Hello", refusal: null, annotations: [] }],
  ["OpenAI: a citation", { content: "Hello", annotations: [{ type: "url_citation", url_citation: {} }] }],
  ["OpenAI: a refusal", { content: null, refusal: "I can't.", annotations: [] }],
  ["OpenAI: spoken", { content: null, audio: { id: "a", data: "", expires_at: 1, transcript: "Hello" } }],
  ["OpenAI's SDK", { content: "Hello", refusal: null, annotations: null, audio: null, function_call: null }],
  ["DeepSeek", { content: "", reasoning_content: "Hm.", tool_calls: [{ index: 0, ...call }] }],
  [
    "OpenRouter",
    {
      content: "",
      reasoning: "Hm.",
      reasoning_details: [{ type: "reasoning.text", text: "Hm." }],
      refusal: null,
    },
  ],
  ["vLLM", { content: "Hello", reasoning_content: null, tool_calls: [] }],
  ["Groq's compound", { content: "Hello", reasoning: "Hm.", executed_tools: [{ index: 0, type: "search" }] }],
  ["Mistral", { content: [thinking, { type: "text", text: "Hello" }], tool_calls: null, prefix: false }],
  [
    "Mistral: a citation",
    {
      content: [
        { type: "text", text: "Hello" },
        { type: "reference", reference_ids: [1] },
      ],
    },
  ],
  [
    "LiteLLM",
    {
      content: "Hello",
      thinking_blocks: [{ type: "thinking", thinking: "Hm." }],
      provider_specific_fields: { a: 1 },
    },
  ],
  [
    "Gemini",
    {
      content: "Hello",
      refusal: null,
      reasoning_content: "Hm.",
      extra_content: signature,
      tool_calls: [{ ...call, extra_content: signature }],
    },
  ],
  [
    "Gemini: an image",
    {
      content: "",
      refusal: null,
      images: [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }],
    },
  ],
  [
    "Claude",
    {
      content: "Hello",
      refusal: null,
      reasoning_content: "Hm.",
      reasoning_details: [
        { type: "reasoning.text", text: "Hm.", signature: "c2ln", format: "anthropic-claude-v1" },
      ],
    },
  ],
]

const conversation = (message: object): ChatRequest =>
  ({
    messages: [
      { role: "user", content: "Hi" },
      { role: "assistant", ...message },
      ...("tool_calls" in message && Array.isArray(message.tool_calls) && message.tool_calls.length > 0
        ? [{ role: "tool", tool_call_id: call.id, content: "21" }]
        : [{ role: "user", content: "Go on" }]),
    ],
  }) as ChatRequest

const protocolOf = (vendor: StrictVendor) =>
  vendor === "openai"
    ? openAiChat({ isOpenAi: true })
    : openAiChat({ isOpenAi: false, turns: presetOf(vendor).turns })

const lowered = (protocol: ReturnType<typeof protocolOf>, request: ChatRequest): BodyWriter =>
  Result.getOrThrow(protocol.lower({ _tag: "Chat", mode: "whole", request }, "m"))
const bodyOf = (writer: BodyWriter) => JSON.parse(String(writer.write("whole")))
const turnOf = (writer: BodyWriter) => bodyOf(writer).messages[1]

/** Asks in other words for as long as there are any; returns the last ones, and how many refusals they took. */
const settled = (vendor: StrictVendor, first: BodyWriter) => {
  let writer = first
  for (let refusals = 0; ; refusals++) {
    const refusal = refusalOf(vendor, bodyOf(writer))
    if (refusal === undefined) return { writer, refusals }
    const { kind, param, turns } = classify(
      { ...refusal, headers: { retryAfter: undefined, retryAfterMs: undefined } },
      0,
    )
    const other = kind === "needs_rewording" ? writer.reworded?.(param ?? "", turns) : undefined
    assert(
      other !== undefined,
      `${vendor} refuses ${JSON.stringify(turnOf(writer))}: ${JSON.stringify(refusal)}`,
    )
    writer = other
  }
}

describe.each(strictVendors)("an answer that a client sends back as it came, for %s", (vendor) => {
  it.each(answers)("%s: is taken at once, but for reasoning that it misses", (_name, message) => {
    const { refusals } = settled(vendor, lowered(protocolOf(vendor), conversation(message)))
    const insists = vendor === "deepseek" || vendor === "moonshot"
    // What Google's models thought goes to nobody else.
    const misses = message.reasoning_content === undefined || message.extra_content !== undefined
    assert.isAtMost(refusals, insists && misses ? 1 : 0)
  })
})

// Ollama does not say what it does not take.
describe.each(strictVendors.filter((vendor) => vendor !== "ollama"))(
  "such an answer, for a server that is like %s and of which nothing is known",
  (vendor) => {
    it.each(answers)("%s: is taken once it has said what it does not take", (_name, message) => {
      const protocol = openAiChat({ isOpenAi: false })
      const { writer } = settled(vendor, lowered(protocol, conversation(message)))
      writer.taken?.()
      assert.strictEqual(
        settled(vendor, lowered(protocol, conversation(message))).refusals,
        0,
        "and is remembered",
      )
    })
  },
)

describe("reasoning", () => {
  const sent = (vendor: StrictVendor, message: object) =>
    turnOf(lowered(protocolOf(vendor), conversation({ content: "Hello", ...message })))
  const own = { role: "assistant", content: "Hello" }

  it.each<[vendor: StrictVendor, said: object, taken: object]>([
    ["groq", { reasoning_content: "Hm." }, { reasoning: "Hm." }],
    ["cerebras", { content: [thinking, { type: "text", text: "Hello" }] }, { reasoning: "Hm." }],
    [
      "deepseek",
      { reasoning: "Hm.", reasoning_details: [{ type: "reasoning.text" }] },
      { reasoning_content: "Hm." },
    ],
    [
      "moonshot",
      { reasoning_details: [{ type: "reasoning.summary", summary: "Hm." }] },
      { reasoning_content: "Hm." },
    ],
    ["ollama", { reasoning_content: "Hm." }, { reasoning: "Hm." }],
    ["mistral", { reasoning_content: "Hm." }, {}],
    [
      "mistral",
      { content: [thinking, { type: "text", text: "Hello" }] },
      { content: [thinking, { type: "text", text: "Hello" }] },
    ],
    ["openai", { content: [thinking, { type: "text", text: "Hello" }], reasoning: "Hm." }, {}],
  ])("goes to %s under its name, as far as it has one", (vendor, said, taken) => {
    assert.deepStrictEqual(sent(vendor, said), { ...own, ...taken })
  })

  it("goes out as it came where nothing is known", () => {
    const request = conversation({ reasoning_content: "Hm.", content: [thinking] })
    assert.deepStrictEqual(
      bodyOf(lowered(openAiChat({ isOpenAi: false }), request)).messages,
      request.messages,
    )
  })

  it("that is missed has a stand-in, and keeps what there is", () => {
    const protocol = protocolOf("deepseek")
    const request = {
      messages: [
        ...conversation({ content: null, tool_calls: [call], reasoning: "Mine." }).messages,
        ...conversation({ content: null, tool_calls: [call] }).messages,
      ],
    }
    const { writer } = settled("deepseek", lowered(protocol, request))
    const turns = bodyOf(writer).messages.filter(
      ({ role }: { readonly role: string }) => role === "assistant",
    )
    assert.deepStrictEqual(
      turns.map(({ reasoning_content }: { readonly reasoning_content: string }) => reasoning_content),
      ["Mine.", " "],
    )
  })
})

describe("what a vendor does not take of an answer", () => {
  const lost = (vendor: StrictVendor, message: object) =>
    lowered(protocolOf(vendor), conversation(message)).dropped?.() ?? []

  it("is named, unless it says nothing or stands elsewhere", () => {
    assert.deepStrictEqual(lost("groq", { content: "Hello", annotations: [{}], refusal: null }), [
      "messages[1].annotations[0]",
    ])
    assert.deepStrictEqual(lost("groq", { content: "Hello", reasoning_content: "Hm." }), [])
    assert.deepStrictEqual(lost("mistral", { content: "Hello", reasoning_content: "Hm." }), [
      "messages[1].reasoning_content",
    ])
    assert.deepStrictEqual(lost("openai", { content: [thinking, { type: "text", text: "Hello" }] }), [
      "messages[1].content[0]",
    ])
    assert.deepStrictEqual(lost("cerebras", { content: null, refusal: "No." }), [])
    assert.deepStrictEqual(lost("cerebras", { content: "Hello", prefix: false, annotations: [] }), [])
  })

  it("stays when the turn would be another one without it", () => {
    const spoken = { content: null, audio: { id: "a" } }
    assert.deepInclude(turnOf(lowered(protocolOf("groq"), conversation(spoken))), spoken)
    const called = { content: null, function_call: { name: "f", arguments: "{}" } }
    assert.deepInclude(turnOf(lowered(protocolOf("mistral"), conversation(called))), called)
  })
})
