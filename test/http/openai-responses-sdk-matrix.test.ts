import { assert } from "@effect/vitest"
import OpenAI from "openai"
import { ResponsesToolRunner, runnerFunction } from "openai/helpers/responses-tool-runner"
import { zodResponsesFunction, zodTextFormat } from "openai/helpers/zod"
import { toResponseInputItems } from "openai/lib/responses/ResponseInputItems"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { z } from "zod"
import { failure, hang, ok } from "../support/fake-upstream-behaviours.ts"
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

/** What users of OpenAI's own client do with its Responses, answered by each kind of provider: they need not know by which. */

let world: SdkMatrixWorld
let client: OpenAI

beforeAll(async () => {
  world = await SdkMatrixWorld.start()
  client = world.openai()
})

afterAll(() => world?.stop())

beforeEach(() => world.reset())

const sentBody = (): string => world.upstream.calls.at(-1)?.body.toString() ?? ""

type Asked = OpenAI.Responses.ResponseCreateParamsNonStreaming
type Event = OpenAI.Responses.ResponseStreamEvent

/** Both ways to get a response. */
const ways = {
  create: (body: Asked, options?: OpenAI.RequestOptions) => client.responses.create(body, options),
  stream: (body: Asked, options?: OpenAI.RequestOptions) =>
    client.responses.stream({ ...body, stream: true }, options).finalResponse(),
} as const
const WAYS = ["create", "stream"] as const

/** The events of a stream, and what goes wrong before the first of them. */
async function* eventsOf(body: Asked): AsyncGenerator<Event> {
  yield* await client.responses.create({ ...body, stream: true })
}

const image = {
  type: "input_image" as const,
  image_url: `data:image/png;base64,${PNG}`,
  detail: "auto" as const,
}

const f: OpenAI.Responses.FunctionTool = {
  type: "function",
  name: "f",
  parameters: { type: "object", properties: {} },
  strict: false,
}

/** Of a stream: its events are numbered, and each has its type once in a row. */
const typesOf = (events: ReadonlyArray<Event>): ReadonlyArray<string> => {
  assert.deepStrictEqual(
    events.map(({ sequence_number }) => sequence_number),
    events.map((_, index) => index),
  )
  return events.map(({ type }) => type).filter((type, index, all) => type !== all[index - 1])
}

describe.each(KINDS.map((each) => [each.name, each] as const))("answered by %s", (_, kind) => {
  const model = modelOf(kind)
  const asked = { model, input: "Where is it warm?", store: false, max_output_tokens: 4000 }

  it.each(WAYS)("responses.%s reads an answer and its counts", async (way) => {
    world.upstream.respond(ok({ text: "Rome", usage: { input: 30, output: 20, cached: 10, reasoning: 5 } }))
    const response = await ways[way]({ ...asked, instructions: "Be brief.", metadata: { a: "b" } })
    assert.strictEqual(response.output_text, "Rome")
    assert.deepInclude(response, { object: "response", status: "completed", error: null, model: kind.model })
    assert.deepNestedInclude(response.usage, {
      input_tokens: 30,
      "input_tokens_details.cached_tokens": 10,
      output_tokens: 20,
      "output_tokens_details.reasoning_tokens": 5,
      total_tokens: 50,
    })
    assert.include(sentBody(), "Be brief.")
  })

  it("a stream has a response's events, in order", async () => {
    world.upstream.respond(ok({ text: "Rome, of course" }))
    const { chunks, error } = await collect(await client.responses.create({ ...asked, stream: true }))
    assert.isUndefined(error)
    assert.deepStrictEqual(
      // OpenAI's encrypted reasoning comes first.
      typesOf(chunks).filter((_, index) => kind.kind !== "openai" || index < 2 || index > 3),
      [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
      ],
    )
    const heard = chunks.map((event) => (event.type === "response.output_text.delta" ? event.delta : ""))
    assert.strictEqual(heard.join(""), "Rome, of course")
  })

  it("a stream has a call's events, and puts its arguments together", async () => {
    world.upstream.respond(ok({ toolCalls: [{ name: "f", args: { city: "Rome" } }] }))
    const stream = client.responses.stream({ ...asked, tools: [f] })
    const { chunks } = await collect(stream)
    assert.includeMembers(
      [...typesOf(chunks)],
      ["response.function_call_arguments.delta", "response.function_call_arguments.done"],
    )
    const { output } = await stream.finalResponse()
    assert.deepInclude(output.at(-1), { type: "function_call", name: "f", arguments: '{"city":"Rome"}' })
  })

  it.each([
    ["length", "max_output_tokens"],
    ["content_filter", "content_filter"],
  ] as const)("tells that an answer ended for its %s", async (finish, reason) => {
    world.upstream.respond(ok({ text: "Ro", finish }))
    for (const way of WAYS) {
      const response = await ways[way](asked)
      assert.strictEqual(response.status, "incomplete", way)
      assert.deepStrictEqual(response.incomplete_details, { reason })
    }
  })

  it.each([false, true])(
    "ResponsesToolRunner runs tools over turns, some at once, streamed: %s",
    async (stream) => {
      const cities: Array<string> = []
      const weather = zodResponsesFunction({
        name: "weather",
        description: "Of a city",
        parameters: z.object({ city: z.string() }),
        function: ({ city }) => {
          cities.push(city)
          return [{ type: "input_text" as const, text: `21 in ${city}` }, image]
        },
      })
      const call = (city: string, id: string) => ({ name: "weather", args: { city }, id })
      world.upstream.enqueue(
        ok({ toolCalls: [call("Rome", "call_1"), call("Oslo", "call_2")] }),
        ok({ toolCalls: [call("Bonn", "call_3")] }),
        ok({ text: "Rome." }),
      )
      const runner = new ResponsesToolRunner({ functions: [runnerFunction(weather)] })
      const response = await runner.run(client, asked, { stream })
      assert.deepStrictEqual(cities, ["Rome", "Oslo", "Bonn"])
      assert.strictEqual(response.output_text, "Rome.")
      assert.strictEqual(world.upstream.count, 3)
      for (const said of ["21 in Rome", "21 in Oslo", "21 in Bonn", PNG]) assert.include(sentBody(), said)
    },
  )

  it("takes images", async () => {
    await client.responses.create({ ...asked, input: [{ role: "user", content: [image] }] })
    assert.include(sentBody(), PNG)
  })

  it("responses.parse and stream read an answer by a schema", async () => {
    world.upstream.respond(ok({ text: '{"city":"Rome"}' }))
    const body = { ...asked, text: { format: zodTextFormat(z.object({ city: z.string() }), "city") } }
    const answers = [await client.responses.parse(body), await client.responses.stream(body).finalResponse()]
    for (const { output_parsed } of answers) assert.deepStrictEqual(output_parsed, { city: "Rome" })
    assert.include(sentBody(), '"city"')
  })

  it.each(WAYS)("reasons, and gets its reasoning back, by %s", async (way) => {
    world.upstream.enqueue(ok({ thought: "Italy?", toolCalls: [{ name: "f", args: {} }] }), ok())
    const body: Asked = {
      ...asked,
      tools: [f],
      reasoning: { effort: "medium", summary: "auto" },
      include: ["reasoning.encrypted_content"],
    }
    const { output } = await ways[way](body)
    const [thought, call] = output
    assert(thought?.type === "reasoning" && call?.type === "function_call")
    assert.deepStrictEqual(thought.summary, [{ type: "summary_text", text: "Italy?" }])
    await ways[way]({
      ...body,
      input: [
        { role: "user", content: asked.input },
        ...toResponseInputItems(output),
        { type: "function_call_output", call_id: call.call_id, output: "21" },
      ],
    })
    assert.include(sentBody(), kind.signature ?? "Italy?")
  })

  it("a prompt's cache key reaches who speaks Responses; what the cache had is counted and paid", async () => {
    world.upstream.respond(ok({ text: "Rome", usage: { input: 30, output: 20, cached: 10 } }))
    const { request_id, response } = await client.responses
      .create({ ...asked, prompt_cache_key: "k-1" })
      .withResponse()
    const speaksResponses = kind.kind === "openai" || kind.speaksAll === true
    assert.strictEqual(sentBody().includes("k-1"), speaksResponses)
    assert.strictEqual(response.headers.get("x-gateway-dropped"), speaksResponses ? null : "prompt_cache_key")
    // At 1 USD a million, a tenth of it from the cache, and 4 for the output.
    const usd = (20 * 1 + 10 * 0.1 + 20 * 4) / 1e6
    assert.strictEqual(Number(response.headers.get("x-gateway-cost")), usd)
    assert.strictEqual(request_id, response.headers.get("x-request-id"))
    assert.strictEqual(response.headers.get("x-ratelimit-limit-requests"), "100000")
    assert.deepInclude(await world.row(request_id), {
      provider: kind.name,
      endpoint: "/v1/responses",
      input_tokens: 30,
      output_tokens: 20,
      cost_usd: usd,
    })
  })
})

const exceptionOf = (status: number) =>
  status === 400
    ? OpenAI.BadRequestError
    : status === 429
      ? OpenAI.RateLimitError
      : OpenAI.InternalServerError

type AnyError = InstanceType<typeof OpenAI.APIError>

describe.each(KINDS.map((each) => [each.name, each] as const))(
  "when something is wrong with %s",
  (_, kind) => {
    const asked = { model: modelOf(kind), input: "Where is it warm?", store: false }

    it.each(TROUBLES)(
      "its %s is the client's exception, whole and streamed",
      async (trouble, status, code) => {
        for (const way of WAYS) {
          await world.reset()
          world.upstream.respond(failure(trouble))
          const error = await thrown<AnyError>(ways[way](asked), exceptionOf(status))
          assert.strictEqual(error.status, status)
          // The vendor's own code says more than the general one.
          if (code !== "invalid_request") assert.strictEqual(error.code, code)
          assert.match(error.requestID ?? "", /^[0-9a-f-]{36}$/)
        }
      },
    )

    it("a limit of its rate is passed on with the time to wait", async () => {
      world.upstream.respond(failure("rateLimited"))
      const { headers } = await thrown(client.responses.create(asked), OpenAI.RateLimitError)
      assert.strictEqual(headers.get("retry-after"), kind.kind === "gemini" ? "22" : "7")
    })

    it.each(BROKEN_STREAMS)("a stream that %s is no answer", async (_, broken, code) => {
      for (const options of [{}, { toolCalls: [{ name: "weather", args: { city: "Rome, in Italy" } }] }]) {
        await world.reset()
        world.upstream.respond(broken(2, options))
        const { chunks, error } = await collect(eventsOf(asked))
        assert.isFalse(chunks.some(({ type }) => type === "response.completed"))
        // OpenAI's own events end with one that the client throws.
        if (error === undefined) {
          const last = chunks.at(-1)
          assert(last?.type === "response.failed")
          assert.strictEqual<string | undefined>(last.response.error?.code, code)
          const { status } = await ways.stream(asked)
          assert.strictEqual(status, "failed")
        } else {
          assert.instanceOf(error, OpenAI.APIError)
          assert.strictEqual(error.code, code)
          await thrown(ways.stream(asked), OpenAI.APIError)
        }
      }
    })

    it.each(BROKEN_ANSWERS)("throws when an answer %s", async (_, broken) => {
      world.upstream.respond(broken)
      const error = await thrown(client.responses.create(asked), OpenAI.InternalServerError)
      assert.strictEqual(error.type, "server_error")
    })

    it("an abort ends the work upstream, and is written down", async () => {
      world.upstream.respond(streamThenHang(2))
      const { data, request_id } = await client.responses.create({ ...asked, stream: true }).withResponse()
      for await (const event of data) if (event.type === "response.output_text.delta") break
      await world.upstream.until(({ calls }) => calls[0]?.outcome === "lost")
      assert.deepInclude(await world.row(request_id), {
        provider: kind.name,
        error_code: "client_closed_request",
      })
      world.upstream.respond(hang())
      const abort = new AbortController()
      const whole = client.responses.create(asked, { signal: abort.signal })
      await world.upstream.until(({ count }) => count === 2)
      abort.abort()
      await thrown(whole, OpenAI.APIUserAbortError)
      await world.upstream.until(({ calls }) => calls[1]?.outcome === "lost")
    })

    it.each(WAYS)("an answer by a key is given once, by %s", async (way) => {
      world.upstream.respond(ok({ text: "Rome", thought: "Italy?" }))
      const options = { headers: { "Idempotency-Key": crypto.randomUUID() } }
      const first = await ways[way](asked, options)
      assert.deepStrictEqual(await ways[way](asked, options), first)
      assert.strictEqual(world.upstream.count, 1)
    })

    it("a stream by a key is the same for all who ask while it runs", async () => {
      const held = new HeldStreams()
      world.upstream.respond(held.behaviour({ text: "Rome, of course" }))
      const options = { headers: { "Idempotency-Key": crypto.randomUUID() } }
      const asking = [1, 2, 3].map(() => ways.stream(asked, options))
      await world.upstream.until(({ calls }) => calls[0]?.streamed.length === 2)
      held.release()
      const [first, ...others] = await Promise.all(asking)
      assert.strictEqual(first?.output_text, "Rome, of course")
      for (const other of others) assert.deepStrictEqual(other, first)
      assert.strictEqual(world.upstream.count, 1)
    })

    it("a stream by a key that broke runs again", async () => {
      world.upstream.enqueue(streamThenEnd(2), ok({ text: "Rome" }))
      const options = { headers: { "Idempotency-Key": crypto.randomUUID() } }
      await ways.stream(asked, options).catch(() => {})
      assert.strictEqual((await ways.stream(asked, options)).output_text, "Rome")
    })

    it("the client's own retry waits as it is told", async () => {
      world.upstream.enqueue(failure("overloaded", { "retry-after": "1" }))
      const startedAt = performance.now()
      const { output_text } = await world.openai({ maxRetries: 2 }).responses.create(asked, {
        headers: { "Idempotency-Key": crypto.randomUUID() },
      })
      assert.strictEqual(output_text, "echo: Where is it warm?")
      assert.strictEqual(world.upstream.count, 2)
      // Its own first wait is half of that at most.
      assert.isAtLeast(performance.now() - startedAt, 950)
    })

    it.each(["badRequest", "badKey", "quotaExhausted"] as const)(
      "the client does not retry its %s",
      async (trouble) => {
        world.upstream.respond(failure(trouble))
        const { headers } = await thrown<AnyError>(
          world.openai({ maxRetries: 2 }).responses.create(asked),
          OpenAI.APIError,
        )
        assert.strictEqual(headers?.get("x-should-retry"), "false")
        assert.strictEqual(world.upstream.count, 1)
      },
    )
  },
)

describe("the gateway's own refusals", () => {
  const asked = { model: "openai-compatible/m", input: "Hi", store: false }

  it("are the client's exceptions", async () => {
    const wrongKey = world.openai({ apiKey: "gwk_wrong" })
    const once = world.openai({ apiKey: (await world.gateway.createKey({ rpm: 1 })).key })
    await once.responses.create(asked)
    const refusals = [
      [wrongKey.responses.create(asked), OpenAI.AuthenticationError, 401, "invalid_api_key"],
      [
        client.responses.create({ ...asked, model: "nobody/knows" }),
        OpenAI.NotFoundError,
        404,
        "model_not_found",
      ],
      [client.responses.create({ ...asked, input: [] }), OpenAI.BadRequestError, 400, "invalid_request"],
      [
        client.responses.create({ ...asked, input: "x".repeat(100_000) }),
        OpenAI.APIError,
        413,
        "payload_too_large",
      ],
      [once.responses.create(asked), OpenAI.RateLimitError, 429, "rate_limited"],
    ] as const
    for (const [refused, exception, status, code] of refusals) {
      const error = await thrown<AnyError>(refused, exception)
      assert.deepStrictEqual([error.status, error.code] as unknown, [status, code])
      assert.isString(error.requestID)
    }
    assert.strictEqual(world.upstream.count, 1)
  })
})
