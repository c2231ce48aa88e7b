import { assert } from "@effect/vitest"
import OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { ok, status, toolCall } from "../support/fake-upstream-behaviours.ts"
import { rawStream } from "../support/fake-upstream-streams.ts"
import { ENCRYPTED_REASONING } from "../support/openai-request.ts"
import { collect, OpenAiWorld, thrown, user } from "./openai-sdk-world.ts"

/** OpenAI's second wire: clients of Responses get its own answers, and chats go there where chat completions refuse them. */

let world: OpenAiWorld
let client: OpenAI

beforeAll(async () => {
  world = await OpenAiWorld.start({ openAi: true })
  client = world.client()
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

const call = () => {
  const last = world.upstream.calls.at(-1)
  assert(last !== undefined)
  return last
}
const asked = () => call().asked.json as Record<string, unknown>

const usage = { input: 30, output: 20, cached: 10, reasoning: 5 }
const tool = {
  type: "function" as const,
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
}

describe("a client of Responses", () => {
  it("is answered by OpenAI's own bytes, asked by its own", async () => {
    world.upstream.respond(ok({ text: "Rome", usage }))
    const body = `{"model":"openai/gpt-5.4-mini", "input":"Hi","seed":12345678901234567890,"tools":[{"type":"web_search"}],"store":true}`
    const response = await world.post("/responses", body)
    assert.strictEqual(response.status, 200)
    assert.strictEqual(
      call().body.toString(),
      `{"model":"gpt-5.4-mini", "input":"Hi","seed":12345678901234567890,"tools":[{"type":"web_search"}],"store":false,"include":["reasoning.encrypted_content"]}`,
    )
    const answer = (await response.json()) as OpenAI.Responses.Response
    assert.strictEqual(answer.id, "resp_fake")
    assert.deepInclude(answer.output[0], { type: "reasoning", encrypted_content: "gAAAAABoZW5jcnlwdGVk" })
    // 20 tokens of input, 10 from the cache and 20 of output, at 0.75, 0.075 and 4.5 USD for a million.
    assert.strictEqual(response.headers.get("x-gateway-cost"), "0.00010575")
  })

  it("gets OpenAI's own events", async () => {
    world.upstream.respond(ok({ text: "Rome, of course", usage }))
    const { chunks, error } = await collect(
      await client.responses.create({ model: "openai/gpt-5.4-mini", input: "Hi", stream: true }),
    )
    assert.isUndefined(error)
    assert.deepStrictEqual(
      chunks.map(({ sequence_number }) => sequence_number),
      chunks.map((_, index) => index),
    )
    const last = chunks.at(-1)
    assert(last?.type === "response.completed")
    assert.strictEqual(last.response.id, "resp_fake")
    assert.strictEqual(last.response.usage?.total_tokens, 50)
  })

  it("sends OpenAI nothing that others said to it", async () => {
    await client.responses.create({
      model: "openai/gpt-5.4-mini",
      input: [
        { role: "user", content: "Hi" },
        { type: "reasoning", id: "rs_0", summary: [{ type: "summary_text", text: "of Gemini" }] },
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: ENCRYPTED_REASONING },
        {
          type: "function_call",
          call_id: "c",
          name: "f",
          arguments: "{}",
          extra_content: { google: {} },
        } as never,
        { type: "function_call_output", call_id: "c", output: "r" },
      ],
    })
    assert.deepStrictEqual(asked().input, [
      { role: "user", content: "Hi" },
      { type: "reasoning", id: "rs_1", summary: [], encrypted_content: ENCRYPTED_REASONING },
      { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
      { type: "function_call_output", call_id: "c", output: "r" },
    ])
  })

  it("asks no model for reasoning that has none", async () => {
    await client.responses.create({ model: "openai/gpt-4o", input: "Hi" })
    assert.notProperty(asked(), "include")
  })

  it("gets OpenAI's own refusal", async () => {
    const error = {
      message: "Unsupported value",
      type: "invalid_request_error",
      param: "input",
      code: "unsupported_value",
    }
    world.upstream.respond(status(400, { error }))
    const body = { model: "openai/gpt-5.4-mini", input: "Hi" }
    assert.strictEqual((await thrown(client.responses.create(body), OpenAI.BadRequestError)).param, "input")
  })
})

describe("a chat", () => {
  const chat = { model: "openai/gpt-5.4-mini", messages: [user("Hi")] }

  it("goes to chat completions where they take it", async () => {
    const paths: Array<string> = []
    for (const fields of [{}, { tools: [tool] }, { reasoning_effort: "low" as const }]) {
      await client.chat.completions.create({ ...chat, ...fields })
      paths.push(call().path)
    }
    await client.chat.completions.create({ ...chat, tools: [tool], reasoning_effort: "none" })
    assert.deepStrictEqual(
      [...paths, call().path],
      Array.from({ length: 4 }, () => "/v1/chat/completions"),
    )
  })

  it("goes to Responses with tools and an effort, and with a model that only they answer for", async () => {
    await client.chat.completions.create({ ...chat, tools: [tool], reasoning_effort: "low" })
    assert.strictEqual(call().path, "/v1/responses")
    await client.chat.completions.create({ ...chat, model: "openai/gpt-5.5-pro" })
    assert.strictEqual(call().path, "/v1/responses")
    const { data } = await client.models.list()
    assert.include(
      data.map(({ id }) => id),
      "openai/gpt-5.5-pro",
    )
  })

  it("is asked and answered in chat's words, reasoning and calls over turns included", async () => {
    world.upstream.respond(toolCall("weather", { city: "Rome" }))
    const request = { ...chat, tools: [tool], reasoning_effort: "low" as const, max_completion_tokens: 99 }
    const first = await client.chat.completions.create(request)
    assert.deepStrictEqual(asked(), {
      model: "gpt-5.4-mini",
      input: [{ role: "user", content: "Hi" }],
      store: false,
      include: ["reasoning.encrypted_content"],
      max_output_tokens: 99,
      tools: [{ type: "function", strict: false, ...tool.function }],
      reasoning: { effort: "low" },
    })
    const [choice] = first.choices
    assert(choice !== undefined)
    assert.strictEqual(choice.finish_reason, "tool_calls")
    const details = [
      {
        type: "reasoning.encrypted",
        id: "rs_fake",
        data: "gAAAAABoZW5jcnlwdGVk",
        format: "openai-responses-v1",
      },
    ]
    assert.deepStrictEqual(choice.message as unknown, {
      role: "assistant",
      content: null,
      refusal: null,
      reasoning_details: details,
      tool_calls: [
        { id: "call_fake_0", type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } },
      ],
    })
    world.upstream.respond(ok({ text: "21 degrees", usage }))
    const second = await client.chat.completions.create({
      ...request,
      messages: [
        ...chat.messages,
        choice.message,
        { role: "tool", tool_call_id: "call_fake_0", content: "21" },
      ],
    })
    assert.deepStrictEqual(asked().input, [
      { role: "user", content: "Hi" },
      { type: "reasoning", id: "rs_fake", summary: [], encrypted_content: "gAAAAABoZW5jcnlwdGVk" },
      { type: "function_call", call_id: "call_fake_0", name: "weather", arguments: '{"city":"Rome"}' },
      { type: "function_call_output", call_id: "call_fake_0", output: "21" },
    ])
    assert.strictEqual(second.choices[0]?.message.content, "21 degrees")
    assert.deepInclude(second.usage, { prompt_tokens: 30, completion_tokens: 20, total_tokens: 50 })
  })

  it("is streamed in chat's chunks", async () => {
    const request = { ...chat, tools: [tool], reasoning_effort: "low" as const, stream: true as const }
    world.upstream.respond(ok({ text: "Rome, of course", usage }))
    const said = await client.chat.completions.stream(request).finalChatCompletion()
    assert.strictEqual(said.choices[0]?.message.content, "Rome, of course")
    world.upstream.respond(toolCall("weather", { city: "Rome" }))
    const called = await client.chat.completions.stream(request).finalChatCompletion()
    assert.strictEqual(called.choices[0]?.finish_reason, "tool_calls")
    assert.deepInclude(called.choices[0]?.message.tool_calls?.[0], { id: "call_fake_0", type: "function" })
    const { chunks } = await collect(
      await client.chat.completions.create({ ...request, stream_options: { include_usage: true } }),
    )
    assert.strictEqual(chunks.filter(({ usage }) => usage != null).length, 1)
  })

  it("that is cut or fails on the way ends as chats do", async () => {
    const request = { ...chat, model: "openai/gpt-5.5-pro" }
    world.upstream.respond(ok({ text: "Ro", finish: "length" }))
    assert.strictEqual((await client.chat.completions.create(request)).choices[0]?.finish_reason, "length")
    const failed = {
      type: "response.failed",
      response: { status: "failed", error: { code: "server_error", message: "x" } },
    }
    world.upstream.respond(rawStream([`event: response.failed\ndata: ${JSON.stringify(failed)}\n\n`]))
    const error = await thrown(client.chat.completions.create({ ...request, stream: true }), OpenAI.APIError)
    assert.strictEqual(error.code, "upstream_error")
  })

  it("that Responses have no word for is refused by name", async () => {
    const request = { ...chat, model: "openai/gpt-5.5-pro", stop: ["END"] }
    assert.strictEqual(
      (await thrown(client.chat.completions.create(request), OpenAI.BadRequestError)).param,
      "stop",
    )
  })
})
