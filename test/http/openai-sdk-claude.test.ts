import { assert } from "@effect/vitest"
import OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { type ClaudeBlock, claudeEvents, claudeMessage } from "../support/fake-upstream-anthropic.ts"
import { failure, ok, status } from "../support/fake-upstream-behaviours.ts"
import { rawStream, streamThenCut, streamThenEnd, streamThenError } from "../support/fake-upstream-streams.ts"
import { collect, OpenAiWorld, PROVIDER_KEY, thrown, user } from "./openai-sdk-world.ts"

/** OpenAI's own client, answered by Claude: it cannot tell, or it is told what Claude cannot do. */

let world: OpenAiWorld
let client: OpenAI

beforeAll(async () => {
  world = await OpenAiWorld.start({ claude: true, maxAttempts: 3 })
  client = world.client()
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

const model = "c0/claude-haiku-4-5"
const hello = { model, messages: [user("Hi")] }
const streamed = { ...hello, stream: true as const }
const weather: OpenAI.ChatCompletionFunctionTool = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
}

const thought: ClaudeBlock = { type: "thinking", thinking: "They want the weather.", signature: "c2ln" }
const call: ClaudeBlock = { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Rome" } }

/** The same message whole or in events, whichever is asked for. */
const says =
  (content: ReadonlyArray<ClaudeBlock>, stop: string, usage?: object): ReturnType<typeof ok> =>
  (exchange) => {
    const message = claudeMessage(exchange.asked, content, stop, usage)
    const behaviour =
      exchange.asked.operation === "stream" ? rawStream(claudeEvents(message)) : status(200, message)
    behaviour(exchange)
  }

describe("an answer", () => {
  it("reads as OpenAI's, whole", async () => {
    world.upstream.respond(ok({ text: "Rome", usage: { input: 30, output: 20, cached: 10, reasoning: 5 } }))
    const { data, response } = await client.chat.completions.create(hello).withResponse()
    assert.strictEqual(data.model, "claude-haiku-4-5")
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
    assert.strictEqual(response.headers.get("x-gateway-provider"), "c0")
    assert.strictEqual(response.headers.get("x-gateway-cost"), "0.000121")
    const [asked] = world.upstream.calls
    assert.strictEqual(asked?.path, "/v1/messages")
    assert.strictEqual(asked?.headers["x-api-key"], PROVIDER_KEY)
    assert.strictEqual(asked?.headers["anthropic-version"], "2023-06-01")
    assert.isUndefined(asked?.headers.authorization)
    assert.deepStrictEqual(asked?.json, {
      messages: [{ role: "user", content: [{ type: "text", text: "Hi" }] }],
      model: "claude-haiku-4-5",
      max_tokens: 64_000,
    })
  })

  it("reads as OpenAI's, streamed: one role, one end, the usage when asked, [DONE]", async () => {
    const text = "Grüße aus Rom \u{1f30d}"
    world.upstream.respond(ok({ text, usage: { input: 30, output: 20, cached: 10 } }))
    const runner = client.chat.completions.stream({ ...hello, stream_options: { include_usage: true } })
    const final = await runner.finalChatCompletion()
    assert.strictEqual(final.choices[0]?.message.content, text)
    assert.strictEqual(final.choices[0]?.finish_reason, "stop")
    assert.strictEqual(final.usage?.prompt_tokens, 30)
    const raw = await (await world.post("/chat/completions", streamed)).text()
    assert.lengthOf(raw.match(/data: \[DONE\]\n\n$/g) ?? [], 1)
    assert.lengthOf(raw.match(/"role":/g) ?? [], 1)
    assert.notInclude(raw, "usage")
  })

  it("costs what the cache read and wrote", async () => {
    const usage = {
      input_tokens: 1000,
      cache_read_input_tokens: 4000,
      cache_creation_input_tokens: 5000,
      cache_creation: { ephemeral_5m_input_tokens: 3000, ephemeral_1h_input_tokens: 2000 },
      output_tokens: 100,
      service_tier: "standard",
    }
    world.upstream.respond(says([{ type: "text", text: "Rome" }], "end_turn", usage))
    const { data, response } = await client.chat.completions.create(hello).withResponse()
    assert.deepInclude(data.usage?.prompt_tokens_details as object, {
      cached_tokens: 4000,
      cache_write_tokens: 5000,
    })
    // 1000 at 1 USD, 4000 at 0.1, 3000 at 1.25, 2000 at 2 and 100 at 5, a million.
    assert.strictEqual(response.headers.get("x-gateway-cost"), "0.00965")
  })

  it("names what Claude has no words for", async () => {
    const { response } = await client.chat.completions
      .create({ ...hello, model: "c0/claude-opus-5-5", seed: 7, temperature: 0.2 })
      .withResponse()
    assert.strictEqual(response.headers.get("x-gateway-dropped"), "seed, temperature")
  })

  it.each<[reason: string, finish: string]>([
    ["max_tokens", "length"],
    ["refusal", "content_filter"],
  ])("that ended for %s ends in OpenAI's words", async (reason, finish) => {
    world.upstream.respond(says([{ type: "text", text: "I was" }], reason))
    const { choices } = await client.chat.completions.create(hello)
    assert.strictEqual(choices[0]?.finish_reason, finish)
  })

  it.each([
    ["is cut", streamThenCut(2), "upstream_error"],
    ["ends before its end", streamThenEnd(2), "upstream_error"],
    ["reports an error", streamThenError(2), "upstream_overloaded"],
  ])("throws when its stream %s", async (_, behaviour, code) => {
    world.upstream.respond(behaviour)
    const { chunks, error } = await collect(await client.chat.completions.create(streamed))
    assert.isNotEmpty(chunks)
    assert.instanceOf(error, OpenAI.APIError)
    assert.strictEqual(error.code, code)
  })
})

describe("tools", () => {
  it.each(["whole", "streamed"])("and thoughts come and go over turns, %s", async (how) => {
    const turn = async (messages: Array<OpenAI.ChatCompletionMessageParam>) => {
      const body = { model, messages, tools: [weather], reasoning_effort: "low" as const }
      return how === "whole"
        ? client.chat.completions.create(body)
        : client.chat.completions.stream(body).finalChatCompletion()
    }
    world.upstream.enqueue(says([thought, call], "tool_use"), ok({ text: "Sunny." }))
    const messages: Array<OpenAI.ChatCompletionMessageParam> = [user("Rome?")]
    const [choice] = (await turn(messages)).choices
    assert.isDefined(choice)
    assert.strictEqual(choice.finish_reason, "tool_calls")
    messages.push(choice.message, { role: "tool", tool_call_id: "toolu_1", content: "sunny" })
    assert.strictEqual((await turn(messages)).choices[0]?.message.content, "Sunny.")
    assert.deepInclude(world.upstream.calls[1]?.json, {
      messages: [
        { role: "user", content: [{ type: "text", text: "Rome?" }] },
        { role: "assistant", content: [thought, call] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "sunny" }] },
      ],
      thinking: { type: "enabled", budget_tokens: 4096 },
    })
  })

  it("go on without thoughts that Claude does not take back", async () => {
    const details = [
      {
        type: "reasoning.text",
        text: "Hm.",
        signature: "of another",
        format: "anthropic-claude-v1",
        index: 0,
      },
    ]
    const messages = [
      user("Hi"),
      { role: "assistant" as const, content: "Hello", reasoning_details: details },
      user("And?"),
    ]
    const { choices } = await client.chat.completions.create({ model, messages })
    assert.isNotEmpty(choices[0]?.message.content)
    assert.deepStrictEqual(
      world.upstream.calls.map(({ body }) => body.toString().includes('"thinking"')),
      [true, false],
    )
  })
})

describe("what goes wrong", () => {
  it.each([
    ["contextTooLong", 400, "context_length_exceeded"],
    ["contentFilter", 400, "content_filter"],
    ["badKey", 502, "upstream_auth"],
    ["quotaExhausted", 503, "upstream_quota"],
  ] as const)("is told in the gateway's words: %s", async (trouble, code, said) => {
    world.upstream.respond(failure(trouble))
    const error = await thrown(
      client.chat.completions.create({ ...hello, model: "c0/claude-sonnet-5" }),
      OpenAI.APIError,
    )
    assert.deepStrictEqual([error.status, error.code], [code, said])
    await world.gateway.admin("/admin/providers/c0/reset", { method: "POST" })
  })

  it("is a BadRequestError that names what Claude cannot do", async () => {
    const error = await thrown(client.chat.completions.create({ ...hello, n: 2 }), OpenAI.BadRequestError)
    assert.strictEqual(error.param, "n")
    assert.isEmpty(world.upstream.calls)
    await thrown(client.embeddings.create({ model, input: "a" }), OpenAI.APIError)
  })
})
