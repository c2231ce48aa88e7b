import { assert } from "@effect/vitest"
import OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { failure, hang, ok } from "../support/fake-upstream-behaviours.ts"
import { streamThenHang, streamThenReset } from "../support/fake-upstream-streams.ts"
import { collect, OpenAiWorld, thrown, user } from "./openai-sdk-world.ts"

/** What is written down of the requests of OpenAI's own client, and read again by mode. */

let world: OpenAiWorld

beforeAll(async () => {
  world = await OpenAiWorld.start({ maxAttempts: 2 })
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

type Row = Readonly<Record<string, unknown>>

/** A client whose rows can be told from others'. */
const newcomer = async () => {
  const { id, key } = await world.gateway.createKey()
  const read = async (path: string): Promise<ReadonlyArray<Row>> =>
    ((await (await world.gateway.admin(path)).json()) as { data: ReadonlyArray<Row> }).data
  return {
    client: world.client({ apiKey: key }),
    /** Oldest first, as soon as there are as many. */
    rows: async (count: number, filter = ""): Promise<ReadonlyArray<Row>> => {
      for (let tries = 0; tries < 100; tries++) {
        const rows = await read(`/analytics/requests?key_id=${id}${filter}`)
        if (rows.length >= count) return rows.toReversed()
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      throw new Error(`there are no ${count} rows`)
    },
    usage: async (filter = ""): Promise<Row | undefined> =>
      (await read(`/analytics/usage-by-key?key_id=${id}${filter}`))[0],
  }
}

const hello = { model: "p0/m", messages: [user("Hi")] }
const streamed = { ...hello, stream: true as const }
const usage = { input: 100, output: 50, cached: 20, reasoning: 10 }

describe("a row", () => {
  it("is there for each way to ask, with the provider's count and its price", async () => {
    const { client, rows } = await newcomer()
    world.upstream.respond(ok({ text: "Hello there", usage }))
    const whole = await client.chat.completions.create(hello).withResponse()
    const stream = await client.chat.completions.create(streamed).withResponse()
    await collect(stream.data)
    const gemini = { ...streamed, model: "g0/gemini-2.5-flash" }
    await client.chat.completions.stream(gemini).finalChatCompletion()
    const vectors = await client.embeddings.create({ model: "p0/e", input: ["a", "b"] }).withResponse()
    const written = await rows(4)
    assert.deepStrictEqual(
      written
        .slice(0, 2)
        .concat(written[3] ?? {})
        .map(({ request_id }) => request_id),
      [whole.request_id, stream.request_id, vectors.request_id],
    )
    const common = { status: 200, error_code: null, attempts: 1, usage_estimated: false, input_tokens: 100 }
    const chat = { ...common, endpoint: "/v1/chat/completions", output_tokens: 50, finish_reason: "stop" }
    const expected = [
      { ...chat, stream: false, provider: "p0", model: "m", route: "p0/m", cost_usd: 0.0004 },
      { ...chat, stream: true, provider: "p0", model: "m", route: "p0/m", cost_usd: 0.0004 },
      { ...chat, stream: true, provider: "g0", model: "gemini-2.5-flash", cost_usd: 0.0002 },
      {
        ...common,
        endpoint: "/v1/embeddings",
        stream: false,
        provider: "p0",
        model: "e",
        output_tokens: 0,
        finish_reason: null,
        cost_usd: 0.0001,
      },
    ]
    for (const [at, row] of expected.entries()) assert.deepInclude(written[at], row)
    assert.deepStrictEqual(
      written.map(({ first_token_ms }) => typeof first_token_ms),
      ["object", "number", "number", "object"],
    )
  })

  it("has the time to the first token and to the last apart", async () => {
    const { client, rows } = await newcomer()
    world.upstream.respond(ok({ text: "Hello there", firstMs: 100, msBetween: 60 }))
    await client.chat.completions.stream(hello).finalChatCompletion()
    const [row] = await rows(1)
    // The role is not a token: it comes at 100, the first piece at 160, the end at 340 and the usage at 400.
    assert.isAtLeast(Number(row?.first_token_ms), 140)
    assert.isAtLeast(Number(row?.latency_ms) - Number(row?.first_token_ms), 180)
  })

  it("tells a retry of the gateway's, and a tool call", async () => {
    const { client, rows } = await newcomer()
    world.upstream.enqueue(failure("serverError"), ok({ toolCalls: [{ name: "f", args: {} }] }))
    const { data, response } = await client.chat.completions.create(streamed).withResponse()
    assert.strictEqual(response.headers.get("x-gateway-attempts"), "2")
    await collect(data)
    const [row] = await rows(1)
    assert.deepInclude(row, { attempts: 2, finish_reason: "tool_calls", status: 200, error_code: null })
  })

  it("of a stream that broke has what came of it, estimated, and priced", async () => {
    const { client, rows } = await newcomer()
    world.upstream.respond(streamThenReset(10, { text: "x".repeat(40) }))
    await collect(await client.chat.completions.create(streamed))
    const [row] = await rows(1)
    assert.deepInclude(row, {
      status: 200,
      error_code: "upstream_error",
      attempts: 1,
      usage_estimated: true,
      output_tokens: 10,
      finish_reason: null,
      provider: "p0",
    })
    assert.isAbove(Number(row?.input_tokens), 0)
    assert.isAbove(Number(row?.cost_usd), 0.00004)
    assert.isNumber(row?.first_token_ms)
  })

  it("of a client that left has what it got", async () => {
    const { client, rows } = await newcomer()
    world.upstream.respond(streamThenHang(5, { text: "x".repeat(20) }))
    const stream = await client.chat.completions.create(streamed)
    let text = ""
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? ""
      if (text.length === 20) break
    }
    const controller = new AbortController()
    world.upstream.respond(hang())
    const whole = client.chat.completions.create(hello, { signal: controller.signal })
    const aborted = thrown(whole, OpenAI.APIUserAbortError)
    await world.upstream.until(({ count }) => count === 2)
    controller.abort()
    await aborted
    const [left, gone] = await rows(2)
    assert.deepInclude(left, {
      status: 499,
      error_code: "client_closed_request",
      stream: true,
      usage_estimated: true,
      output_tokens: 5,
    })
    assert.deepInclude(gone, { status: 499, stream: false, output_tokens: null, cost_usd: null })
  })

  it("is there once for a stream that was replayed", async () => {
    const { client, rows } = await newcomer()
    for (let i = 0; i < 3; i++) {
      await collect(await client.chat.completions.create(streamed, { headers: { "idempotency-key": "k" } }))
    }
    await client.chat.completions.create(hello)
    assert.deepStrictEqual(
      (await rows(2)).map(({ stream }) => stream),
      [true, false],
    )
  })

  it("is there for what the gateway refused itself", async () => {
    const { client, rows } = await newcomer()
    await thrown(client.chat.completions.create({ ...streamed, model: "nobody" }), OpenAI.NotFoundError)
    await thrown(client.embeddings.create({ model: "p0/m", input: "a" }), OpenAI.BadRequestError)
    await thrown(client.chat.completions.create({ ...hello, n: 0 }), OpenAI.BadRequestError)
    const [unknown, kind, wrong] = await rows(3)
    const refused = { attempts: 0, provider: null, cost_usd: null }
    assert.deepInclude(unknown, { ...refused, status: 404, error_code: "model_not_found", stream: true })
    assert.deepInclude(kind, { ...refused, status: 400, endpoint: "/v1/embeddings", stream: false })
    assert.deepInclude(wrong, { ...refused, status: 400, error_code: "invalid_request" })
  })
})

describe("analytics", () => {
  it("count every mode by itself", async () => {
    const { client, rows, usage: totals } = await newcomer()
    world.upstream.respond(ok({ text: "Hello there", usage }))
    await client.chat.completions.create(hello)
    for (let i = 0; i < 2; i++) await collect(await client.chat.completions.create(streamed))
    await client.embeddings.create({ model: "p0/e", input: "a" })
    await rows(4)

    const endpoints = async (filter: string, count: number) =>
      (await rows(count, filter)).map(({ endpoint, stream }) => [endpoint, stream])
    const chat = "/v1/chat/completions"
    assert.deepStrictEqual(await endpoints("&stream=true", 2), [
      [chat, true],
      [chat, true],
    ])
    assert.deepStrictEqual(await endpoints("&stream=false", 2), [
      [chat, false],
      ["/v1/embeddings", false],
    ])
    assert.deepStrictEqual(await endpoints(`&stream=false&endpoint=${encodeURIComponent(chat)}`, 1), [
      [chat, false],
    ])

    const tokens = { errors: 0, cached_tokens: 40, reasoning_tokens: 20 }
    assert.deepInclude(await totals("&stream=true"), {
      ...tokens,
      requests: 2,
      input_tokens: 200,
      output_tokens: 100,
      cost_usd: 0.0008,
    })
    assert.deepInclude(await totals("&stream=false"), {
      requests: 2,
      input_tokens: 200,
      output_tokens: 50,
      cost_usd: 0.0005,
    })
    assert.deepInclude(await totals(), {
      requests: 4,
      input_tokens: 400,
      output_tokens: 150,
      cost_usd: 0.0013,
    })
  })
})
