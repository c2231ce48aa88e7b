import type Anthropic from "@anthropic-ai/sdk"
import { assert } from "@effect/vitest"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import type { Behaviour } from "../support/fake-upstream-behaviours.ts"
import { geminiThoughtAnswer, geminiToolAnswer, sseEvent } from "../support/fake-upstream-gemini.ts"
import { rawStream } from "../support/fake-upstream-streams.ts"
import { AnthropicWorld, hello } from "./anthropic-sdk-world.ts"

/** Anthropic's own client, answered by Gemini. */

let world: AnthropicWorld
let client: Anthropic

beforeAll(async () => {
  world = await AnthropicWorld.start()
  client = world.client()
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

const asked = hello("g0/gemini-2.5-flash")
const asks = [
  ["whole", (body: Anthropic.MessageCreateParamsNonStreaming) => client.messages.create(body)],
  [
    "streamed",
    (body: Anthropic.MessageCreateParamsNonStreaming) => client.messages.stream(body).finalMessage(),
  ],
] as const

/** This answer, whole or as the only event of a stream. */
const saying =
  (answer: unknown): Behaviour =>
  (exchange) =>
    exchange.asked.operation === "stream"
      ? rawStream([sseEvent(answer)])(exchange)
      : exchange.response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer))

const sent = () =>
  world.upstream.calls.at(-1)?.json as { contents: ReadonlyArray<unknown>; generationConfig: object }

describe.each(asks)("%s", (_, ask) => {
  it("shows its thoughts as thinking", async () => {
    world.upstream.respond(saying(geminiThoughtAnswer({ model: "g" }, "Hm.", "Rome")))
    const { content, stop_reason, usage } = await ask({
      ...asked,
      thinking: { type: "enabled", budget_tokens: 2000 },
    })
    assert.deepStrictEqual(content as unknown, [
      { type: "thinking", thinking: "Hm.", signature: "" },
      { type: "text", text: "Rome", citations: null },
    ])
    assert.strictEqual(stop_reason, "end_turn")
    assert.deepInclude(usage, { input_tokens: 10, output_tokens_details: { thinking_tokens: 2 } })
    assert.deepInclude(sent().generationConfig, {
      thinkingConfig: { thinkingBudget: 2000, includeThoughts: true },
    })
  })

  it("calls tools over turns, and gets its signatures back", async () => {
    const tools: Array<Anthropic.Tool> = [{ name: "weather", input_schema: { type: "object" } }]
    const call = { name: "weather", args: { city: "Rome" }, signature: "c2ln" }
    world.upstream.enqueue(
      saying(geminiToolAnswer({ model: "g" }, [call, { name: "weather", args: { city: "Oslo" } }])),
    )
    const question = { role: "user" as const, content: "Where is it warm?" }
    const first = await ask({ ...asked, messages: [question], tools })
    assert.strictEqual(first.stop_reason, "tool_use")
    const uses = first.content.filter((block) => block.type === "tool_use")
    assert.deepStrictEqual(
      uses.map(({ input }) => input),
      [{ city: "Rome" }, { city: "Oslo" }],
    )
    await ask({
      ...asked,
      tools,
      messages: [
        question,
        { role: "assistant", content: first.content },
        {
          role: "user",
          content: uses.map(({ id }) => ({ type: "tool_result" as const, tool_use_id: id, content: "21" })),
        },
      ],
    })
    const [, turn, results] = sent().contents as ReadonlyArray<{
      parts: ReadonlyArray<Record<string, unknown>>
    }>
    assert.deepStrictEqual(
      turn?.parts.map(({ thoughtSignature }) => thoughtSignature),
      ["c2ln", undefined],
    )
    assert.lengthOf(results?.parts ?? [], 2)
  })

  it("answers by a schema, of an image and a document", async () => {
    world.upstream.respond(saying(geminiThoughtAnswer({ model: "g" }, "", '{"a":1}')))
    const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] }
    const { content } = await ask({
      ...asked,
      messages: [
        {
          role: "user",
          content: [
            { type: "image", source: { type: "base64", media_type: "image/png", data: "aGk=" } },
            { type: "document", source: { type: "base64", media_type: "application/pdf", data: "JVBERi0=" } },
          ],
        },
      ],
      output_config: { format: { type: "json_schema", schema } },
    })
    assert.deepInclude(content.at(-1), { text: '{"a":1}' })
    assert.deepStrictEqual(sent().contents as unknown, [
      {
        role: "user",
        parts: [
          { inlineData: { mimeType: "image/png", data: "aGk=" } },
          { inlineData: { mimeType: "application/pdf", data: "JVBERi0=" } },
        ],
      },
    ])
    assert.deepInclude(sent().generationConfig, { responseJsonSchema: schema })
  })
})

describe("what Gemini cannot do", () => {
  it("is asked of another candidate, or refused by its name", async () => {
    const tools = [{ type: "web_search_20250305", name: "web_search" }]
    for (const model of ["g0/gemini-2.5-flash", "p0/m", "both"]) {
      const response = await world.post({ ...asked, model, tools })
      const { error } = (await response.json()) as { error: { message: string; type: string } }
      assert.strictEqual(response.status, 400)
      assert.include(error.message, "tools")
      assert.strictEqual(error.type, "invalid_request_error")
    }
    assert.strictEqual(world.upstream.count, 0)
    const image = { type: "image", source: { type: "url", url: "https://example.com/x.png" } }
    const response = await world.post({
      ...asked,
      model: "both",
      messages: [{ role: "user", content: [image] }],
    })
    assert.strictEqual(response.headers.get("x-gateway-provider"), "p0")
  })
})
