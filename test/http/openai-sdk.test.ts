import { assert } from "@effect/vitest"
import type OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { ok, status } from "../support/fake-upstream-behaviours.ts"
import { OpenAiWorld, PROVIDER_KEY, user } from "./openai-sdk-world.ts"

/** Whole answers of a provider that speaks OpenAI, as OpenAI's own client sees them: nothing is lost either way. */

let world: OpenAiWorld
let client: OpenAI

beforeAll(async () => {
  world = await OpenAiWorld.start()
  client = world.client()
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

const answerOf = (message: object, finish_reason: string, rest: object = {}) => ({
  id: "chatcmpl-of-the-provider",
  object: "chat.completion",
  created: 1_732_000_001,
  model: "m-2026-11-01",
  choices: [{ index: 0, message: { role: "assistant", ...message }, logprobs: null, finish_reason }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  ...rest,
})

const city = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
} as const

/** A bit of everything that the API has, what nobody has heard of, and nulls. */
const rich = {
  model: "p0/m",
  messages: [
    { role: "developer", content: "Be brief.", name: "rules" },
    {
      role: "user",
      content: [
        { type: "text", text: "What is this? \u{1f30d} \u2028 \\u0000" },
        { type: "image_url", image_url: { url: "https://example.com/a.png", detail: "low" } },
        { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
      ],
    },
    {
      role: "assistant",
      content: null,
      tool_calls: [
        { id: "c1", type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } },
      ],
    },
    { role: "tool", tool_call_id: "c1", content: '{"celsius":21}' },
  ],
  tools: [{ type: "function", function: { name: "weather", parameters: city, strict: true } }],
  tool_choice: { type: "function", function: { name: "weather" } },
  parallel_tool_calls: false,
  response_format: { type: "json_schema", json_schema: { name: "city", schema: city, strict: true } },
  n: 2,
  logprobs: true,
  top_logprobs: 2,
  logit_bias: { "50256": -100 },
  seed: 7,
  stop: ["END", "\n\n"],
  temperature: 0.25,
  top_p: 0.9,
  presence_penalty: -0.5,
  frequency_penalty: null,
  max_completion_tokens: 99,
  reasoning_effort: "low",
  verbosity: "low",
  metadata: { team: "a" },
  user: "u-1",
  store: false,
  service_tier: "flex",
  prediction: null,
  modalities: ["text"],
  x_invented: { deep: [1, null, { "": "kept" }], "a.b": 1e-7 },
} satisfies OpenAI.ChatCompletionCreateParamsNonStreaming & Record<string, unknown>

describe("a request", () => {
  it("reaches the provider as the client sent it, but for the model's name", async () => {
    await client.chat.completions.create(rich)
    const [call] = world.upstream.calls
    assert.strictEqual(call?.path, "/v1/chat/completions")
    assert.deepStrictEqual(call?.json, { ...rich, model: "m" })
  })

  it("reaches it with stream and the usage besides when it is streamed, other stream options kept", async () => {
    for (const stream_options of [undefined, null, { include_usage: false, include_obfuscation: false }]) {
      world.upstream.reset()
      const asked = {
        ...rich,
        stream: true as const,
        ...(stream_options !== undefined && { stream_options }),
      }
      for await (const _ of await client.chat.completions.create(asked));
      assert.deepStrictEqual(world.upstream.calls[0]?.json, {
        ...rich,
        model: "m",
        stream: true,
        stream_options: { ...stream_options, include_usage: true },
      })
    }
  })

  it("keeps a field whose name means something to JavaScript", async () => {
    const response = await world.post(
      "/chat/completions",
      '{"model":"p0/m","messages":[{"role":"user","content":"Hi","constructor":1}],"__proto__":{"a":1}}',
    )
    assert.strictEqual(response.status, 200)
    const sent = world.upstream.calls[0]?.body.toString() ?? ""
    assert.include(sent, '"__proto__":{"a":1}')
    assert.include(sent, '"constructor":1')
  })

  it("keeps numbers that JavaScript would round", async () => {
    const parameters = '{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807}'
    const response = await world.post(
      "/chat/completions",
      `{"model":"p0/m","messages":[{"role":"user","content":"Hi"}],"seed":9007199254740993,"tools":[{"type":"function","function":{"name":"f","parameters":${parameters}}}]}`,
    )
    assert.strictEqual(response.status, 200)
    const sent = world.upstream.calls[0]?.body.toString() ?? ""
    assert.include(sent, '"seed":9007199254740993')
    assert.include(sent, `"parameters":${parameters}`)
  })

  it("goes with the gateway's key, and nothing of the client's headers", async () => {
    await client.chat.completions.create(
      { model: "p0/m", messages: [user("Hi")] },
      { headers: { "openai-organization": "org-canary", "x-canary": "canary", cookie: "a=canary" } },
    )
    const [call] = world.upstream.calls
    assert.strictEqual(call?.headers.authorization, `Bearer ${PROVIDER_KEY}`)
    const headers = JSON.stringify(call?.rawHeaders)
    assert.notInclude(headers, world.key)
    assert.notMatch(headers, /canary|stainless|OpenAI\/JS/i)
  })

  it("has its model found by a route's, a provider's and a bare name", async () => {
    for (const model of ["auto", "p0/m", "m", "org/large", "p0/org/large"]) {
      const answer = await client.chat.completions.create({ model, messages: [user("Hi")] })
      assert.strictEqual(answer.model, model.endsWith("org/large") ? "org/large" : "m")
    }
  })
})

describe("a whole answer", () => {
  it("is the provider's own, known to the client's types or not", async () => {
    const body = answerOf(
      { content: "Rome", refusal: null, annotations: [], reasoning_content: "hm", x_message: [1] },
      "stop",
      {
        usage: {
          prompt_tokens: 30,
          completion_tokens: 20,
          total_tokens: 50,
          prompt_tokens_details: { cached_tokens: 10, audio_tokens: 0 },
          completion_tokens_details: {
            reasoning_tokens: 5,
            audio_tokens: 0,
            accepted_prediction_tokens: 1,
            rejected_prediction_tokens: 2,
          },
          x_usage: { tier: 1 },
        },
        system_fingerprint: "fp_44709d6fcb",
        service_tier: "default",
        x_invented: { deep: [null] },
      },
    )
    world.upstream.respond(status(200, body))
    const { data, response, request_id } = await client.chat.completions
      .create({ model: "p0/m", messages: [user("Capital of Italy?")] })
      .withResponse()
    assert.deepStrictEqual(JSON.parse(JSON.stringify(data)), body)
    assert.strictEqual(data.choices[0]?.message.content, "Rome")
    assert.strictEqual(data.usage?.completion_tokens_details?.reasoning_tokens, 5)
    assert.match(request_id ?? "", /^[0-9a-f-]{36}$/)
    const { headers } = response
    assert.match(headers.get("content-type") ?? "", /^application\/json/)
    assert.strictEqual(headers.get("x-gateway-provider"), "p0")
    assert.strictEqual(headers.get("x-gateway-model"), "m")
    assert.strictEqual(headers.get("x-gateway-attempts"), "1")
    // 30 tokens at 2 USD and 20 at 4 USD per million.
    assert.strictEqual(headers.get("x-gateway-cost"), "0.00014")
    assert.match(headers.get("server-timing") ?? "", /^auth;dur=\d+, route;dur=\d+, upstream;dur=\d+/)
    assert.strictEqual(headers.get("x-ratelimit-limit-requests"), "100000")
    assert.match(headers.get("x-ratelimit-remaining-requests") ?? "", /^9\d{4}$|^100000$/)
    assert.match(headers.get("x-ratelimit-reset-requests") ?? "", /^(\d+m)?[\d.]+m?s$/)
  })

  it("travels in the provider's own bytes", async () => {
    const bytes = `{ "choices":[{"message":{"content":"\\u00e9\u00e9", "role":"assistant"},"index":0}],\n "big":12345678901234567890 }`
    world.upstream.respond(status(200, bytes))
    const response = await world.post("/chat/completions", { model: "p0/m", messages: [user("Hi")] })
    assert.strictEqual(await response.text(), bytes)
  })

  it("has every choice that was asked for", async () => {
    const { choices } = await client.chat.completions.create({ model: "p0/m", messages: [user("Hi")], n: 3 })
    assert.deepStrictEqual(
      choices.map(({ index, message }) => [index, message.content]),
      [0, 1, 2].map((index) => [index, "echo: Hi"]),
    )
  })

  it("may be a refusal, or end for its content or its length", async () => {
    world.upstream.enqueue(
      status(200, answerOf({ content: null, refusal: "I cannot help with that." }, "stop")),
      ok({ text: "I was about", finish: "content_filter" }),
      ok({ text: "cut", finish: "length" }),
    )
    const ask = async () =>
      (await client.chat.completions.create({ model: "p0/m", messages: [user("Hi")] })).choices[0]
    const refused = await ask()
    assert.strictEqual(refused?.message.refusal, "I cannot help with that.")
    assert.isNull(refused?.message.content)
    assert.strictEqual((await ask())?.finish_reason, "content_filter")
    assert.strictEqual((await ask())?.finish_reason, "length")
  })

  it("gives log probabilities", async () => {
    const logprobs = {
      content: [{ token: "Hi", bytes: [72, 105], logprob: -0.25, top_logprobs: [] }],
      refusal: null,
    }
    const body = answerOf({ content: "Hi" }, "stop")
    world.upstream.respond(
      status(200, { ...body, choices: body.choices.map((choice) => ({ ...choice, logprobs })) }),
    )
    const { choices } = await client.chat.completions.create({
      model: "p0/m",
      messages: [user("Hi")],
      logprobs: true,
    })
    assert.deepStrictEqual(choices[0]?.logprobs, logprobs)
  })
})

describe("tools", () => {
  it("are called, several at once, and their results answered", async () => {
    const tools: Array<OpenAI.ChatCompletionFunctionTool> = [
      { type: "function", function: { name: "weather", parameters: city } },
    ]
    const messages: Array<OpenAI.ChatCompletionMessageParam> = [user("Rome or Oslo?")]
    world.upstream.enqueue(
      ok({
        toolCalls: [
          { name: "weather", args: { city: "Rome" } },
          { name: "weather", args: { city: "Oslo" } },
        ],
      }),
      ok({ text: "Rome." }),
    )
    const asked = await client.chat.completions.create({ model: "p0/m", messages, tools })
    const message = asked.choices[0]?.message
    assert.isDefined(message)
    assert.strictEqual(asked.choices[0]?.finish_reason, "tool_calls")
    const calls = message.tool_calls ?? []
    assert.deepStrictEqual(
      calls.map((call) => call.type === "function" && JSON.parse(call.function.arguments)),
      [{ city: "Rome" }, { city: "Oslo" }],
    )
    messages.push(
      message,
      ...calls.map(({ id }) => ({ role: "tool" as const, tool_call_id: id, content: '{"celsius":21}' })),
    )
    const answered = await client.chat.completions.create({ model: "p0/m", messages, tools })
    assert.strictEqual(answered.choices[0]?.message.content, "Rome.")
    assert.deepStrictEqual(world.upstream.calls[1]?.json, { model: "m", messages, tools })
  })
})

describe("a JSON schema", () => {
  it("is parsed by the client's parse()", async () => {
    world.upstream.respond(ok({ text: '{"city":"Rome"}' }))
    const completion = await client.chat.completions.parse({
      model: "p0/m",
      messages: [user("Capital of Italy?")],
      response_format: { type: "json_schema", json_schema: { name: "city", schema: city, strict: true } },
    })
    assert.deepStrictEqual(completion.choices[0]?.message.parsed, { city: "Rome" })
  })
})
