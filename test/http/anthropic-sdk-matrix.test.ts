import Anthropic from "@anthropic-ai/sdk"
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod"
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod"
import { assert } from "@effect/vitest"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { z } from "zod"
import { VERSIONS } from "../../src/dialects/messages/version.ts"
import { failure, hang, ok, status } from "../support/fake-upstream-behaviours.ts"
import { HeldStreams } from "../support/fake-upstream-faults.ts"
import { streamThenEnd, streamThenHang } from "../support/fake-upstream-streams.ts"
import { collect, thrown } from "./openai-sdk-world.ts"
import {
  BROKEN_ANSWERS,
  BROKEN_STREAMS,
  KINDS,
  modelOf,
  PNG,
  SdkMatrixWorld,
  TROUBLES,
} from "./sdk-matrix-world.ts"

/** What users of Anthropic's own client do with it, answered by each kind of provider: they need not know by which. */

let world: SdkMatrixWorld

beforeAll(async () => {
  world = await SdkMatrixWorld.start()
})

afterAll(() => world?.stop())

beforeEach(() => world.reset())

const sentBody = (): string => world.upstream.calls.at(-1)?.body.toString() ?? ""

const hello = {
  max_tokens: 4000,
  messages: [{ role: "user" as const, content: "Where is it warm?" }],
}

const image: Anthropic.ImageBlockParam = {
  type: "image",
  source: { type: "base64", media_type: "image/png", data: PNG },
}

/** Both ways to get a message. */
const ways = (client: Anthropic) =>
  ({
    create: (body: Anthropic.MessageCreateParamsNonStreaming, options?: Anthropic.RequestOptions) =>
      client.messages.create(body, options),
    stream: (body: Anthropic.MessageCreateParamsNonStreaming, options?: Anthropic.RequestOptions) =>
      client.messages.stream(body, options).finalMessage(),
  }) as const
const WAYS = ["create", "stream"] as const

const both = KINDS.flatMap((kind) => VERSIONS.map((version) => [kind.name, version, kind] as const))

describe.each(both)("answered by %s, in version %s", (_, version, kind) => {
  let client: Anthropic
  beforeAll(() => {
    client = world.anthropic({ defaultHeaders: { "anthropic-version": version } })
  })
  const asked = { ...hello, model: modelOf(kind) }

  it.each(WAYS)("messages.%s reads an answer and its counts", async (way) => {
    world.upstream.respond(ok({ text: "Rome", usage: { input: 30, output: 20, cached: 10, reasoning: 5 } }))
    const message = await ways(client)[way](asked)
    assert.lengthOf(message.content, 1)
    assert.deepInclude(message.content[0], { type: "text", text: "Rome" })
    assert.deepInclude(message, {
      type: "message",
      role: "assistant",
      model: kind.model,
      stop_reason: "end_turn",
    })
    assert.deepInclude(message.usage, {
      input_tokens: 20,
      cache_read_input_tokens: 10,
      output_tokens: 20,
      output_tokens_details: { thinking_tokens: 5 },
    })
  })

  it("messages.stream has a message's events, in order", async () => {
    world.upstream.respond(ok({ text: "Rome, of course" }))
    const stream = client.messages.stream(asked)
    const heard: Array<string> = []
    stream.on("text", (piece) => heard.push(piece))
    const { chunks } = await collect(stream)
    assert.deepStrictEqual(
      chunks.map(({ type }) => type).filter((type, index, all) => type !== all[index - 1]),
      [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
      ],
    )
    assert.strictEqual(heard.join(""), "Rome, of course")
    assert.isAbove(heard.length, 1)
  })

  it.each([
    ["length", "max_tokens"],
    ["content_filter", "refusal"],
  ] as const)("tells that an answer ended for its %s", async (finish, reason) => {
    world.upstream.respond(ok({ text: "Ro", finish }))
    for (const way of WAYS) assert.strictEqual((await ways(client)[way](asked)).stop_reason, reason, way)
  })

  it.each([false, true])("toolRunner runs tools over turns, some at once, streamed: %s", async (stream) => {
    const cities: Array<string> = []
    const weather = betaZodTool({
      name: "weather",
      description: "Of a city",
      inputSchema: z.object({ city: z.string() }),
      run: ({ city }) => {
        cities.push(city)
        return [{ type: "text" as const, text: `21 in ${city}` }, image]
      },
    })
    const call = (city: string) => ({ name: "weather", args: { city } })
    world.upstream.enqueue(
      ok({ toolCalls: [call("Rome"), call("Oslo")] }),
      ok({ toolCalls: [{ ...call("Bonn"), id: "toolu_3" }] }),
      ok({ text: "Rome." }),
    )
    const runner = client.beta.messages.toolRunner({ ...asked, tools: [weather], stream })
    const message = await runner.runUntilDone()
    assert.deepStrictEqual(cities, ["Rome", "Oslo", "Bonn"])
    assert.deepInclude(message.content.at(-1), { type: "text", text: "Rome." })
    // The runner began with a thread, and was told that there is none.
    assert.strictEqual(world.upstream.count, 3)
    assert.notInclude(sentBody(), '"thread"')
    for (const said of ["21 in Rome", "21 in Oslo", "21 in Bonn", PNG]) assert.include(sentBody(), said)
  })

  it("takes images and documents", async () => {
    const pdf: Anthropic.DocumentBlockParam = {
      type: "document",
      source: { type: "base64", media_type: "application/pdf", data: "JVBERi0=" },
    }
    await client.messages.create({ ...asked, messages: [{ role: "user", content: [image, pdf] }] })
    for (const data of [PNG, "JVBERi0="]) assert.include(sentBody(), data)
  })

  it("messages.parse and stream read an answer by a schema", async () => {
    world.upstream.respond(ok({ text: '{"city":"Rome"}' }))
    const format = zodOutputFormat(z.object({ city: z.string() }))
    const body = { ...asked, output_config: { format } }
    const answers = [await client.messages.parse(body), await client.messages.stream(body).finalMessage()]
    for (const { parsed_output } of answers) assert.deepStrictEqual(parsed_output, { city: "Rome" })
    assert.include(sentBody(), '"city"')
  })

  it.each(WAYS)("thinks, and gets its thought back, by %s", async (way) => {
    world.upstream.enqueue(ok({ thought: "Italy?", toolCalls: [{ name: "f", args: {} }] }), ok())
    const tools = [{ name: "f", input_schema: { type: "object" as const } }]
    const body = { ...asked, tools, thinking: { type: "enabled" as const, budget_tokens: 2000 } }
    const { content, stop_reason } = await ways(client)[way](body)
    const [thought, call] = content
    assert.strictEqual(stop_reason, "tool_use")
    assert(thought?.type === "thinking" && call?.type === "tool_use")
    assert.strictEqual(thought.thinking, "Italy?")
    await ways(client)[way]({
      ...body,
      messages: [
        ...asked.messages,
        { role: "assistant", content },
        { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "21" }] },
      ],
    })
    assert.include(sentBody(), kind.signature ?? "Italy?")
  })

  it("cache marks reach who speaks Messages; what the cache had and took is counted and paid", async () => {
    const written = kind.kind === "anthropic" ? 8 : 0
    world.upstream.respond(ok({ text: "Rome", usage: { input: 30, output: 20, cached: 10, written } }))
    const { data, request_id, response } = await client.messages
      .create({
        ...asked,
        system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
      })
      .withResponse()
    const speaksMessages = kind.kind === "anthropic" || kind.speaksAll === true
    assert.strictEqual(sentBody().includes("cache_control"), speaksMessages)
    assert.deepInclude(data.usage, {
      input_tokens: 20 - written,
      cache_read_input_tokens: 10,
      cache_creation_input_tokens: written,
    })
    // At 1 USD a million, a tenth of it from the cache, twice into it, and 4 for the output.
    const usd = ((20 - written) * 1 + 10 * 0.1 + written * 2 + 20 * 4) / 1e6
    assert.strictEqual(Number(response.headers.get("x-gateway-cost")), usd)
    assert.strictEqual(request_id, response.headers.get("x-request-id"))
    assert.strictEqual(response.headers.get("anthropic-ratelimit-requests-limit"), "100000")
    assert.isAbove(
      Date.parse(response.headers.get("anthropic-ratelimit-requests-reset") ?? ""),
      Date.now() - 60_000,
    )
    assert.isNull(response.headers.get("x-ratelimit-limit-requests"))
    assert.deepInclude(await world.row(request_id), {
      provider: kind.name,
      endpoint: "/v1/messages",
      input_tokens: 30,
      output_tokens: 20,
      cost_usd: usd,
    })
  })

  it("countTokens counts", async () => {
    const { input_tokens } = await client.messages.countTokens({
      model: asked.model,
      messages: asked.messages,
    })
    assert.isAbove(input_tokens, 0)
  })
})

/** The vendor's names of its errors, by status. */
const typeOf: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  429: "rate_limit_error",
  502: "api_error",
  503: "overloaded_error",
}
type AnyError = InstanceType<typeof Anthropic.APIError>

const exceptionOf = (status: number) =>
  status === 400
    ? Anthropic.BadRequestError
    : status === 429
      ? Anthropic.RateLimitError
      : Anthropic.InternalServerError

describe.each(KINDS.map((each) => [each.name, each] as const))(
  "when something is wrong with %s",
  (_, kind) => {
    let client: Anthropic
    beforeAll(() => {
      client = world.anthropic()
    })
    const asked = { ...hello, model: modelOf(kind) }

    it.each(TROUBLES)(
      "its %s is the client's exception, whole and streamed",
      async (trouble, status, code) => {
        for (const way of WAYS) {
          await world.reset()
          world.upstream.respond(failure(trouble))
          const error = await thrown<AnyError>(ways(client)[way](asked), exceptionOf(status))
          assert.strictEqual(error.status, status)
          assert.strictEqual<string | null>(error.type, typeOf[status] ?? null)
          // The vendor's own code says more than the general one.
          if (code !== "invalid_request") assert.strictEqual(error.errorCode, code)
          assert.match(error.requestID ?? "", /^[0-9a-f-]{36}$/)
        }
      },
    )

    it("a limit of its rate is passed on with the time to wait", async () => {
      world.upstream.respond(failure("rateLimited"))
      const { headers } = await thrown(client.messages.create(asked), Anthropic.RateLimitError)
      assert.strictEqual(headers.get("retry-after"), kind.kind === "gemini" ? "22" : "7")
    })

    it.each(BROKEN_STREAMS)("throws when a stream %s", async (_, broken, code) => {
      for (const options of [{}, { toolCalls: [{ name: "weather", args: { city: "Rome, in Italy" } }] }]) {
        await world.reset()
        world.upstream.respond(broken(2, options))
        const stream = client.messages.stream(asked)
        const { chunks, error } = await collect(stream)
        assert.instanceOf(error, Anthropic.APIError)
        assert.strictEqual(error.errorCode, code)
        assert.isFalse(chunks.some(({ type }) => type === "message_stop"))
        await thrown(stream.finalMessage(), Anthropic.APIError)
      }
    })

    it.each(BROKEN_ANSWERS)("throws when an answer %s", async (_, broken) => {
      world.upstream.respond(broken)
      const error = await thrown(client.messages.create(asked), Anthropic.InternalServerError)
      assert.strictEqual(error.type, "api_error")
    })

    it("an abort ends the work upstream, and is written down", async () => {
      world.upstream.respond(streamThenHang(2))
      const stream = client.messages.stream(asked)
      for await (const event of stream) if (event.type === "content_block_delta") break
      await world.upstream.until(({ calls }) => calls[0]?.outcome === "lost")
      assert.deepInclude(await world.row(stream.request_id), {
        provider: kind.name,
        error_code: "client_closed_request",
      })
      world.upstream.respond(hang())
      const abort = new AbortController()
      const whole = client.messages.create(asked, { signal: abort.signal })
      await world.upstream.until(({ count }) => count === 2)
      abort.abort()
      await thrown(whole, Anthropic.APIUserAbortError)
      await world.upstream.until(({ calls }) => calls[1]?.outcome === "lost")
    })

    it.each(WAYS)("an answer by a key is given once, by %s", async (way) => {
      world.upstream.respond(ok({ text: "Rome", thought: "Italy?" }))
      const options = { headers: { "Idempotency-Key": crypto.randomUUID() } }
      const first = await ways(client)[way](asked, options)
      assert.deepStrictEqual(await ways(client)[way](asked, options), first)
      const otherwise = { headers: { ...options.headers, "anthropic-beta": "context-1m-2025-08-07" } }
      await thrown(ways(client)[way](asked, otherwise), Anthropic.UnprocessableEntityError)
      assert.strictEqual(world.upstream.count, 1)
    })

    it("a stream by a key is the same for all who ask while it runs", async () => {
      const held = new HeldStreams()
      world.upstream.respond(held.behaviour({ text: "Rome, of course" }))
      const options = { headers: { "Idempotency-Key": crypto.randomUUID() } }
      const asking = [1, 2, 3].map(() => ways(client).stream(asked, options))
      await world.upstream.until(({ calls }) => calls[0]?.streamed.length === 2)
      held.release()
      const [first, ...others] = await Promise.all(asking)
      assert.deepInclude(first?.content[0], { text: "Rome, of course" })
      for (const other of others) assert.deepStrictEqual(other, first)
      assert.strictEqual(world.upstream.count, 1)
    })

    it("a stream by a key that broke runs again", async () => {
      world.upstream.enqueue(streamThenEnd(2), ok({ text: "Rome" }))
      const options = { headers: { "Idempotency-Key": crypto.randomUUID() } }
      await thrown(ways(client).stream(asked, options), Anthropic.APIError)
      assert.deepInclude((await ways(client).stream(asked, options)).content[0], { text: "Rome" })
    })

    it("the client's own retry waits as it is told", async () => {
      world.upstream.enqueue(failure("overloaded", { "retry-after": "1" }))
      const startedAt = performance.now()
      const { content } = await world.anthropic({ maxRetries: 2 }).messages.create(asked, {
        headers: { "Idempotency-Key": crypto.randomUUID() },
      })
      assert.deepInclude(content[0], { text: "echo: Where is it warm?" })
      assert.strictEqual(world.upstream.count, 2)
      // Its own first wait is half of that at most.
      assert.isAtLeast(performance.now() - startedAt, 950)
    })

    it.each(["badRequest", "badKey", "quotaExhausted"] as const)(
      "the client does not retry its %s",
      async (trouble) => {
        world.upstream.respond(failure(trouble))
        const { headers } = await thrown<AnyError>(
          world.anthropic({ maxRetries: 2 }).messages.create(asked),
          Anthropic.APIError,
        )
        assert.strictEqual(headers?.get("x-should-retry"), "false")
        assert.strictEqual(world.upstream.count, 1)
      },
    )
  },
)

describe("the gateway's own refusals", () => {
  const asked = { ...hello, model: "openai-compatible/m" }

  it("are the client's exceptions", async () => {
    const client = world.anthropic()
    const wrongKey = world.anthropic({ apiKey: "gwk_wrong" })
    const once = world.anthropic({ apiKey: (await world.gateway.createKey({ rpm: 1 })).key })
    await once.messages.create(asked)
    const large = "x".repeat(100_000)
    const refusals = [
      [
        wrongKey.messages.create(asked),
        Anthropic.AuthenticationError,
        "authentication_error",
        "invalid_api_key",
      ],
      [
        client.messages.create({ ...asked, model: "nobody/knows" }),
        Anthropic.NotFoundError,
        "not_found_error",
        "model_not_found",
      ],
      [
        client.messages.create({ ...asked, messages: [] }),
        Anthropic.BadRequestError,
        "invalid_request_error",
        "invalid_request",
      ],
      [
        client.messages.create({ ...asked, system: large }),
        Anthropic.APIError,
        "request_too_large",
        "payload_too_large",
      ],
      [once.messages.create(asked), Anthropic.RateLimitError, "rate_limit_error", "rate_limited"],
    ] as const
    for (const [refused, exception, type, errorCode] of refusals) {
      const error = await thrown<AnyError>(refused, exception)
      assert.deepStrictEqual([error.type, error.errorCode], [type as string, errorCode] as never)
      assert.strictEqual(error.requestID, error.headers?.get("x-request-id"))
    }
    assert.strictEqual(world.upstream.count, 1)
  })

  it("and a provider's that takes smaller bodies are a 413", async () => {
    const message = "Request exceeds the maximum size"
    world.upstream.respond(status(413, { error: { type: "request_too_large", message } }))
    const toClaude = { ...asked, model: "anthropic/claude-haiku-4-5" }
    const error = await thrown<AnyError>(world.anthropic().messages.create(toClaude), Anthropic.APIError)
    assert.strictEqual(error.status, 413)
    assert.strictEqual(error.errorCode, "payload_too_large")
    assert.strictEqual(error.apiMessage, message)
  })

  it("of a thread is the exception that the client has for it", async () => {
    const thread = world.anthropic().beta.messages.thread(asked)
    const error = await thrown(thread.send(), Anthropic.BadRequestError)
    assert.strictEqual(error.errorCode, "thread_unsupported_request")
    const without = world
      .anthropic()
      .beta.messages.thread({ ...asked, unsupportedRequestBehavior: "continue_unthreaded" })
    await without.send()
    await without.send({ role: "user", content: "And cold?" })
    for (const said of ["Where is it warm?", "And cold?"]) assert.include(sentBody(), said)
  })
})
