import { assert } from "@effect/vitest"
import OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { failure, ok, status } from "../support/fake-upstream-behaviours.ts"
import {
  geminiStreamEvents,
  geminiThoughtAnswer,
  geminiToolAnswer,
  sseEvent,
} from "../support/fake-upstream-gemini.ts"
import { rawStream, streamThenCut, streamThenEnd, streamThenError } from "../support/fake-upstream-streams.ts"
import { collect, OpenAiWorld, PROVIDER_KEY, thrown, user } from "./openai-sdk-world.ts"

/** OpenAI's own client, answered by Gemini: it cannot tell, or it is told what Gemini cannot do. */

let world: OpenAiWorld
let client: OpenAI

beforeAll(async () => {
  world = await OpenAiWorld.start()
  client = world.client()
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

const model = "g0/gemini-2.5-flash"
const hello = { model, messages: [user("Hi")] }
const streamed = { ...hello, stream: true as const }

const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] } as const
const weather: OpenAI.ChatCompletionFunctionTool = {
  type: "function",
  function: { name: "weather", description: "Of a city", parameters: city },
}

const functionOf = (call: OpenAI.ChatCompletionMessageToolCall) => {
  if (call.type !== "function") throw new Error(`no function: ${call.type}`)
  return call.function
}

const shapes = () => world.upstream.calls.map(({ asked }) => asked.shape)

describe("a whole answer", () => {
  it("reads as OpenAI's", async () => {
    world.upstream.respond(ok({ text: "Rome", usage: { input: 30, output: 20, cached: 10, reasoning: 5 } }))
    const before = Math.floor(Date.now() / 1000)
    const { data, response } = await client.chat.completions.create(hello).withResponse()
    assert.match(data.id, /^chatcmpl-\S+$/)
    assert.strictEqual(data.object, "chat.completion")
    assert.isAtLeast(data.created, before)
    assert.isAtMost(data.created, Date.now() / 1000)
    assert.strictEqual(data.model, "gemini-2.5-flash")
    assert.deepStrictEqual(data.choices, [
      {
        index: 0,
        message: { role: "assistant", content: "Rome", refusal: null },
        logprobs: null,
        finish_reason: "stop",
      },
    ])
    assert.deepStrictEqual(data.usage as unknown, {
      prompt_tokens: 30,
      completion_tokens: 20,
      total_tokens: 50,
      prompt_tokens_details: { cached_tokens: 10 },
      completion_tokens_details: { reasoning_tokens: 5 },
    })
    assert.strictEqual(response.headers.get("x-gateway-provider"), "g0")
    assert.strictEqual(response.headers.get("x-gateway-cost"), "0.00007")
  })

  it("is given without what Gemini has no words for, which a header tells", async () => {
    for (const stream of [false, true]) {
      const { response } = await client.chat.completions
        .create({ model, messages: [user("Hi")], tools: [weather], parallel_tool_calls: false, stream })
        .withResponse()
      assert.strictEqual(response.headers.get("x-gateway-dropped"), "parallel_tool_calls")
    }
    const { response } = await client.chat.completions
      .create({ model, messages: [user("Hi")], tools: [weather] })
      .withResponse()
    assert.isNull(response.headers.get("x-gateway-dropped"))
  })

  it("is asked for in Gemini's words, with the gateway's key", async () => {
    await client.chat.completions.create({
      model,
      messages: [
        { role: "system", content: "Be brief." },
        user("Hi"),
        { role: "assistant", content: "Hello" },
        user("And now?"),
      ],
      n: 2,
      stop: ["END"],
      temperature: 0.25,
      top_p: 0.9,
      max_completion_tokens: 99,
      seed: 7,
      reasoning_effort: "low",
      logprobs: true,
      top_logprobs: 2,
      user: "u-1",
      metadata: { team: "a" },
      store: false,
    })
    const [call] = world.upstream.calls
    assert.strictEqual(call?.path, "/v1beta/models/gemini-2.5-flash:generateContent")
    assert.strictEqual(call?.headers["x-goog-api-key"], PROVIDER_KEY)
    assert.notInclude(JSON.stringify(call?.rawHeaders), world.key)
    assert.deepStrictEqual(call?.json, {
      contents: [
        { role: "user", parts: [{ text: "Hi" }] },
        { role: "model", parts: [{ text: "Hello" }] },
        { role: "user", parts: [{ text: "And now?" }] },
      ],
      systemInstruction: { role: "user", parts: [{ text: "Be brief." }] },
      generationConfig: {
        candidateCount: 2,
        stopSequences: ["END"],
        temperature: 0.25,
        topP: 0.9,
        maxOutputTokens: 99,
        seed: 7,
        responseLogprobs: true,
        logprobs: 2,
        thinkingConfig: { thinkingBudget: 1024, includeThoughts: true },
      },
    })
  })

  it("has every choice", async () => {
    const candidate = (index: number) => ({
      content: { role: "model", parts: [{ text: `answer ${index}` }] },
      finishReason: "STOP",
      index,
    })
    world.upstream.respond(status(200, { candidates: [candidate(0), candidate(1)], modelVersion: "v" }))
    const { choices } = await client.chat.completions.create({ ...hello, n: 2 })
    assert.deepStrictEqual(
      choices.map(({ index, message }) => [index, message.content]),
      [
        [0, "answer 0"],
        [1, "answer 1"],
      ],
    )
  })

  it("keeps the model's thoughts apart from what it says", async () => {
    world.upstream.respond(status(200, geminiThoughtAnswer({ model: "v" }, "Hm.", "Rome")))
    const { choices } = await client.chat.completions.create(hello)
    assert.strictEqual(choices[0]?.message.content, "Rome")
    assert.strictEqual(Reflect.get(choices[0]?.message ?? {}, "reasoning_content"), "Hm.")
  })

  it.each([
    ["length", "length"],
    ["content_filter", "content_filter"],
  ] as const)("ends for its %s in OpenAI's words", async (finish, reason) => {
    world.upstream.respond(ok({ text: "I was", finish }))
    const { choices } = await client.chat.completions.create(hello)
    assert.strictEqual(choices[0]?.finish_reason, reason)
  })

  it("follows a JSON schema", async () => {
    world.upstream.respond(ok({ text: '{"city":"Rome"}' }))
    const completion = await client.chat.completions.parse({
      ...hello,
      response_format: { type: "json_schema", json_schema: { name: "city", schema: city, strict: true } },
    })
    assert.deepStrictEqual(completion.choices[0]?.message.parsed, { city: "Rome" })
    assert.deepInclude(world.upstream.calls[0]?.json, {
      generationConfig: { responseMimeType: "application/json", responseJsonSchema: city },
    })
  })

  it("is about an image that came along", async () => {
    const image = { type: "image_url" as const, image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } }
    const content = [{ type: "text" as const, text: "What is this?" }, image]
    await client.chat.completions.create({ model, messages: [{ role: "user", content }] })
    assert.deepInclude(world.upstream.calls[0]?.json, {
      contents: [
        {
          role: "user",
          parts: [{ text: "What is this?" }, { inlineData: { mimeType: "image/png", data: "iVBORw0KGgo=" } }],
        },
      ],
    })
  })
})

describe("a stream", () => {
  it("reads as OpenAI's: one role, one end, the usage when asked, [DONE]", async () => {
    const text = "Grüße aus Rom \u{1f30d}"
    world.upstream.respond(ok({ text, usage: { input: 30, output: 20, cached: 10, reasoning: 5 } }))
    const plain = await collect(await client.chat.completions.create(streamed))
    assert.isUndefined(plain.error)
    const choices = plain.chunks.flatMap((chunk) => chunk.choices)
    assert.lengthOf(choices, plain.chunks.length)
    assert.strictEqual(choices.map(({ delta }) => delta.content ?? "").join(""), text)
    assert.deepStrictEqual(
      choices.flatMap(({ delta }, at) => (delta.role === undefined ? [] : [at])),
      [0],
    )
    assert.deepStrictEqual(
      choices.map(({ finish_reason }) => finish_reason).filter((reason) => reason !== null),
      ["stop"],
    )
    assert.strictEqual(choices.at(-1)?.finish_reason, "stop")
    const [first] = plain.chunks
    for (const { id, object, created, model } of plain.chunks) {
      assert.deepStrictEqual([id, created, model], [first?.id, first?.created, first?.model])
      assert.strictEqual(object, "chat.completion.chunk")
    }

    const runner = client.chat.completions.stream({ ...hello, stream_options: { include_usage: true } })
    const final = await runner.finalChatCompletion()
    assert.strictEqual(final.choices[0]?.message.content, text)
    assert.deepStrictEqual(final.usage as unknown, {
      prompt_tokens: 30,
      completion_tokens: 20,
      total_tokens: 50,
      prompt_tokens_details: { cached_tokens: 10 },
      completion_tokens_details: { reasoning_tokens: 5 },
    })
    const raw = await (await world.post("/chat/completions", streamed)).text()
    assert.lengthOf(raw.match(/data: \[DONE\]\n\n$/g) ?? [], 1)
    assert.lengthOf(raw.match(/\[DONE\]/g) ?? [], 1)
    assert.notInclude(raw, "usage")
  })

  it("is asked for as server-sent events", async () => {
    for await (const _ of await client.chat.completions.create(streamed));
    const [call] = world.upstream.calls
    assert.strictEqual(call?.path, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
    assert.deepStrictEqual(call?.json, { contents: [{ role: "user", parts: [{ text: "Hi" }] }] })
  })

  it("tells two choices apart", async () => {
    const event = (index: number, text: string, finishReason?: string) =>
      sseEvent({
        candidates: [
          { index, content: { role: "model", parts: [{ text }] }, ...(finishReason && { finishReason }) },
        ],
        modelVersion: "v",
        responseId: "r",
      })
    world.upstream.respond(
      rawStream([event(0, "one"), event(1, "an"), event(1, "other", "MAX_TOKENS"), event(0, "!", "STOP")]),
    )
    const { choices } = await client.chat.completions.stream({ ...hello, n: 2 }).finalChatCompletion()
    assert.deepStrictEqual(
      choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason]),
      [
        [0, "one!", "stop"],
        [1, "another", "length"],
      ],
    )
  })

  it("gives thoughts before the answer", async () => {
    world.upstream.respond(rawStream([sseEvent(geminiThoughtAnswer({ model: "v" }, "Hm.", "Rome"))]))
    const { chunks } = await collect(await client.chat.completions.create(streamed))
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta))
    assert.strictEqual(deltas.map((delta) => Reflect.get(delta, "reasoning_content") ?? "").join(""), "Hm.")
    assert.strictEqual(deltas.map(({ content }) => content ?? "").join(""), "Rome")
  })

  it.each([
    ["is cut", streamThenCut(2), "upstream_error"],
    ["ends before its reason to", streamThenEnd(2), "upstream_error"],
    ["reports an error", streamThenError(2), "upstream_overloaded"],
    [
      "blocks the prompt late",
      rawStream([
        geminiStreamEvents({ model: "v" }, "a text of pieces", null, "stop")[0] ?? "",
        sseEvent({ promptFeedback: { blockReason: "SAFETY" } }),
      ]),
      "content_filter",
    ],
  ])("throws when it %s", async (_, behaviour, code) => {
    world.upstream.respond(behaviour)
    const { chunks, error } = await collect(await client.chat.completions.create(streamed))
    assert.isNotEmpty(chunks)
    assert.instanceOf(error, OpenAI.APIError)
    assert.strictEqual(error.code, code)
    assert.notInclude(await (await world.post("/chat/completions", streamed)).text(), "[DONE]")
  })

  it("stops within a second when its client leaves", async () => {
    world.upstream.respond(ok({ text: "a text of pieces", msBetween: 30_000 }))
    const runner = client.chat.completions.stream(hello)
    runner.on("content", () => runner.abort())
    await thrown(runner.finalChatCompletion(), OpenAI.APIUserAbortError)
    await world.upstream.until(({ calls }) => calls[0]?.outcome === "lost")
  })
})

describe("tools", () => {
  const calls = [
    { name: "weather", args: { city: "Rome" }, signature: "c2lnbmVk" },
    { name: "weather", args: { city: "Oslo", days: [1, 2] } },
  ]

  /** The two turns that every way to call tools must come to. */
  const assertRoundTrip = (ids: ReadonlyArray<string>) => {
    assert.deepInclude(world.upstream.calls[0]?.json, {
      tools: [
        {
          functionDeclarations: [{ name: "weather", description: "Of a city", parametersJsonSchema: city }],
        },
      ],
    })
    assert.deepInclude(world.upstream.calls[1]?.json, {
      contents: [
        { role: "user", parts: [{ text: "Rome or Oslo?" }] },
        {
          role: "model",
          parts: calls.map(({ name, args, signature }, at) => ({
            functionCall: { id: ids[at], name, args },
            ...(signature !== undefined && { thoughtSignature: signature }),
          })),
        },
        {
          role: "user",
          parts: ids.map((id) => ({
            functionResponse: { id, name: "weather", response: { celsius: 21 } },
          })),
        },
      ],
    })
  }

  it.each(["whole", "streamed"])("keep the digits of long numbers both ways, %s", async (how) => {
    const args = '{"id":9007199254740993}'
    const call = geminiToolAnswer({ model: "v" }, [
      { name: "weather", args: { id: JSON.rawJSON("9007199254740993") } },
    ])
    world.upstream.enqueue(how === "whole" ? status(200, call) : rawStream([sseEvent(call)]), ok())
    const body = { model, messages: [user("Rome?")], tools: [weather] }
    const { choices } =
      how === "whole"
        ? await client.chat.completions.create(body)
        : await client.chat.completions.stream(body).finalChatCompletion()
    const message = choices[0]?.message
    assert.isDefined(message)
    assert.deepStrictEqual(
      message.tool_calls?.map(functionOf).map(({ arguments: text }) => text),
      [args],
    )
    const result = { role: "tool" as const, tool_call_id: message.tool_calls?.[0]?.id ?? "", content: "21" }
    await client.chat.completions.create({ ...body, messages: [user("Rome?"), message, result] })
    assert.include(world.upstream.calls[1]?.body.toString(), `"args":${args}`)
  })

  it.each(["whole", "streamed"])("are called and their results answered, %s", async (how) => {
    const turn = async (messages: Array<OpenAI.ChatCompletionMessageParam>) => {
      const body = { model, messages, tools: [weather] }
      return how === "whole"
        ? client.chat.completions.create(body)
        : client.chat.completions.stream(body).finalChatCompletion()
    }
    const called = geminiToolAnswer({ model: "v" }, calls)
    world.upstream.enqueue(
      how === "whole" ? status(200, called) : rawStream([sseEvent(called)]),
      ok({ text: "Rome." }),
    )
    const messages: Array<OpenAI.ChatCompletionMessageParam> = [user("Rome or Oslo?")]
    const [choice] = (await turn(messages)).choices
    assert.isDefined(choice)
    assert.strictEqual(choice.finish_reason, "tool_calls")
    const asked = choice.message.tool_calls ?? []
    assert.deepStrictEqual(
      asked.map(functionOf).map(({ name, arguments: args }) => [name, JSON.parse(args)]),
      calls.map(({ name, args }) => [name, args]),
    )
    const ids = asked.map(({ id }) => id)
    assert.strictEqual(new Set(ids).size, 2)
    messages.push(
      choice.message,
      ...ids.map((id) => ({ role: "tool" as const, tool_call_id: id, content: '{"celsius":21}' })),
    )
    assert.strictEqual((await turn(messages)).choices[0]?.message.content, "Rome.")
    assertRoundTrip(ids)
  })

  it.each([
    ["none", { mode: "NONE" }],
    ["required", { mode: "ANY" }],
    [
      { type: "function", function: { name: "weather" } },
      { mode: "ANY", allowedFunctionNames: ["weather"] },
    ],
  ] as const)("are chosen among as the client says: %o", async (tool_choice, functionCallingConfig) => {
    await client.chat.completions.create({ ...hello, tools: [weather], tool_choice })
    assert.deepInclude(world.upstream.calls[0]?.json, { toolConfig: { functionCallingConfig } })
  })
})

describe("what Gemini cannot do", () => {
  const image = { type: "image_url" as const, image_url: { url: "https://example.com/a.png" } }
  const cases: ReadonlyArray<
    readonly [name: string, body: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>, param: string]
  > = [
    ["logit_bias", { logit_bias: { "50256": -100 } }, "logit_bias"],
    [
      "an image by URL",
      { messages: [{ role: "user", content: [image] }] },
      "messages[0].content[0].image_url",
    ],
    ["audio out", { modalities: ["text", "audio"] }, "modalities"],
    ["web search", { web_search_options: {} }, "web_search_options"],
    ["a custom tool", { tools: [{ type: "custom", custom: { name: "sql" } }] }, "tools[0]"],
    ["old functions", { functions: [{ name: "f" }] }, "functions"],
  ]

  it.each(cases)("is a BadRequestError that names it: %s", async (_, body, param) => {
    for (const stream of [false, true]) {
      const error = await thrown(
        client.chat.completions.create({ ...hello, ...body, stream }),
        OpenAI.BadRequestError,
      )
      assert.deepInclude(error, {
        status: 400,
        code: "invalid_request",
        type: "invalid_request_error",
        param,
      })
      assert.strictEqual(error.headers?.get("x-should-retry"), "false")
    }
    assert.strictEqual(world.upstream.count, 0)
  })

  it.each(cases)("goes to the candidate that can: %s", async (_, body) => {
    await client.chat.completions.create({ ...hello, ...body, model: "both" })
    for await (const _ of await client.chat.completions.create({
      ...hello,
      ...body,
      model: "both",
      stream: true,
    }));
    assert.deepStrictEqual(shapes(), ["openai", "openai"])
  })

  it("does not keep it from the rest", async () => {
    await client.chat.completions.create({ ...hello, model: "both" })
    assert.deepStrictEqual(shapes(), ["gemini"])
  })
})

describe("Gemini's trouble", () => {
  it("is told in the client's own classes", async () => {
    world.upstream.enqueue(failure("badRequest"), failure("contentFilter"), failure("badKey"))
    const wrong = await thrown(client.chat.completions.create(hello), OpenAI.BadRequestError)
    assert.deepInclude(wrong, { code: "invalid_request", param: "generation_config.temperature" })
    const filtered = await thrown(client.chat.completions.create(hello), OpenAI.BadRequestError)
    assert.strictEqual(filtered.code, "content_filter")
    const refused = await thrown(client.chat.completions.create(hello), OpenAI.InternalServerError)
    assert.deepInclude(refused, { status: 502, code: "upstream_auth" })
    assert.notInclude(refused.message, "API key")
  })
})
