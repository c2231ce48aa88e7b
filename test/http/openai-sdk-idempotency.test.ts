import { assert } from "@effect/vitest"
import OpenAI from "openai"
import { afterAll, beforeAll, describe, it } from "vitest"
import { type Behaviour, failure, ok, said, stream } from "../support/fake-upstream-behaviours.ts"
import { streamThenReset } from "../support/fake-upstream-streams.ts"
import { goodEvents } from "../support/fake-upstream-wire.ts"
import { collect, OpenAiWorld, thrown, user } from "./openai-sdk-world.ts"

/** Retried requests of OpenAI's own client, streams above all. Tests tell their calls apart by the prompt. */

let world: OpenAiWorld
let client: OpenAI
const behaviours = new Map<string, Behaviour>()

beforeAll(async () => {
  world = await OpenAiWorld.start()
  world.upstream.respond((exchange) => (behaviours.get(exchange.asked.prompt) ?? ok())(exchange))
  client = world.client()
})

afterAll(() => world?.stop())

const callsOf = (prompt: string) => world.upstream.calls.filter((call) => call.asked.prompt === prompt)

const streamed = (prompt: string) => ({ model: "p0/m", messages: [user(prompt)], stream: true as const })
const keyed = (key: string) => ({ headers: { "Idempotency-Key": key } })

/** The same request over the wire: what was answered, byte for byte. */
const raw = async (name: string, body: object = streamed(name)) => {
  const response = await world.post("/chat/completions", body, { "idempotency-key": name })
  return {
    status: response.status,
    replayed: response.headers.get("idempotent-replayed"),
    id: response.headers.get("x-request-id"),
    type: response.headers.get("content-type"),
    text: await response.text(),
  }
}

/** A stream of "Hello there" that stops after its first piece until the test lets it go on. */
const gated = (prompt: string) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  behaviours.set(prompt, (exchange) => {
    const words = said(exchange, { text: "Hello there" })
    const events = goodEvents(exchange.asked, words)
    stream(exchange, events.slice(0, 2), {}, () => {
      void promise.then(() => {
        for (const event of events.slice(2)) exchange.response.write(event)
        exchange.response.end()
      })
    })
  })
  return resolve
}

const textOf = (chunks: ReadonlyArray<OpenAI.ChatCompletionChunk>) =>
  chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")

describe.concurrent("a retried stream", () => {
  it("is replayed byte for byte, without asking the provider", async () => {
    const original = await raw("replayed")
    const replay = await raw("replayed")
    assert.deepInclude(original, { status: 200, replayed: null })
    assert.include(original.text, "data: [DONE]")
    // All but the mark is the original's, its request id too.
    assert.deepStrictEqual(replay, { ...original, replayed: "true" })
    const { data, response } = await client.chat.completions
      .create(streamed("replayed"), keyed("replayed"))
      .withResponse()
    assert.strictEqual(response.headers.get("idempotent-replayed"), "true")
    assert.strictEqual(textOf((await collect(data)).chunks), "echo: replayed")
    assert.lengthOf(callsOf("replayed"), 1)
  })

  it("attaches to the running one, from its first event on", async () => {
    const name = "attached"
    const goOn = gated(name)
    const first = await client.chat.completions.create(streamed(name), keyed(name))
    const { data: second, response } = await client.chat.completions
      .create(streamed(name), keyed(name))
      .withResponse()
    assert.strictEqual(response.headers.get("idempotent-replayed"), "true")
    const seen = second[Symbol.asyncIterator]()
    assert.strictEqual((await seen.next()).value?.choices[0]?.delta.role, "assistant")
    assert.strictEqual((await seen.next()).value?.choices[0]?.delta.content, "Hell")
    goOn()
    assert.strictEqual(textOf((await collect(first)).chunks), "Hello there")
    assert.strictEqual(textOf((await collect({ [Symbol.asyncIterator]: () => seen })).chunks), "o there")
    assert.lengthOf(callsOf(name), 1)
    assert.strictEqual((await raw(name)).replayed, "true")
  })

  it("asked for 20 times at once is one call with one text", async () => {
    const name = "twenty"
    behaviours.set(name, ok({ text: "Hello there", msBetween: 20 }))
    const answers = await Promise.all(Array.from({ length: 20 }, () => raw(name)))
    assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [200])
    assert.strictEqual(new Set(answers.map(({ text }) => text)).size, 1)
    assert.lengthOf(
      answers.filter(({ replayed }) => replayed === null),
      1,
    )
    assert.lengthOf(callsOf(name), 1)
  })

  it("goes on when its first client leaves, for whoever asks again", async () => {
    const name = "left"
    const goOn = gated(name)
    gated("left without a key")
    const leave = async (prompt: string, options: object) => {
      const stream = await client.chat.completions.create(streamed(prompt), options)
      for await (const { choices } of stream) if (choices[0]?.delta.content) break
    }
    await leave(name, keyed(name))
    // By the time that this one is lost, the other would be too.
    await leave("left without a key", {})
    await world.upstream.until(() => callsOf("left without a key")[0]?.outcome === "lost")
    assert.strictEqual(callsOf(name)[0]?.outcome, "pending")
    const second = client.chat.completions.stream(streamed(name), keyed(name))
    second.on("content", () => goOn())
    assert.strictEqual(await second.finalContent(), "Hello there")
    assert.lengthOf(callsOf(name), 1)
    assert.strictEqual(callsOf(name)[0]?.outcome, "answered")
  })

  it("goes on when every client leaves, and is replayed", async () => {
    const name = "all left"
    const goOn = gated(name)
    const first = await client.chat.completions.create(streamed(name), keyed("all-left"))
    for await (const { choices } of first) if (choices[0]?.delta.content) break
    goOn()
    await world.upstream.until(() => callsOf(name)[0]?.outcome === "answered")
    const again = await client.chat.completions.create(streamed(name), keyed("all-left"))
    assert.strictEqual(textOf((await collect(again)).chunks), "Hello there")
    assert.lengthOf(callsOf(name), 1)
  })

  it("is refused with another body, and as a whole answer", async () => {
    const name = "reused"
    const whole = { model: "p0/m", messages: [user(name)] }
    await raw(name)
    for (const body of [streamed("another"), whole, { ...streamed(name), n: 1 }]) {
      const error = await thrown(
        client.chat.completions.create(body, keyed(name)),
        OpenAI.UnprocessableEntityError,
      )
      assert.deepInclude(error, { code: "idempotency_key_reused", type: "invalid_request_error" })
      assert.strictEqual(error.headers.get("x-should-retry"), "false")
    }
    await client.chat.completions.create(whole, keyed("reused-whole"))
    await thrown(
      client.chat.completions.create(streamed(name), keyed("reused-whole")),
      OpenAI.UnprocessableEntityError,
    )
    assert.lengthOf(callsOf(name), 2)
    assert.lengthOf(callsOf("another"), 0)
  })

  it("is another one for another API key", async () => {
    const name = "shared"
    const other = world.client({ apiKey: (await world.gateway.createKey()).key })
    await raw(name)
    const { data, response } = await other.chat.completions.create(streamed(name), keyed(name)).withResponse()
    assert.isFalse(response.headers.has("idempotent-replayed"))
    await collect(data)
    assert.lengthOf(callsOf(name), 2)
  })

  it("runs again when it broke", async () => {
    const name = "broken"
    const ask = async () => {
      const { data, response } = await client.chat.completions
        .create(streamed(name), keyed(name))
        .withResponse()
      return { ...(await collect(data)), replayed: response.headers.has("idempotent-replayed") }
    }
    behaviours.set(name, streamThenReset(1))
    const broken = await ask()
    assert.instanceOf(broken.error, OpenAI.APIError)
    behaviours.set(name, ok({ text: "Hello there" }))
    // At once, so that the claim is still being released.
    const again = await ask()
    assert.deepInclude(again, { error: undefined, replayed: false })
    assert.strictEqual(textOf(again.chunks), "Hello there")
    assert.lengthOf(callsOf(name), 2)
  })

  it("that the provider refused is refused again without asking it", async () => {
    const name = "refused"
    behaviours.set(name, failure("badRequest"))
    const ask = () =>
      thrown(client.chat.completions.create(streamed(name), keyed(name)), OpenAI.BadRequestError)
    const original = await ask()
    const replay = await ask()
    assert.strictEqual(replay.headers.get("idempotent-replayed"), "true")
    assert.strictEqual(replay.message, original.message)
    assert.lengthOf(callsOf(name), 1)
  })

  it("too long to keep says so, and is not run again", async () => {
    const name = "long"
    behaviours.set(name, ok({ text: "x".repeat(80_000) }))
    const first = await client.chat.completions.stream(streamed(name), keyed(name)).finalContent()
    assert.lengthOf(first ?? "", 80_000)
    const error = await thrown(
      client.chat.completions.create(streamed(name), keyed(name)),
      OpenAI.ConflictError,
    )
    assert.strictEqual(error.code, "idempotency_answer_not_stored")
    assert.strictEqual(error.headers.get("x-should-retry"), "false")
    assert.lengthOf(callsOf(name), 1)
  })
})

describe.concurrent("a retried whole answer", () => {
  it("is the same, whoever retries it", async () => {
    const name = "whole"
    const body = { model: "p0/m", messages: [user(name)] }
    const original = await client.chat.completions.create(body, keyed(name)).withResponse()
    const replay = await client.chat.completions.create(body, keyed(name)).withResponse()
    assert.deepStrictEqual(replay.data, original.data)
    assert.strictEqual(replay.request_id, original.request_id)
    assert.strictEqual(replay.response.headers.get("idempotent-replayed"), "true")
    assert.lengthOf(callsOf(name), 1)
  })

  it("by the client itself runs again when it failed for a while", async () => {
    const name = "retried"
    behaviours.set(name, (exchange) => {
      behaviours.set(name, ok())
      failure("serverError")(exchange)
    })
    const { data, response } = await world
      .client({ maxRetries: 1 })
      .chat.completions.create({ model: "p0/m", messages: [user(name)] }, keyed(name))
      .withResponse()
    assert.strictEqual(data.choices[0]?.message.content, "echo: retried")
    assert.isFalse(response.headers.has("idempotent-replayed"))
    assert.lengthOf(callsOf(name), 2)
  })

  it("is refused on another route, though its bytes are the same", async () => {
    const body = { model: "p0/m", messages: [user("routes")] }
    const first = await world.post("/chat/completions", body, { "idempotency-key": "routes" })
    assert.strictEqual(first.status, 200)
    const second = await world.gateway.infer(world.key, body, { headers: { "idempotency-key": "routes" } })
    assert.strictEqual(second.status, 422)
  })

  it("of embeddings too", async () => {
    const body = { model: "p0/e", input: "embedded" }
    const original = await client.embeddings.create(body, keyed("embedded"))
    const replay = await client.embeddings.create(body, keyed("embedded")).withResponse()
    assert.deepStrictEqual(replay.data, original)
    assert.strictEqual(replay.response.headers.get("idempotent-replayed"), "true")
    assert.lengthOf(callsOf("embedded"), 1)
  })
})

describe("the client's option idempotencyKey", () => {
  it("is sent as no header, which is why the header is set by hand here", async () => {
    const body = { model: "p0/m", messages: [user("option")] }
    for (let i = 0; i < 2; i++) await client.chat.completions.create(body, { idempotencyKey: "option" })
    assert.lengthOf(callsOf("option"), 2)
  })
})
