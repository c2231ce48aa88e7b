import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Redacted } from "effect"
import type { ChatChunk, ChatRequest } from "../../../src/domain/Chat.ts"
import type { ProviderErrorKind } from "../../../src/domain/ProviderError.ts"
import { makeTransport, type TransportOptions } from "../../../src/providers/http/transport.ts"
import type { ChunkSink } from "../../../src/providers/Provider.ts"
import { makeOpenAi } from "../../../src/providers/vendors/openai.ts"
import { FakeUpstream } from "../../support/FakeUpstream.ts"
import {
  type Behaviour,
  empty,
  failure,
  gzip,
  hang,
  html,
  ok,
  resetBeforeHeaders,
  status,
  toolCall,
} from "../../support/fake-upstream-behaviours.ts"
import {
  commentsOnly,
  endless,
  errorFirstFrame,
  mislabelledStream,
  oddStream,
  rawStream,
  roleThenReset,
  silentStream,
  streamThenCut,
  streamThenEnd,
  streamThenError,
  streamThenHang,
  streamThenReset,
} from "../../support/fake-upstream-streams.ts"
import { scaled } from "../../support/slowness.ts"
import * as calls from "../calls.ts"
import { transportOptions } from "./transport-options.ts"

const apiKey = "secret-provider-key-0123456789"

/** Keeps every chunk, the first megabyte; has room as long as `room` says so. */
class Sink implements ChunkSink {
  readonly chunks: Array<ChatChunk> = []
  written = 0
  room = true
  onRoom = (): void => {}

  write(chunk: ChatChunk): boolean {
    this.written += chunk.event.length
    if (this.written < 1_000_000) this.chunks.push(chunk)
    return this.room
  }

  get bytes(): string {
    return Buffer.concat(this.chunks.map(({ event }) => event)).toString()
  }

  get text(): string {
    return this.chunks.map(({ text }) => text).join("")
  }
}

const setUp = Effect.fnUntraced(function* (overrides: Partial<TransportOptions> = {}) {
  const upstream = yield* FakeUpstream.make
  const transport = yield* makeTransport({ ...transportOptions, ...overrides })
  const provider = makeOpenAi(
    {
      kind: "openai",
      name: "it",
      baseUrl: upstream.openAiBaseUrl,
      apiKey: Redacted.make(apiKey),
      models: [],
    },
    transport,
  )
  const sink = new Sink()
  const request: ChatRequest = { messages: [{ role: "user", content: "hello" }] }
  const stream = (more: object = {}, timeoutMs = scaled(5000)) =>
    calls.stream(provider, { model: "a-model", request: { ...request, ...more }, timeoutMs }, sink)
  return { upstream, provider, sink, stream }
})

const aTurn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

const until = (upstream: FakeUpstream, condition: (upstream: FakeUpstream) => boolean) =>
  Effect.promise(() => upstream.until(condition))

describe("a good stream", () => {
  it.live("reaches the sink byte for byte but for its [DONE], and is understood on the way", () =>
    Effect.gen(function* () {
      const { upstream, sink, stream } = yield* setUp()
      upstream.enqueue(
        ok({
          text: "bonjour, ça va 😀?",
          usage: { input: 12, output: 8, cached: 4, reasoning: 5 },
          finish: "length",
        }),
      )
      yield* stream()
      const sent = upstream.calls[0]?.streamed ?? []
      assert.strictEqual(sent.at(-1), "data: [DONE]\n\n")
      assert.deepStrictEqual(
        sink.chunks.map(({ event }) => event.toString()),
        sent.slice(0, -1),
      )
      assert.strictEqual(sink.text, "bonjour, ça va 😀?")
      assert.deepStrictEqual(
        sink.chunks.map(({ semantic, usageOnly, finishReason }) => [semantic, usageOnly, finishReason]),
        [
          [false, false, undefined],
          ...Array.from({ length: 5 }, () => [true, false, undefined]),
          [true, false, "length"],
          [false, true, undefined],
        ],
      )
      assert.deepStrictEqual(sink.chunks.at(-1)?.usage?.usage, {
        inputTokens: 12,
        outputTokens: 8,
        cachedTokens: 4,
        cacheWriteTokens: 0,
        reasoningTokens: 5,
      })
      assert.deepStrictEqual(upstream.billed.get("a-model"), { calls: 1, input: 12, output: 8 })
    }),
  )

  it.live("is asked for with its usage, and as an event stream", () =>
    Effect.gen(function* () {
      const { upstream, stream } = yield* setUp()
      yield* stream({ stream_options: { include_obfuscation: false } })
      const [call] = upstream.calls
      assert.deepStrictEqual(call?.json, {
        messages: [{ role: "user", content: "hello" }],
        model: "a-model",
        stream: true,
        stream_options: { include_obfuscation: false, include_usage: true },
      })
      assert.deepInclude(call?.headers, {
        accept: "text/event-stream",
        "accept-encoding": "identity",
        authorization: `Bearer ${apiKey}`,
      })
      assert.strictEqual(call?.path, "/v1/chat/completions")
    }),
  )

  it.live("of tool calls and many choices comes through", () =>
    Effect.gen(function* () {
      const { upstream, sink, stream } = yield* setUp()
      const args = { city: "Zürich", days: [1, 2] }
      upstream.enqueue(toolCall("weather", args))
      yield* stream({ n: 2 })
      const pieces = sink.chunks.flatMap(({ event }) => {
        const { choices } = JSON.parse(event.toString().slice(6))
        return choices[0]?.index === 1 ? (choices[0].delta.tool_calls ?? []) : []
      })
      assert.strictEqual(pieces[0].function.name, "weather")
      assert.deepStrictEqual(JSON.parse(pieces.map((piece) => piece.function.arguments).join("")), args)
      assert.strictEqual(
        sink.chunks.reduce((sum, { generated }) => sum + generated, 0),
        2 * ("weather".length + JSON.stringify(args).length),
      )
      assert.strictEqual(
        sink.chunks.find(({ finishReason }) => finishReason !== undefined)?.finishReason,
        "tool_calls",
      )
    }),
  )

  it.live(
    "with events and fields that nobody knows yet comes through, without the events of other types",
    () =>
      Effect.gen(function* () {
        const { upstream, sink, stream } = yield* setUp()
        upstream.enqueue(oddStream({ text: "fine" }))
        yield* stream()
        const expected = upstream.calls[0]?.streamed.filter(
          (event) => !event.startsWith(":") && !event.startsWith("event:") && !event.includes("[DONE]"),
        )
        assert.deepStrictEqual(
          sink.chunks.map(({ event }) => event.toString()),
          expected,
        )
        assert.include(sink.bytes, '"invented":{"by":"them"}')
        assert.include(sink.bytes, '"invented.object"')
        assert.strictEqual(sink.text, "fine")
      }),
  )

  it.live("in any slices, with any line ends, is the same stream", () =>
    Effect.gen(function* () {
      const { upstream, sink, stream } = yield* setUp()
      const events = ["one ä", "two 😀"].map(
        (content) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\r\n\r\n`,
      )
      const bytes = Buffer.from(`\uFEFF: hi\r\n\r\n${events.join("")}data: [DONE]\r\n\r\n`)
      upstream.enqueue(rawStream(Array.from(bytes, (byte) => Uint8Array.of(byte))))
      yield* stream()
      assert.strictEqual(sink.text, "one ätwo 😀")
      assert.strictEqual(sink.bytes, events.join(""))
    }),
  )

  it.live("may hold one line of a megabyte", () =>
    Effect.gen(function* () {
      const { upstream, sink, stream } = yield* setUp({ maxUpstreamBytes: 2_000_000 })
      const content = "x".repeat(1_000_000)
      upstream.enqueue(
        rawStream([`data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\ndata: [DONE]\n\n`]),
      )
      yield* stream()
      assert.isAbove(sink.written, 1_000_000)
    }),
  )

  it.live("succeeds with its terminal event, however long its body stays open", () =>
    Effect.gen(function* () {
      const { upstream, stream } = yield* setUp({ bodyMs: 300 })
      upstream.enqueue((exchange) => {
        exchange.response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" })
        exchange.response.write("data: [DONE]\n\n")
      })
      yield* stream()
      assert.strictEqual(upstream.calls[0]?.outcome, "pending")
    }),
  )

  it.live("leaves its connection to the next", () =>
    Effect.gen(function* () {
      const { upstream, stream } = yield* setUp()
      for (let i = 0; i < 3; i++) {
        yield* stream()
        yield* aTurn
        yield* aTurn
      }
      assert.strictEqual(upstream.sockets.opened, 1)
    }),
  )
})

describe("a stream that fails", () => {
  const faults: ReadonlyArray<
    [
      name: string,
      behaviour: Behaviour,
      kind: ProviderErrorKind,
      status: number | undefined,
      text: string,
      overrides?: Partial<TransportOptions>,
    ]
  > = [
    ["silent before its headers", hang(), "timeout", undefined, "", { headersMs: 100 }],
    ["silent after its headers", silentStream(), "timeout", 200, "", { bodyMs: 100 }],
    ["silent in the middle", streamThenHang(2), "timeout", 200, "echo: he", { bodyMs: 100 }],
    ["ended without its terminal event", streamThenEnd(2), "reset", 200, "echo: he"],
    ["ended after nothing", streamThenEnd(0), "reset", 200, ""],
    ["reset in the middle", streamThenReset(2), "reset", 200, "echo: he"],
    ["cut in the middle", streamThenCut(2), "reset", 200, "echo: he"],
    ["reset after the role", roleThenReset(), "reset", 200, ""],
    ["reset before its headers", resetBeforeHeaders(), "reset", undefined, ""],
    ["an error in the first event", errorFirstFrame(), "overloaded", 200, ""],
    ["an error in the middle", streamThenError(2), "overloaded", 200, "echo: he"],
    ["an error of its own kind", streamThenError(1, { error: { code: 429 } }), "rate_limited", 200, "echo"],
    [
      "an error that is not an event",
      rawStream(["data: {}\n\n", '{"error":{"code":503}}']),
      "overloaded",
      200,
      "",
    ],
    ["no JSON", rawStream(["data: <html>\n\n"]), "bad_response", 200, ""],
    ["JSON cut in half", rawStream(['data: {"choices":[\n\n']), "bad_response", 200, ""],
    ["an event above the cap", rawStream([`data: ${"x".repeat(100_001)}`]), "bad_response", 200, ""],
    ["called text", mislabelledStream(), "bad_response", 200, ""],
    ["called JSON", mislabelledStream("application/json"), "bad_response", 200, ""],
    ["HTML", html(), "bad_response", 200, ""],
    ["an empty 200", empty(), "bad_response", 200, ""],
    ["compressed unasked", gzip(), "bad_response", 200, ""],
    ["a stream called gzip", ok({ headers: { "content-encoding": "gzip" } }), "bad_response", 200, ""],
    ["an HTML 502", html(502), "server_error", 502, ""],
    ["refused: a bad request", failure("badRequest"), "bad_request", 400, ""],
    ["refused: a bad key", failure("badKey"), "auth", 401, ""],
    ["refused: a rate limit", failure("rateLimited"), "rate_limited", 429, ""],
    ["refused: an exhausted quota", failure("quotaExhausted"), "quota_exhausted", 429, ""],
    ["refused: an overload", failure("overloaded"), "overloaded", 503, ""],
  ]
  for (const [name, behaviour, kind, code, text, overrides] of faults) {
    it.live(`${name}: ${kind}`, () =>
      Effect.gen(function* () {
        const { upstream, sink, stream } = yield* setUp(overrides)
        upstream.enqueue(behaviour)
        const error = yield* Effect.flip(stream())
        assert.deepStrictEqual(
          [error.kind, error.status, error.provider, error.model],
          [kind, code, "it", "a-model"],
        )
        assert.strictEqual(sink.text, text)
        assert.strictEqual(upstream.count, 1)
      }),
    )
  }

  it.live("says that it ended too early", () =>
    Effect.gen(function* () {
      const { upstream, stream } = yield* setUp()
      upstream.enqueue(streamThenEnd(1))
      assert.strictEqual((yield* Effect.flip(stream())).detail, "ended without its terminal event")
    }),
  )

  it.live("by an error within it is stopped there", () =>
    Effect.gen(function* () {
      const { upstream, sink, stream } = yield* setUp()
      upstream.enqueue(
        rawStream([
          'data: {"error":{}}\n\ndata: {"choices":[]}\n\n',
          ...Array.from({ length: 900 }, () => "data: {}\n\n"),
        ]),
      )
      yield* Effect.flip(stream())
      yield* until(upstream, ({ calls }) => calls[0]?.outcome === "lost")
      assert.strictEqual(sink.chunks.length, 0)
    }),
  )

  it.live("may not go on for longer than its time, however much it says", () =>
    Effect.gen(function* () {
      const { upstream, sink, stream } = yield* setUp()
      upstream.enqueue(ok({ text: "x".repeat(4000), msBetween: 10 }), commentsOnly(10))
      assert.strictEqual((yield* Effect.flip(stream({}, 200))).kind, "timeout")
      assert.isAbove(sink.chunks.length, 1)
      assert.strictEqual((yield* Effect.flip(stream({}, 200))).kind, "timeout")
      yield* until(upstream, ({ calls }) => calls.every(({ outcome }) => outcome === "lost"))
    }),
  )

  it.live("never shows the key, even when the provider quotes it within the stream", () =>
    Effect.gen(function* () {
      const { upstream, stream } = yield* setUp()
      const words = { message: `your key ${apiKey}`, param: apiKey, type: apiKey }
      for (const code of [400, 401, 429, 500]) {
        const error = { error: { ...words, code } }
        upstream.enqueue(errorFirstFrame(error), rawStream([JSON.stringify(error)]), status(code, error))
        for (let i = 0; i < 3; i++) {
          assert.notInclude(JSON.stringify(yield* Effect.flip(stream())), apiKey, String(code))
        }
      }
    }),
  )

  it.live("by a defect in the sink dies alone", () =>
    Effect.gen(function* () {
      const { upstream, sink, stream } = yield* setUp()
      upstream.enqueue(endless(1000))
      sink.write = () => {
        throw new Error("a defect")
      }
      const exit = yield* Effect.exit(stream())
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      yield* until(upstream, ({ sockets }) => sockets.closed === 1)
    }),
  )
})

describe("a sink without room", () => {
  it.live("stops the upstream until it has room again, and loses nothing", () =>
    Effect.gen(function* () {
      const { upstream, sink, stream } = yield* setUp()
      const text = "x".repeat(40_000)
      upstream.enqueue(ok({ text }))
      sink.room = false
      const fiber = yield* Effect.forkChild(stream(), { startImmediately: true })
      yield* until(upstream, ({ calls }) => (calls[0]?.bytesStreamed ?? 0) > 1_000_000)
      while (sink.written === 0) yield* aTurn
      let reads = 0
      for (; fiber.pollUnsafe() === undefined && reads < 10_000; reads++) {
        sink.onRoom()
        yield* aTurn
        const { written } = sink
        yield* aTurn
        yield* aTurn
        assert.strictEqual(sink.written, written)
      }
      yield* Fiber.join(fiber)
      // About 2 MB of events in reads of 64 KiB, one for each time that there was room.
      assert.isAtLeast(reads, 15)
      assert.strictEqual(sink.written, (upstream.calls[0]?.bytesStreamed ?? 0) - "data: [DONE]\n\n".length)
    }),
  )

  it.live("may have room again before it has said that it has none", () =>
    Effect.gen(function* () {
      const { upstream, sink, stream } = yield* setUp()
      upstream.enqueue(ok({ text: "x".repeat(40_000) }))
      const write = sink.write.bind(sink)
      sink.room = false
      sink.write = (chunk) => {
        sink.onRoom()
        return write(chunk)
      }
      yield* stream()
      assert.strictEqual(sink.written, (upstream.calls[0]?.bytesStreamed ?? 0) - "data: [DONE]\n\n".length)
    }),
  )

  it.live("holds a fast upstream at what the sockets' buffers take", () =>
    Effect.gen(function* () {
      const { upstream, sink, stream } = yield* setUp()
      upstream.enqueue(endless(10_000))
      sink.room = false
      const fiber = yield* Effect.forkChild(stream())
      yield* until(upstream, ({ calls }) => (calls[0]?.bytesStreamed ?? 0) > 0)
      yield* Effect.promise(async () => {
        for (let before = -1; before !== upstream.calls[0]?.bytesStreamed; ) {
          before = upstream.calls[0]?.bytesStreamed ?? 0
          await new Promise((resolve) => setTimeout(resolve, 100))
        }
      })
      assert.isAbove(sink.written, 0)
      assert.isAtMost(sink.written, 65_536 + 10_000)
      yield* Fiber.interrupt(fiber)
      yield* Effect.promise(() => upstream.until(({ sockets }) => sockets.closed === 1, 1000))
    }),
  )
})

describe("interruption", () => {
  for (const [name, behaviour] of [
    ["before headers", hang()],
    ["while nothing is said", silentStream()],
    ["in the middle", streamThenHang(1)],
    ["of a flood", endless(10_000)],
  ] satisfies ReadonlyArray<[string, Behaviour]>) {
    it.live(`${name} closes the upstream connection within a second`, () =>
      Effect.gen(function* () {
        const { upstream, stream } = yield* setUp()
        upstream.enqueue(behaviour)
        const fiber = yield* Effect.forkChild(stream())
        yield* until(upstream, ({ count }) => count === 1)
        yield* Fiber.interrupt(fiber)
        yield* Effect.promise(() => upstream.until(({ calls }) => calls[0]?.outcome === "lost", 1000))
        assert.isUndefined(upstream.billed.get("a-model"))
      }),
    )
  }
})

describe("embeddings", () => {
  const embed = Effect.fnUntraced(function* (behaviour: Behaviour, request: object = {}) {
    const { upstream, provider } = yield* setUp()
    upstream.enqueue(behaviour)
    const answer = yield* Effect.exit(
      calls.embed(provider, { model: "embed", request: { input: ["a", "b"], ...request }, timeoutMs: 5000 }),
    )
    return { upstream, answer }
  })

  it.live("are the provider's own bytes, with its usage", () =>
    Effect.gen(function* () {
      for (const encoding_format of ["float", "base64"]) {
        const { upstream, answer } = yield* embed(ok(), { encoding_format, dimensions: 3 })
        if (Exit.isFailure(answer)) return assert.fail(Cause.pretty(answer.cause))
        const { data } = JSON.parse(answer.value.body().toString())
        assert.strictEqual(data.length, 2)
        assert.strictEqual(typeof data[0].embedding, encoding_format === "base64" ? "string" : "object")
        assert.deepStrictEqual(upstream.billed.get("embed"), {
          calls: 1,
          input: answer.value.usage?.inputTokens,
          output: 0,
        })
        assert.strictEqual(upstream.calls[0]?.path, "/v1/embeddings")
        assert.deepStrictEqual(upstream.calls[0]?.json, {
          input: ["a", "b"],
          encoding_format,
          dimensions: 3,
          model: "embed",
        })
      }
    }),
  )

  it.live("fail like whole answers", () =>
    Effect.gen(function* () {
      for (const [behaviour, kind] of [
        [failure("rateLimited"), "rate_limited"],
        [html(), "bad_response"],
        [status(200, { object: "list" }), "bad_response"],
        [resetBeforeHeaders(), "reset"],
      ] as const) {
        const { answer } = yield* embed(behaviour)
        const error = Exit.isFailure(answer) ? Cause.squash(answer.cause) : undefined
        assert.deepInclude(error, { kind })
      }
    }),
  )
})
