import { assert } from "@effect/vitest"
import OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { ok } from "../support/fake-upstream-behaviours.ts"
import { sse } from "../support/fake-upstream-openai.ts"
import { rawStream } from "../support/fake-upstream-streams.ts"
import { OpenAiWorld, thrown } from "./openai-sdk-world.ts"

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

  it("has the image that a tool gave behind its result, where every server takes one", async () => {
    const image_url = "data:image/png;base64,aGk="
    await client.responses.create({
      model: "p0/m",
      input: [
        { role: "user", content: "Look." },
        { type: "function_call", call_id: "c1", name: "weather", arguments: "{}" },
        {
          type: "function_call_output",
          call_id: "c1",
          output: [{ type: "input_image", image_url, detail: "auto" }],
        },
      ],
      tools: [weather],
    })
    const sent = world.upstream.calls.at(-1)?.json as { messages: ReadonlyArray<object> } | undefined
    assert.deepStrictEqual(sent?.messages.slice(2), [
      { role: "tool", tool_call_id: "c1", content: "(What is no text follows below.)" },
      {
        role: "user",
        content: [
          { type: "text", text: "Of the result of c1:" },
          { type: "image_url", image_url: { url: image_url, detail: "auto" } },
        ],
      },
    ])
  })

  it("is repeated in the response, which has an id and a time of its own", async () => {
    const before = Math.floor(Date.now() / 1000)
    const asked = { instructions: "Be brief.", temperature: 0.5, metadata: { a: "b" } }
    const response = await client.responses.create({ model: "p0/m", input: "Hi", ...asked })
    assert.deepInclude(response, { ...asked, store: false } as object)
    assert.match(response.id, /^resp_[0-9a-f]{32}$/)
    assert.isAtLeast(response.created_at, before)
  })

  it("names what was left out", async () => {
    const { response } = await client.responses
      .create({ model: "p0/m", input: "Hi", reasoning: { summary: "auto" }, prompt_cache_key: "k" })
      .withResponse()
    assert.strictEqual(response.headers.get("x-gateway-dropped"), "prompt_cache_key, reasoning.summary")
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
    const code = param === "previous_response_id" ? "previous_response_not_found" : "invalid_request"
    assert.strictEqual(error.code, code)
    assert.lengthOf(world.upstream.calls, 0)
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
