import Anthropic from "@anthropic-ai/sdk"
import { assert } from "@effect/vitest"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { hang, ok, status } from "../support/fake-upstream-behaviours.ts"
import { sse } from "../support/fake-upstream-openai.ts"
import {
  rawStream,
  streamThenEnd,
  streamThenError,
  streamThenHang,
} from "../support/fake-upstream-streams.ts"
import { AnthropicWorld, hello, OLD_VERSION } from "./anthropic-sdk-world.ts"
import { collect, thrown } from "./openai-sdk-world.ts"

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
  it("reads an answer, its counts and its headers", async () => {
    world.upstream.respond(ok({ text: "Rome", usage: { input: 30, output: 20, cached: 10, reasoning: 5 } }))
    const { data, response, request_id } = await client.messages.create(asked).withResponse()
    assert.deepStrictEqual(data as unknown, {
      id: "msg_fake",
      type: "message",
      role: "assistant",
      model: "m",
      content: [{ type: "text", text: "Rome", citations: null }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: {
        input_tokens: 20,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 10,
        output_tokens: 20,
        output_tokens_details: { thinking_tokens: 5 },
      },
    })
    assert.strictEqual(response.headers.get("x-gateway-provider"), "p0")
    assert.strictEqual(response.headers.get("x-gateway-cost"), "0.00014")
    assert.strictEqual(request_id, response.headers.get("x-request-id"))
    assert.strictEqual(response.headers.get("anthropic-ratelimit-requests-limit"), "100000")
    assert.isAbove(
      Date.parse(response.headers.get("anthropic-ratelimit-requests-reset") ?? ""),
      Date.now() - 60_000,
    )
    assert.isNull(response.headers.get("x-ratelimit-limit-requests"))
  })

  it.each([
    ["length", "max_tokens"],
    ["content_filter", "refusal"],
  ] as const)("tells that the answer ended for %s", async (finish, stop_reason) => {
    world.upstream.respond(ok({ text: "Rome", finish }))
    assert.strictEqual((await client.messages.create(asked)).stop_reason, stop_reason)
    assert.strictEqual((await client.messages.stream(asked).finalMessage()).stop_reason, stop_reason)
  })

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
    assert.strictEqual(response.headers.get("x-gateway-dropped"), "inference_geo")
  })

  it("carries a loop of tools, some called at once, whole and streamed", async () => {
    const calls = ["Rome", "Oslo"].map((city) => ({ name: "weather", args: { city } }))
    for (const ask of [
      (body: Anthropic.MessageCreateParamsNonStreaming) => client.messages.create(body),
      (body: Anthropic.MessageCreateParamsNonStreaming) => client.messages.stream(body).finalMessage(),
    ]) {
      world.upstream.reset()
      world.upstream.enqueue(ok({ toolCalls: calls }), ok({ text: "Warm." }))
      const question = { role: "user" as const, content: "Where is it warm?" }
      const first = await ask({
        ...asked,
        messages: [question],
        tools: [weather],
        tool_choice: { type: "any" },
      })
      assert.strictEqual(first.stop_reason, "tool_use")
      const uses = first.content.filter((block) => block.type === "tool_use")
      assert.deepStrictEqual(
        uses.map(({ name, input }) => ({ name, args: input })),
        calls,
      )
      assert.strictEqual(new Set(uses.map(({ id }) => id)).size, 2)
      assert.strictEqual(sent().tool_choice, "required")
      const results = uses.map(({ id }, index) => ({
        type: "tool_result" as const,
        tool_use_id: id,
        content: "21",
        is_error: index === 1,
      }))
      const second = await ask({
        ...asked,
        tools: [weather],
        messages: [
          question,
          { role: "assistant", content: first.content },
          { role: "user", content: results },
        ],
      })
      assert.deepInclude(second.content[0], { text: "Warm." })
      assert.deepStrictEqual(sent().messages as unknown, [
        question,
        {
          role: "assistant",
          content: null,
          tool_calls: uses.map(({ id, name, input }) => ({
            id,
            type: "function",
            function: { name, arguments: JSON.stringify(input) },
          })),
        },
        { role: "tool", tool_call_id: uses[0]?.id, content: "21" },
        { role: "tool", tool_call_id: uses[1]?.id, content: "The tool failed:\n21" },
      ])
    }
  })

  it("gives another vendor's reasoning as thinking without a signature, which comes back to who wants it", async () => {
    const answer = { role: "assistant", content: "Rome", reasoning_content: "Italy?" }
    world.upstream.enqueue((exchange) =>
      exchange.response.writeHead(200, { "content-type": "application/json" }).end(
        JSON.stringify({
          id: "c",
          model: "m",
          choices: [{ index: 0, message: answer, finish_reason: "stop" }],
        }),
      ),
    )
    const { content } = await client.messages.create(asked)
    assert.deepStrictEqual(content as unknown, [
      { type: "thinking", thinking: "Italy?", signature: "" },
      { type: "text", text: "Rome", citations: null },
    ])
    await client.messages.create({
      ...asked,
      messages: [...asked.messages, { role: "assistant", content }, { role: "user", content: "Sure?" }],
    })
    assert.deepStrictEqual((sent().messages as ReadonlyArray<unknown>)[1], answer)
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
  it("yields the events of one message in order", async () => {
    world.upstream.respond(ok({ text: "Hello there", usage: { input: 11, output: 7, cached: 3 } }))
    const stream = client.messages.stream(asked)
    const { chunks, error } = await collect(stream)
    assert.isUndefined(error)
    assert.deepStrictEqual(
      chunks.map(({ type }) => type),
      [
        "message_start",
        "content_block_start",
        ...Array.from({ length: 3 }, () => "content_block_delta" as const),
        "content_block_stop",
        "message_delta",
        "message_stop",
      ],
    )
    const message = await stream.finalMessage()
    assert.deepStrictEqual(message.content as unknown, [
      { type: "text", text: "Hello there", citations: null },
    ])
    assert.deepInclude(message.usage, { input_tokens: 8, cache_read_input_tokens: 3, output_tokens: 7 })
    assert.strictEqual(message.stop_reason, "end_turn")
  })

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
      { type: "text", text: "I look.", citations: null },
      { type: "tool_use", id: "a", name: "weather", input: { city: "Rome" } },
      { type: "tool_use", id: "b", name: "weather", input: { city: "Oslo" } },
    ])
  })

  it("is an error when the provider's stream is cut or breaks", async () => {
    for (const behaviour of [streamThenEnd(2), streamThenError(2)]) {
      world.upstream.reset()
      world.upstream.respond(behaviour)
      const stream = client.messages.stream(asked)
      const { chunks, error } = await collect(stream)
      assert.instanceOf(error, Anthropic.APIError)
      assert.include(["api_error", "overloaded_error"], error.type)
      assert.isNotEmpty(chunks)
      assert.isFalse(chunks.some(({ type }) => type === "message_stop"))
      await thrown(stream.finalMessage(), Anthropic.APIError)
    }
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

  it("ends the call upstream when it is aborted", async () => {
    world.upstream.respond(streamThenHang(2))
    const stream = client.messages.stream(asked)
    for await (const event of stream) if (event.type === "content_block_delta") break
    await world.upstream.until(({ calls }) => calls[0]?.outcome === "lost")
  })
})

describe("errors", () => {
  it("are the exceptions that the client has for them", async () => {
    const wrongKey = world.client({ apiKey: "gwk_wrong" })
    const unauthorized = await thrown(wrongKey.messages.create(asked), Anthropic.AuthenticationError)
    assert.strictEqual(unauthorized.type, "authentication_error")
    assert.strictEqual(unauthorized.errorCode, "invalid_api_key")
    assert.isString(unauthorized.requestID)

    const notFound = await thrown(client.messages.create(hello("nobody/knows")), Anthropic.NotFoundError)
    assert.strictEqual(notFound.type, "not_found_error")

    world.upstream.respond(status(429, { error: { message: "slow down", code: "rate_limit_exceeded" } }))
    const limited = await thrown(client.messages.create(asked), Anthropic.RateLimitError)
    assert.strictEqual(limited.type, "rate_limit_error")
    assert.strictEqual(limited.errorCode, "upstream_rate_limited")

    world.upstream.respond(status(503, { error: { message: "busy" } }))
    const busy = await thrown(client.messages.create(asked), Anthropic.APIError)
    assert.strictEqual(busy.type, busy.status === 503 ? "overloaded_error" : "api_error")
  })

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

describe("an Idempotency-Key", () => {
  it("has one call answered, whole and streamed", async () => {
    for (const stream of [false, true]) {
      world.upstream.reset()
      const headers = { "idempotency-key": `messages-${stream}` }
      const first = await world.post({ ...asked, stream }, headers)
      const text = await first.text()
      const second = await world.post({ ...asked, stream }, headers)
      assert.strictEqual(second.headers.get("idempotent-replayed"), "true")
      assert.strictEqual(await second.text(), text)
      assert.strictEqual(world.upstream.count, 1)
    }
  })
})

describe("a wait", () => {
  it("that is aborted ends the call upstream", async () => {
    world.upstream.respond(hang())
    const abort = new AbortController()
    const asking = client.messages.create(asked, { signal: abort.signal })
    await world.upstream.until(({ count }) => count === 1)
    abort.abort()
    await thrown(asking, Anthropic.APIUserAbortError)
    await world.upstream.until(({ calls }) => calls[0]?.outcome === "lost")
  })
})
