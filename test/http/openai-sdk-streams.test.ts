import { assert } from "@effect/vitest"
import OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { hang, ok } from "../support/fake-upstream-behaviours.ts"
import { sse } from "../support/fake-upstream-openai.ts"
import {
  errorFirstFrame,
  oddStream,
  rawStream,
  streamThenCut,
  streamThenEnd,
  streamThenError,
  streamThenHang,
  streamThenReset,
} from "../support/fake-upstream-streams.ts"
import { collect, OpenAiWorld, thrown, user } from "./openai-sdk-world.ts"

/** Streams of a provider that speaks OpenAI: what its client makes of them, and the bytes themselves. */

let world: OpenAiWorld
let client: OpenAI

beforeAll(async () => {
  // Longer than anything here may take that is not about silence.
  world = await OpenAiWorld.start({ rest: "timeouts: { body_ms: 1500 }" })
  client = world.client()
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

const hello = { model: "p0/m", messages: [user("Hi")] }
const streamed = { ...hello, stream: true as const }

const chunk = (fields: object) => ({
  id: "c",
  object: "chat.completion.chunk",
  created: 1_732_000_001,
  model: "m-2026-11-01",
  ...fields,
})

const delta = (delta: object, finish_reason: string | null = null, index = 0) =>
  chunk({ choices: [{ index, delta, logprobs: null, finish_reason }] })

const DONE = "data: [DONE]\n\n"

const functionOf = (call: OpenAI.ChatCompletionMessageToolCall) => {
  if (call.type !== "function") throw new Error(`no function: ${call.type}`)
  return call.function
}

/** Each event with its blank line. */
const eventsOf = (text: string): ReadonlyArray<string> => text.match(/[\s\S]+?\n\n/g) ?? []

describe("create({ stream: true })", () => {
  it("yields the provider's chunks, and the usage only when asked", async () => {
    world.upstream.respond(
      ok({ text: "Hello there", usage: { input: 11, output: 7, cached: 3, reasoning: 2 } }),
    )
    const plain = await collect(await client.chat.completions.create(streamed))
    const counting = await collect(
      await client.chat.completions.create({ ...streamed, stream_options: { include_usage: true } }),
    )
    assert.isUndefined(plain.error)
    const text = ({ chunks }: typeof plain) =>
      chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")
    assert.strictEqual(text(plain), "Hello there")
    assert.strictEqual(plain.chunks.at(-1)?.choices[0]?.finish_reason, "stop")
    assert.isTrue(plain.chunks.every(({ choices }) => choices.length === 1))
    assert.strictEqual(plain.chunks[0]?.system_fingerprint, "fp_fake")
    assert.strictEqual(plain.chunks[0]?.choices[0]?.delta.role, "assistant")

    assert.strictEqual(text(counting), "Hello there")
    assert.lengthOf(counting.chunks, plain.chunks.length + 1)
    assert.deepStrictEqual(counting.chunks.at(-1)?.choices, [])
    assert.deepInclude(counting.chunks.at(-1)?.usage, {
      prompt_tokens: 11,
      completion_tokens: 7,
      total_tokens: 18,
    })
    assert.deepStrictEqual(counting.chunks.at(-1)?.usage?.prompt_tokens_details, { cached_tokens: 3 })
    assert.deepStrictEqual(counting.chunks.at(-1)?.usage?.completion_tokens_details, { reasoning_tokens: 2 })
  })

  it("has the headers of an answer before its end, and an id that errors have too", async () => {
    world.upstream.respond(streamThenError(1, undefined, { msBetween: 300 }))
    const { data, response, request_id } = await client.chat.completions.create(streamed).withResponse()
    const { headers } = response
    assert.match(headers.get("content-type") ?? "", /^text\/event-stream/)
    assert.strictEqual(headers.get("cache-control"), "no-store")
    assert.strictEqual(headers.get("x-accel-buffering"), "no")
    assert.strictEqual(headers.get("x-gateway-provider"), "p0")
    assert.strictEqual(headers.get("x-gateway-model"), "m")
    assert.strictEqual(headers.get("x-gateway-attempts"), "1")
    assert.strictEqual(headers.get("x-ratelimit-limit-requests"), "100000")
    assert.match(headers.get("server-timing") ?? "", /^auth;dur=\d+, route;dur=\d+, upstream;dur=\d+/)
    assert.strictEqual(world.upstream.calls[0]?.outcome, "pending")
    const { error } = await collect(data)
    assert.instanceOf(error, OpenAI.APIError)
    assert.strictEqual(error.requestID, request_id)
  })

  it("yields each chunk as it comes", async () => {
    world.upstream.respond(streamThenHang(2, { text: "Hello there" }))
    const stream = await client.chat.completions.create(streamed)
    const texts: Array<string> = []
    // Nothing more comes from the provider before this loop has ended.
    for await (const { choices } of stream) {
      texts.push(choices[0]?.delta.content ?? "")
      if (texts.join("") === "Hello th") break
    }
    assert.strictEqual(world.upstream.calls[0]?.outcome, "pending")
    await world.upstream.until(({ calls }) => calls[0]?.outcome === "lost")
  })

  it("yields fields and choices that the types do not know", async () => {
    const chunks = [
      chunk({ choices: [], prompt_filter_results: [{ prompt_index: 0 }] }),
      delta({ role: "assistant", content: "" }),
      delta({ reasoning_content: "Let me " }),
      delta({ reasoning_content: "think.", x_signature: "s" }),
      { ...delta({ content: "Hi" }), x_invented: { deep: [null] }, service_tier: "flex" },
      delta({}, "a_reason_to_come"),
    ]
    world.upstream.respond(rawStream([...chunks.map(sse), DONE]))
    const seen = await collect(await client.chat.completions.create(streamed))
    assert.isUndefined(seen.error)
    assert.deepStrictEqual(seen.chunks as Array<unknown>, chunks)
  })

  it("yields the last usage of a provider that counts in its chunks of text", async () => {
    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
    const chunks = [delta({ role: "assistant", content: "Hi" }), { ...delta({}, "stop"), usage }]
    world.upstream.respond(rawStream([...chunks.map(sse), DONE]))
    const seen = await collect(await client.chat.completions.create(streamed))
    assert.deepStrictEqual(seen.chunks as Array<unknown>, chunks)
  })
})

describe("stream()", () => {
  it("puts the answer together again, with its usage", async () => {
    world.upstream.respond(ok({ text: "Grüße aus Rom \u{1f30d}", usage: { input: 4, output: 6 } }))
    const runner = client.chat.completions.stream({ ...hello, stream_options: { include_usage: true } })
    const texts: Array<string> = []
    runner.on("content", (piece) => texts.push(piece))
    const completion = await runner.finalChatCompletion()
    assert.isAbove(texts.length, 1)
    assert.strictEqual(texts.join(""), "Grüße aus Rom \u{1f30d}")
    assert.strictEqual(completion.choices[0]?.message.content, "Grüße aus Rom \u{1f30d}")
    assert.strictEqual(completion.choices[0]?.finish_reason, "stop")
    assert.deepInclude(completion, { id: "chatcmpl-fake", model: "m", created: 1_700_000_000 })
    assert.strictEqual(completion.usage?.total_tokens, 10)
  })

  it("tells two choices apart", async () => {
    world.upstream.respond(ok({ text: "one and two" }))
    const { choices } = await client.chat.completions.stream({ ...hello, n: 2 }).finalChatCompletion()
    assert.deepStrictEqual(
      choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason]),
      [
        [0, "one and two", "stop"],
        [1, "one and two", "stop"],
      ],
    )
  })

  it("puts the arguments of parallel tool calls together", async () => {
    const calls = [
      { name: "weather", args: { city: "Rome", unit: "celsius" } },
      { name: "time", args: {} },
      { name: "weather", args: { city: 'Oslo "N"', days: [1, 2] } },
    ]
    world.upstream.respond(ok({ toolCalls: calls }))
    const tools = ["weather", "time"].map((name) => ({
      type: "function" as const,
      function: { name, parameters: {} },
    }))
    const completion = await client.chat.completions.stream({ ...hello, tools }).finalChatCompletion()
    assert.strictEqual(completion.choices[0]?.finish_reason, "tool_calls")
    const reassembled = completion.choices[0]?.message.tool_calls ?? []
    assert.deepStrictEqual(
      reassembled.map(functionOf).map(({ name, arguments: args }) => ({ name, args: JSON.parse(args) })),
      calls,
    )
    assert.strictEqual(new Set(reassembled.map(({ id }) => id)).size, 3)
  })

  it("puts tool calls together whose pieces take turns", async () => {
    const piece = (index: number, text: string, rest: object = {}) => ({
      tool_calls: [{ index, ...rest, function: { ...("id" in rest && { name: "f" }), arguments: text } }],
    })
    const deltas = [
      piece(0, "", { id: "a", type: "function" }),
      piece(1, "", { id: "b", type: "function" }),
      piece(0, '{"x"'),
      piece(1, '{"y"'),
      piece(0, ":1}"),
      piece(1, ":2}"),
    ]
    const first = { role: "assistant", content: null }
    const events = [delta(first), ...deltas.map((each) => delta(each)), delta({}, "tool_calls")]
    world.upstream.respond(rawStream([...events.map(sse), DONE]))
    const completion = await client.chat.completions.stream(hello).finalChatCompletion()
    assert.deepStrictEqual(
      completion.choices[0]?.message.tool_calls?.map((call) => [call.id, functionOf(call).arguments]),
      [
        ["a", '{"x":1}'],
        ["b", '{"y":2}'],
      ],
    )
  })

  it("parses what follows a JSON schema", async () => {
    world.upstream.respond(ok({ text: '{"city":"Rome"}' }))
    const completion = await client.chat.completions
      .stream({
        ...hello,
        response_format: { type: "json_schema", json_schema: { name: "city", schema: {} } },
      })
      .finalChatCompletion()
    assert.deepStrictEqual(completion.choices[0]?.message.parsed, { city: "Rome" })
  })

  it("has a refusal, and the end of a filtered answer", async () => {
    const refusal = ["I can", "not."].map((refusal) => delta({ refusal }))
    const events = [delta({ role: "assistant", content: null }), ...refusal, delta({}, "stop")]
    world.upstream.enqueue(
      rawStream([...events.map(sse), DONE]),
      ok({ text: "I was about", finish: "content_filter" }),
    )
    const refused = await client.chat.completions.stream(hello).finalChatCompletion()
    assert.strictEqual(refused.choices[0]?.message.refusal, "I cannot.")
    const filtered = await collect(await client.chat.completions.create(streamed))
    assert.strictEqual(filtered.chunks.at(-1)?.choices[0]?.finish_reason, "content_filter")
  })
})

describe("the bytes of a stream", () => {
  const textOf = async (body: object) => (await world.post("/chat/completions", body)).text()
  const sent = () => world.upstream.calls.at(-1)?.streamed ?? []
  const isUsage = (event: string) => event.includes('"choices":[],"usage"')

  it.each([
    ["text", { text: "Hello there, \u{1f30d}".repeat(20) }],
    ["a slow text", { text: "Hello there", msBetween: 5 }],
    ["tool calls", { toolCalls: [{ name: "f", args: { a: "b" } }] }],
  ])("are the provider's, the usage taken out or left in: %s", async (_, good) => {
    world.upstream.respond(ok(good))
    assert.strictEqual(
      await textOf({ ...streamed, n: 2 }),
      sent()
        .filter((event) => !isUsage(event))
        .join(""),
    )
    assert.lengthOf(sent().filter(isUsage), 1)
    const counted = await textOf({ ...streamed, n: 2, stream_options: { include_usage: true } })
    assert.strictEqual(counted, sent().join(""))
  })

  it("leave out comments and events of other names alone", async () => {
    world.upstream.respond(oddStream({ text: "Hello there" }))
    const others = sent
    const text = await textOf({ ...streamed, stream_options: { include_usage: true } })
    assert.deepStrictEqual(
      eventsOf(text),
      others().filter((event) => !event.startsWith(":") && !event.startsWith("event: invented")),
    )
    assert.include(text, '"invented":{"by":"them"}')
  })

  it("are the provider's however it frames and cuts them", async () => {
    const events = [
      `data:${JSON.stringify(delta({ role: "assistant", content: "" }))}\r\n\r\n`,
      `data: ${JSON.stringify(delta({ content: "Grüße \u{1f30d}" }))}\n\n`,
      `id: 1\ndata: {"id":"c","object":"chat.completion.chunk",\ndata: "choices":[]}\n\n`,
      `data: ${JSON.stringify(delta({}, "stop"))}\r\r`,
    ]
    const bytes = Buffer.from(events.join(""))
    const slices = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) =>
      bytes.subarray(7 * i, 7 * i + 7),
    )
    world.upstream.respond(rawStream([...slices, DONE]))
    assert.strictEqual(await textOf(streamed), events.join("") + DONE)
  })
})

describe("a stream that breaks", () => {
  it.each([
    ["resets", streamThenReset(2), "upstream_error"],
    ["is cut", streamThenCut(2), "upstream_error"],
    ["ends without [DONE]", streamThenEnd(2), "upstream_error"],
    ["reports an error", streamThenError(2), "upstream_overloaded"],
    [
      "reports a refused key",
      streamThenError(2, {
        error: { message: "Incorrect API key provided: sk-***eam", code: "invalid_api_key" },
      }),
      "upstream_auth",
    ],
    [
      "is garbage",
      rawStream([sse(delta({ content: "echo" })), "data: <html>\n\n", DONE]),
      "upstream_bad_response",
    ],
  ])("throws when its provider %s", async (_, behaviour, code) => {
    world.upstream.respond(behaviour)
    const { chunks, error } = await collect(await client.chat.completions.create(streamed))
    assert.isNotEmpty(chunks)
    assert.instanceOf(error, OpenAI.APIError)
    assert.strictEqual(error.code, code)
    assert.notMatch(error.message, /sk-|html|That model/)

    const runner = client.chat.completions.stream(hello)
    assert.strictEqual((await thrown(runner.finalChatCompletion(), OpenAI.APIError)).code, code)

    const raw = await (await world.post("/chat/completions", streamed)).text()
    assert.notInclude(raw, "[DONE]")
    const last = JSON.parse(
      eventsOf(raw)
        .at(-1)
        ?.replace(/^data: /, "") ?? "",
    )
    assert.hasAllKeys(last, ["error"])
    assert.hasAllKeys(last.error, ["message", "type", "param", "code"])
    // None was retried: something of each had been said.
    assert.strictEqual(world.upstream.count, 3)
  })

  it("throws when its provider falls silent", async () => {
    world.upstream.respond(streamThenHang(2))
    const { chunks, error } = await collect(await client.chat.completions.create(streamed))
    assert.isNotEmpty(chunks)
    assert.instanceOf(error, OpenAI.APIError)
    assert.strictEqual(error.code, "upstream_timeout")
  })

  it("is an ordinary error while nothing of it was said", async () => {
    for (const behaviour of [errorFirstFrame(), streamThenReset(0), streamThenEnd(0)]) {
      world.upstream.respond(behaviour)
      const error = await thrown(client.chat.completions.create(streamed), OpenAI.InternalServerError)
      assert.oneOf(error.code, ["upstream_overloaded", "upstream_error"])
    }
  })
})

describe("a client that leaves", () => {
  const lost = () => world.upstream.until(({ calls }) => calls[0]?.outcome === "lost")

  it.each([
    ["its provider writes", ok({ text: "x".repeat(4000), msBetween: 20 })],
    ["its provider says nothing", streamThenHang(2)],
  ])("in the middle of a stream stops its provider within a second: %s", async (_, behaviour) => {
    world.upstream.respond(behaviour)
    const controller = new AbortController()
    const stream = await client.chat.completions.create(streamed, { signal: controller.signal })
    for await (const { choices } of stream) if (choices[0]?.delta.content) controller.abort()
    await lost()

    world.upstream.reset()
    world.upstream.respond(behaviour)
    const runner = client.chat.completions.stream(hello)
    runner.on("content", () => runner.abort())
    await thrown(runner.finalChatCompletion(), OpenAI.APIUserAbortError)
    await lost()
  })

  it.each([
    ["a stream has begun", { ...streamed }],
    ["a whole answer is there", { ...hello, stream: false as const }],
  ])("before %s stops its provider within a second", async (_, body) => {
    world.upstream.respond(hang())
    const controller = new AbortController()
    const asked = client.chat.completions.create(body, { signal: controller.signal })
    const failed = thrown(asked, OpenAI.APIUserAbortError)
    await world.upstream.until(({ count }) => count === 1)
    controller.abort()
    await failed
    await lost()
  })
})
