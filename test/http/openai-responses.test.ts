import { assert } from "@effect/vitest"
import OpenAI from "openai"
import { zodTextFormat } from "openai/helpers/zod"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { z } from "zod"
import { ok, status, toolCall } from "../support/fake-upstream-behaviours.ts"
import { sse } from "../support/fake-upstream-openai.ts"
import { rawStream, streamThenError, streamThenHang } from "../support/fake-upstream-streams.ts"
import { collect, OpenAiWorld, thrown } from "./openai-sdk-world.ts"

/** OpenAI's own client and its Responses, answered by providers that know only chat, or not even that. */

let world: OpenAiWorld
let client: OpenAI

beforeAll(async () => {
  world = await OpenAiWorld.start()
  client = world.client()
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

type Event = OpenAI.Responses.ResponseStreamEvent

const city = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
}
const weather: OpenAI.Responses.FunctionTool = {
  type: "function",
  name: "weather",
  description: "Of a city",
  parameters: city,
  strict: true,
}

const asked = () => world.upstream.calls.at(-1)?.asked.json as Record<string, unknown>

const typesOf = (events: ReadonlyArray<Event>): ReadonlyArray<string> =>
  events.map(({ type }) => type).filter((type, index, all) => type !== all[index - 1])

const assertNumbered = (events: ReadonlyArray<Event>): void =>
  assert.deepStrictEqual(
    events.map(({ sequence_number }) => sequence_number),
    events.map((_, index) => index),
  )

const assertEventually = async (isSo: () => Promise<boolean>): Promise<void> => {
  for (let tries = 0; tries < 100; tries++) {
    if (await isSo()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error("it did not happen")
}

const models = [
  ["an OpenAI-compatible provider", "p0/m"] as const,
  ["Gemini", "g0/gemini-2.5-flash"] as const,
]

describe.each(models)("of %s", (_, model) => {
  it("a whole answer reads as OpenAI's", async () => {
    world.upstream.respond(ok({ text: "Rome", usage: { input: 30, output: 20, cached: 10, reasoning: 5 } }))
    const before = Math.floor(Date.now() / 1000)
    const { data, response } = await client.responses
      .create({ model, instructions: "Be brief.", input: "Where?", temperature: 0.5, metadata: { a: "b" } })
      .withResponse()
    assert.strictEqual(data.output_text, "Rome")
    assert.strictEqual(data.status, "completed")
    assert.match(data.id, /^resp_[0-9a-f]{32}$/)
    assert.isAtLeast(data.created_at, before)
    assert.deepStrictEqual(data.usage, {
      input_tokens: 30,
      input_tokens_details: { cached_tokens: 10 },
      output_tokens: 20,
      output_tokens_details: { reasoning_tokens: 5 },
      total_tokens: 50,
    } as never)
    assert.deepInclude(data, { instructions: "Be brief.", temperature: 0.5, metadata: { a: "b" } } as never)
    assert.propertyVal(data, "store", false)
    assert.isNotNull(response.headers.get("x-gateway-cost"))
  })

  it("a stream reads as OpenAI's", async () => {
    world.upstream.respond(ok({ text: "Rome, of course", usage: { input: 3, output: 2 } }))
    const { chunks, error } = await collect(
      await client.responses.create({ model, input: "Hi", stream: true }),
    )
    assert.isUndefined(error)
    assertNumbered(chunks)
    assert.deepStrictEqual(typesOf(chunks), [
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ])
    const last = chunks.at(-1)
    assert(last?.type === "response.completed")
    assert.strictEqual(last.response.usage?.total_tokens, 5)
    assert.deepInclude(last.response.output[0], { type: "message", status: "completed" })
    assert.strictEqual(
      (await client.responses.stream({ model, input: "Hi" }).finalResponse()).status,
      "completed",
    )
  })

  it("tools are called over turns", async () => {
    world.upstream.respond(toolCall("weather", { city: "Rome" }))
    const input: Array<OpenAI.Responses.ResponseInputItem> = [{ role: "user", content: "Rome?" }]
    const first = await client.responses.create({ model, input, tools: [weather] })
    const [call] = first.output
    assert(call?.type === "function_call")
    assert.deepInclude(call, { name: "weather", arguments: '{"city":"Rome"}', status: "completed" })
    world.upstream.respond(ok({ text: "21 degrees" }))
    input.push(call, { type: "function_call_output", call_id: call.call_id, output: "21" })
    const second = await client.responses.create({ model, input, tools: [weather] })
    assert.strictEqual(second.output_text, "21 degrees")
    assert.include(JSON.stringify(asked()), "weather")
    assert.include(JSON.stringify(asked()), "21")
  })

  it("a call streams", async () => {
    world.upstream.respond(toolCall("weather", { city: "Rome" }))
    const stream = client.responses.stream({ model, input: "Rome?", tools: [weather] })
    const events: Array<Event> = []
    stream.on("event", (event) => events.push(event))
    const final = await stream.finalResponse()
    assertNumbered(events)
    assert.includeMembers(
      [...typesOf(events)],
      ["response.function_call_arguments.delta", "response.function_call_arguments.done"],
    )
    assert.deepInclude(final.output[0], {
      type: "function_call",
      name: "weather",
      arguments: '{"city":"Rome"}',
    })
  })

  it("an answer that was cut is incomplete", async () => {
    world.upstream.respond(ok({ text: "Ro", finish: "length" }))
    const whole = await client.responses.create({ model, input: "Hi", max_output_tokens: 16 })
    assert.strictEqual(whole.status, "incomplete")
    assert.strictEqual(whole.incomplete_details?.reason, "max_output_tokens")
    const { chunks } = await collect(await client.responses.create({ model, input: "Hi", stream: true }))
    assert.strictEqual(chunks.at(-1)?.type, "response.incomplete")
  })

  it("a stream that breaks ends with response.failed", async () => {
    world.upstream.respond(streamThenError(1))
    const { chunks } = await collect(await client.responses.create({ model, input: "Hi", stream: true }))
    assertNumbered(chunks)
    const last = chunks.at(-1)
    assert(last?.type === "response.failed")
    assert.isString(last.response.error?.message)
  })

  it("a client that leaves ends the provider's work", async () => {
    world.upstream.respond(streamThenHang(1))
    const stream = await client.responses.create({ model, input: "Hi", stream: true })
    for await (const { type } of stream) if (type === "response.output_text.delta") break
    await world.upstream.until(({ calls }) => calls.at(-1)?.outcome === "lost")
  })
})

describe("a request", () => {
  it("reaches a provider in chat's words", async () => {
    await client.responses.create({
      model: "p0/m",
      instructions: "Be brief.",
      input: [
        {
          role: "user",
          content: [
            { type: "input_text", text: "What is this?" },
            { type: "input_image", image_url: "https://example.com/a.png", detail: "low" },
          ],
        },
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "secret" },
        { type: "function_call", call_id: "c1", name: "weather", arguments: "{}" },
        { type: "function_call", call_id: "c2", name: "weather", arguments: "{}" },
        { type: "function_call_output", call_id: "c1", output: "1" },
        { type: "function_call_output", call_id: "c2", output: [{ type: "input_text", text: "2" }] },
      ],
      tools: [weather],
      tool_choice: { type: "function", name: "weather" },
      parallel_tool_calls: false,
      max_output_tokens: 99,
      reasoning: { effort: "low", summary: "auto" },
      text: { format: { type: "json_schema", name: "city", schema: city, strict: true }, verbosity: "low" },
      include: ["reasoning.encrypted_content"],
      prompt_cache_key: "k",
      store: true,
      user: "u-1",
    })
    const call = (id: string) => ({ id, type: "function", function: { name: "weather", arguments: "{}" } })
    assert.deepStrictEqual(asked(), {
      user: "u-1",
      reasoning_effort: "low",
      response_format: { type: "json_schema", json_schema: { name: "city", schema: city, strict: true } },
      verbosity: "low",
      tools: [
        {
          type: "function",
          function: { name: "weather", description: "Of a city", parameters: city, strict: true },
        },
      ],
      tool_choice: { type: "function", function: { name: "weather" } },
      parallel_tool_calls: false,
      messages: [
        { role: "developer", content: "Be brief." },
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image_url", image_url: { url: "https://example.com/a.png", detail: "low" } },
          ],
        },
        { role: "assistant", content: null, tool_calls: [call("c1"), call("c2")] },
        { role: "tool", tool_call_id: "c1", content: "1" },
        { role: "tool", tool_call_id: "c2", content: "2" },
      ],
      max_tokens: 99,
      model: "m",
    })
  })

  it("names what was left out", async () => {
    const { response } = await client.responses
      .create({ model: "p0/m", input: "Hi", reasoning: { summary: "auto" }, prompt_cache_key: "k" })
      .withResponse()
    assert.strictEqual(response.headers.get("x-gateway-dropped"), "reasoning.summary, prompt_cache_key")
  })

  it.each([
    ["previous_response_id", { previous_response_id: "resp_1" }],
    ["conversation", { conversation: "conv_1" }],
    ["background", { background: true }],
    ["prompt", { prompt: { id: "pmpt_1" } }],
    ["input[0].type", { input: [{ type: "item_reference", id: "rs_1" }] }],
    ["input[0].type", { input: [{ type: "shell_call", call_id: "c" }] }],
    ["input[0].role", { input: [{ role: "tool", content: "x" }] }],
    [
      "input[0].content[0].file_id",
      { input: [{ role: "user", content: [{ type: "input_image", file_id: "f" }] }] },
    ],
    ["input[0].call_id", { input: [{ type: "function_call", name: "f", arguments: "{}" }] }],
    ["tools[0].type", { tools: [{ type: "web_search" }] }],
    ["input", { input: [] }],
  ])("is refused by the name of %s", async (param, fields) => {
    const body = {
      model: "both",
      input: "Hi",
      ...fields,
    } as OpenAI.Responses.ResponseCreateParamsNonStreaming
    const error = await thrown(client.responses.create(body), OpenAI.BadRequestError)
    assert.strictEqual(error.param, param)
    assert.lengthOf(world.upstream.calls, 0)
  })

  it("that the provider refuses is told as OpenAI does", async () => {
    world.upstream.respond(status(429, { error: { message: "slow down", code: "rate_limit_exceeded" } }))
    const error = await thrown(client.responses.create({ model: "p0/m", input: "Hi" }), OpenAI.RateLimitError)
    assert.strictEqual(error.code, "upstream_rate_limited")
  })

  it("is parsed by a zod schema", async () => {
    world.upstream.respond(ok({ text: '{"city":"Rome"}' }))
    const format = zodTextFormat(z.object({ city: z.string() }), "city")
    const parsed = await client.responses.parse({ model: "p0/m", input: "Where?", text: { format } })
    assert.deepStrictEqual(parsed.output_parsed, { city: "Rome" })
  })

  it("has its own endpoint in the ledger", async () => {
    const { id, key } = await world.gateway.createKey()
    await world.client({ apiKey: key }).responses.create({ model: "p0/m", input: "Hi" })
    const path = `/analytics/requests?key_id=${id}&endpoint=/v1/responses`
    const rows = async () =>
      ((await (await world.gateway.admin(path)).json()) as { data: ReadonlyArray<object> }).data
    await assertEventually(async () => (await rows()).length === 1)
  })
})

const piece = (delta: object, finish_reason: string | null = null) =>
  sse({
    id: "c",
    object: "chat.completion.chunk",
    created: 1_732_000_001,
    model: "m-2026-11-01",
    choices: [{ index: 0, delta, finish_reason }],
  })

describe("reasoning", () => {
  it("is an item of its own before the words, and comes back as the model's", async () => {
    world.upstream.respond(
      rawStream([
        piece({ role: "assistant", content: "" }),
        piece({ reasoning_content: "Let me " }),
        piece({ reasoning_content: "see." }),
        piece({ content: "Rome" }),
        piece({}, "stop"),
        "data: [DONE]\n\n",
      ]),
    )
    const stream = client.responses.stream({ model: "p0/m", input: "Where?" })
    const events: Array<Event> = []
    stream.on("event", (event) => events.push(event))
    const { output, output_text } = await stream.finalResponse()
    assertNumbered(events)
    assert.strictEqual(output_text, "Rome")
    assert.deepInclude(output[0], {
      type: "reasoning",
      summary: [{ type: "summary_text", text: "Let me see." }],
    })
    assert.deepStrictEqual(typesOf(events).slice(2, 9), [
      "response.output_item.added",
      "response.reasoning_summary_part.added",
      "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.done",
      "response.reasoning_summary_part.done",
      "response.output_item.done",
      "response.output_item.added",
    ])
    world.upstream.respond(ok())
    await client.responses.create({
      model: "p0/m",
      input: [{ role: "user", content: "Where?" }, ...output, { role: "user", content: "Sure?" }] as never,
    })
    assert.deepInclude((asked().messages as ReadonlyArray<object>)[1], {
      role: "assistant",
      content: "Rome",
      reasoning_content: "Let me see.",
    })
  })
})
