import type Anthropic from "@anthropic-ai/sdk"
import { assert } from "@effect/vitest"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { sse } from "../support/fake-upstream-openai.ts"
import { rawStream, streamThenEnd } from "../support/fake-upstream-streams.ts"
import { AnthropicWorld, hello, OLD_VERSION } from "./anthropic-sdk-world.ts"

/** Anthropic's own client, answered by a server that speaks OpenAI's chat completions. */

let world: AnthropicWorld
let client: Anthropic

beforeAll(async () => {
  world = await AnthropicWorld.start({ rest: "timeouts: { body_ms: 1500 }" })
  client = world.client()
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

const asked = hello("p0/m")

const weather: Anthropic.Tool = {
  name: "weather",
  description: "Of a city",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
}

const sent = (): Record<string, unknown> => world.upstream.calls.at(-1)?.json as Record<string, unknown>

const delta = (delta: object, finish_reason: string | null = null) =>
  sse({
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1,
    model: "m-2026",
    choices: [{ index: 0, delta, finish_reason }],
  })
const DONE = "data: [DONE]\n\n"

describe("messages.create", () => {
  it("is asked in chat's words, and what those lack is named", async () => {
    const { response } = await client.messages
      .create(
        {
          ...asked,
          system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
          messages: [
            {
              role: "user",
              content: [
                { type: "text", text: "What is this?" },
                { type: "image", source: { type: "base64", media_type: "image/png", data: "aGk=" } },
              ],
            },
          ],
          stop_sequences: ["END"],
          metadata: { user_id: "u-1" },
          thinking: { type: "enabled", budget_tokens: 2000 },
          output_config: { effort: "low", format: { type: "json_schema", schema: { type: "object" } } },
          service_tier: "standard_only",
          inference_geo: "eu",
          temperature: 0.5,
          top_k: 7,
        } as Anthropic.MessageCreateParamsNonStreaming,
        { headers: OLD_VERSION },
      )
      .withResponse()
    assert.deepStrictEqual(sent(), {
      model: "m",
      max_tokens: 100,
      temperature: 0.5,
      top_k: 7,
      messages: [
        { role: "system", content: "Be brief." },
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image_url", image_url: { url: "data:image/png;base64,aGk=" } },
          ],
        },
      ],
      stop: ["END"],
      reasoning_effort: "low",
      response_format: {
        type: "json_schema",
        json_schema: { name: "answer", schema: { type: "object" }, strict: true },
      },
      user: "u-1",
      service_tier: "default",
    })
    assert.strictEqual(response.headers.get("x-gateway-dropped"), "inference_geo, system[0].cache_control")
  })

  it("sends Claude's signed reasoning to nobody else", async () => {
    await client.messages.create({
      ...asked,
      messages: [
        ...asked.messages,
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "Secret", signature: "c2ln" },
            { type: "redacted_thinking", data: "ZGF0YQ" },
            { type: "text", text: "Hello" },
          ],
        },
        { role: "user", content: "And?" },
      ],
    })
    assert.notMatch(world.upstream.calls.at(-1)?.body.toString() ?? "", /Secret|c2ln|ZGF0YQ|reasoning/)
  })
})

describe("messages.stream", () => {
  it("yields thinking, text and calls as blocks of their own, though chat mixes calls", async () => {
    const call = (index: number, fields: object) => ({ tool_calls: [{ index, ...fields }] })
    world.upstream.respond(
      rawStream([
        delta({ role: "assistant", reasoning_content: "Let me " }),
        delta({ reasoning_content: "see." }),
        delta({ content: "I look." }),
        delta(call(0, { id: "a", type: "function", function: { name: "weather", arguments: "" } })),
        delta(call(1, { id: "b", type: "function", function: { name: "weather", arguments: '{"city":' } })),
        delta(call(0, { function: { arguments: '{"city":"Rome"}' } })),
        delta(call(1, { function: { arguments: '"Oslo"}' } })),
        delta({}, "tool_calls"),
        DONE,
      ]),
    )
    const { content } = await client.messages.stream({ ...asked, tools: [weather] }).finalMessage()
    assert.deepStrictEqual(content as unknown, [
      { type: "thinking", thinking: "Let me see.", signature: "" },
      { type: "text", text: "I look." },
      { type: "tool_use", id: "a", name: "weather", input: { city: "Rome" } },
      { type: "tool_use", id: "b", name: "weather", input: { city: "Oslo" } },
    ])
  })

  it("says what broke in an event of its name, with the id", async () => {
    world.upstream.respond(streamThenEnd(1))
    const response = await world.post({ ...asked, stream: true })
    const last = (await response.text()).trim().split("\n\n").at(-1) ?? ""
    const [name, data = ""] = last.split("\n")
    assert.strictEqual(name, "event: error")
    assert.deepInclude(JSON.parse(data.slice("data: ".length)), {
      type: "error",
      request_id: response.headers.get("request-id"),
    })
  })
})

describe("errors", () => {
  it.each([
    ["max_tokens", { ...asked, max_tokens: undefined }],
    ["messages[0].content[0].text", { ...asked, messages: [{ role: "user", content: [{ type: "text" }] }] }],
    ["messages[0].role", { ...asked, messages: [{ role: "tool", content: "x" }] }],
    [
      "messages[1].content[0].id",
      {
        ...asked,
        messages: [
          ...asked.messages,
          { role: "assistant", content: [{ type: "tool_use", name: "f", input: {} }] },
        ],
      },
    ],
    ["tools[0].input_schema", { ...asked, tools: [{ name: "f" }] }],
    ["tool_choice.type", { ...asked, tool_choice: { type: "some" } }],
    ["response_format", { ...asked, response_format: { type: "json_object" } }],
  ])("name the field %s and the rule", async (field, body) => {
    const response = await world.post(body)
    assert.strictEqual(response.status, 400)
    const { error, type } = (await response.json()) as {
      error: { message: string; type: string }
      type: string
    }
    assert.strictEqual(type, "error")
    assert.strictEqual(error.type, "invalid_request_error")
    assert.match(error.message, /: \S/)
    assert.isTrue(error.message.startsWith(`${field}: `), error.message)
  })

  it("have Anthropic's envelope before a route is found, too", async () => {
    const { gateway, key } = world.world
    const url = `${gateway.url}/v1/messages`
    const answers = await Promise.all([
      fetch(url),
      fetch(`${url}/batches`, { headers: { "x-api-key": key } }),
      fetch(url, { method: "POST", body: "x", headers: { "x-api-key": key, "content-type": "text/plain" } }),
      fetch(url, {
        method: "POST",
        body: "{",
        headers: { "x-api-key": key, "content-type": "application/json" },
      }),
      fetch(url, { method: "POST", body: "{}" }),
      fetch(`${url}?beta=true`, { method: "POST", body: "{}" }),
    ])
    assert.deepStrictEqual(
      answers.map((answer) => answer.status),
      [405, 404, 415, 400, 401, 401],
    )
    for (const answer of answers) {
      const body = (await answer.json()) as { type: string; request_id: string }
      assert.strictEqual(body.type, "error")
      assert.strictEqual(body.request_id, answer.headers.get("request-id"))
      assert.strictEqual(body.request_id, answer.headers.get("x-request-id"))
    }
  })
})

describe("anthropic-version", () => {
  it("decides what is taken", async () => {
    const document = { type: "document", source: { type: "text", media_type: "text/plain", data: "x" } }
    const turns = (block: object, role = "user") => ({
      ...asked,
      messages: [...asked.messages, { role, content: [block] }],
    })
    const refused = [
      ["temperature", { ...asked, temperature: 1 }],
      ["top_k", { ...asked, top_k: 40 }],
      ["messages[1].content[0]", turns(document, "assistant")],
      [
        "messages[1].content[0].citations",
        turns({ type: "text", text: "x", citations: [{ type: "page_location" }] }),
      ],
    ] as const
    for (const [field, body] of refused) {
      const response = await world.post(body, { "anthropic-version": "2026-10-21" })
      const { error } = (await response.json()) as { error: { message: string } }
      assert.strictEqual(response.status, 400)
      assert.isTrue(error.message.startsWith(`${field}: `), error.message)
      for (const headers of [{}, OLD_VERSION]) {
        const { status } = await world.post(body, headers)
        assert.strictEqual(status, 200, field)
      }
    }
    const response = await world.post(asked, { "anthropic-version": "2030-01-01" })
    assert.strictEqual(response.status, 400)
    assert.include(await response.text(), "2023-06-01, 2026-10-21")
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
