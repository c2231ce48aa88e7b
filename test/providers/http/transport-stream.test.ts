import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { makeTransport, type TransportOptions } from "../../../src/providers/http/transport.ts"
import type { BodyConsumer, Taken } from "../../../src/providers/http/UpstreamExchange.ts"
import { FakeUpstream } from "../../support/FakeUpstream.ts"
import {
  type Behaviour,
  hang,
  html,
  hugeBody,
  ok,
  raw,
  resetBeforeHeaders,
  status,
} from "../../support/fake-upstream-behaviours.ts"
import {
  commentsOnly,
  endless,
  mislabelledStream,
  rawStream,
  silentStream,
  streamThenCut,
  streamThenHang,
  streamThenReset,
} from "../../support/fake-upstream-streams.ts"
import { transportOptions } from "./transport-options.ts"

const request = {
  path: "/v1/chat/completions",
  headers: ["content-type", "application/json", "accept-encoding", "identity"],
  body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }], stream: true }),
  timeoutMs: 10_000,
}

/** A consumer that keeps what it is given and does as `take` says with each piece. */
class Reader implements BodyConsumer<string> {
  bytes = 0
  text = ""
  resume = (): void => {}
  take: (piece: string) => Taken<string> = () => "more"

  onBytes(bytes: Buffer): Taken<string> {
    this.bytes += bytes.length
    if (this.text.length < 100_000) this.text += bytes.toString()
    return this.take(bytes.toString())
  }

  onEnd(): string {
    return "ended"
  }
}

const setUp = Effect.fnUntraced(function* (overrides: Partial<TransportOptions> = {}) {
  const upstream = yield* FakeUpstream.make
  const { stream, post } = (yield* makeTransport({ ...transportOptions, ...overrides })).upstream(
    upstream.url,
  )
  const reader = new Reader()
  const send = (timeoutMs = request.timeoutMs) =>
    stream({ ...request, timeoutMs }, ({ contentType }, resume) => {
      if (contentType !== "text/event-stream") return undefined
      reader.resume = resume
      return reader
    })
  return { upstream, reader, send, post: post(request) }
})

const until = (upstream: FakeUpstream, condition: (upstream: FakeUpstream) => boolean) =>
  Effect.promise(() => upstream.until(condition))

/** Of the event loop: undici takes a connection back in one. */
const aTurn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** Resolves when the upstream could write nothing for a while, with what it had written by then. */
const writesStop = (upstream: FakeUpstream) =>
  Effect.promise(async () => {
    let before = -1
    let now = upstream.calls[0]?.bytesStreamed ?? 0
    while (now === 0 || now !== before) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      before = now
      now = upstream.calls[0]?.bytesStreamed ?? 0
    }
    return now
  })

describe("a streamed answer", () => {
  it.live("is handed over as it arrives, and succeeds with what its reader makes of the end", () =>
    Effect.gen(function* () {
      const { upstream, reader, send } = yield* setUp()
      upstream.enqueue(ok({ text: "hello", msBetween: 1 }))
      assert.strictEqual(yield* send(), "ended")
      assert.strictEqual(reader.text, upstream.calls[0]?.streamed.join(""))
      assert.include(reader.text, "[DONE]")
    }),
  )

  it.live("may be longer than any whole body", () =>
    Effect.gen(function* () {
      const { upstream, reader, send } = yield* setUp({ maxUpstreamBytes: 500 })
      upstream.enqueue(ok({ text: "x".repeat(10_000) }))
      assert.strictEqual(yield* send(), "ended")
      assert.isAbove(reader.bytes, 100_000)
    }),
  )

  it.live("leaves its connection for the next call when it ends by itself", () =>
    Effect.gen(function* () {
      const { upstream, send } = yield* setUp()
      for (let i = 0; i < 3; i++) {
        yield* send()
        yield* aTurn
      }
      assert.deepStrictEqual([upstream.count, upstream.sockets.opened], [3, 1])
    }),
  )
})

describe("any other answer", () => {
  const cases: ReadonlyArray<[name: string, behaviour: Behaviour, status: number]> = [
    ["an error", status(429, { error: {} }, { "content-type": "text/event-stream" }), 429],
    ["another content type", html(200), 200],
    ["a stream under another name", mislabelledStream(), 200],
  ]
  for (const [name, behaviour, code] of cases) {
    it.live(`${name}, is read whole and nothing is handed over`, () =>
      Effect.gen(function* () {
        const { upstream, reader, send } = yield* setUp()
        upstream.enqueue(behaviour)
        const answer = yield* send()
        assert.strictEqual(typeof answer === "object" && answer.status, code)
        assert.isAbove(typeof answer === "object" ? answer.body.length : 0, 0)
        assert.strictEqual(reader.bytes, 0)
      }),
    )
  }

  it.live("above the cap is too large", () =>
    Effect.gen(function* () {
      const { upstream, send } = yield* setUp()
      upstream.enqueue((exchange) =>
        hugeBody(200_000)({ ...exchange, asked: { ...exchange.asked, operation: "chat" } }),
      )
      assert.strictEqual((yield* Effect.flip(send())).failure, "too_large")
      yield* until(upstream, ({ sockets }) => sockets.closed === 1)
    }),
  )
})

describe("a failure", () => {
  const cases: ReadonlyArray<
    [name: string, behaviour: Behaviour, failure: string, status: number | undefined, overrides?: object]
  > = [
    ["reset before headers", resetBeforeHeaders(), "reset", undefined],
    ["no headers in time", hang(), "timeout", undefined, { headersMs: 100 }],
    ["silence after the headers", silentStream(), "timeout", 200, { bodyMs: 100 }],
    ["silence after some events", streamThenHang(1), "timeout", 200, { bodyMs: 100 }],
    ["a reset", streamThenReset(1), "reset", 200],
    ["a FIN in the middle", streamThenCut(1), "reset", 200],
    [
      "a FIN in the middle of a chunk",
      raw(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n50\r\ndata",
      ),
      "reset",
      200,
    ],
  ]
  for (const [name, behaviour, failure, code, overrides] of cases) {
    it.live(`${name}: ${failure}`, () =>
      Effect.gen(function* () {
        const { upstream, send } = yield* setUp(overrides)
        upstream.enqueue(behaviour)
        const error = yield* Effect.flip(send())
        assert.deepStrictEqual([error.failure, error.status], [failure, code])
        yield* until(upstream, ({ sockets }) => sockets.closed === 1)
        assert.strictEqual(yield* send(), "ended")
      }),
    )
  }

  it.live("is not what events and comments within the idle timeout are, however long they go on", () =>
    Effect.gen(function* () {
      const { upstream, send } = yield* setUp({ bodyMs: 300 })
      upstream.enqueue(commentsOnly(30))
      const error = yield* Effect.flip(send(1000))
      assert.deepInclude(error, { failure: "timeout", code: "ATTEMPT_TIMEOUT" })
    }),
  )
})

describe("a reader that has enough", () => {
  const enough = (connection: "keep" | "close") => ({ result: "enough", connection }) as const

  it.live("ends the exchange at once and gets nothing more", () =>
    Effect.gen(function* () {
      const { upstream, reader, send } = yield* setUp()
      upstream.enqueue(endless(1000))
      reader.take = () => enough("close")
      assert.strictEqual(yield* send(), "enough")
      const { bytes } = reader
      yield* until(upstream, ({ sockets }) => sockets.closed === 1)
      assert.strictEqual(reader.bytes, bytes)
    }),
  )

  it.live("for good closes the connection at once, however silent that is", () =>
    Effect.gen(function* () {
      const { upstream, reader, send } = yield* setUp()
      upstream.enqueue(streamThenHang(0))
      reader.take = () => enough("close")
      assert.strictEqual(yield* send(), "enough")
      yield* Effect.promise(() => upstream.until(({ sockets }) => sockets.closed === 1, 500))
    }),
  )

  it.live("may keep a connection whose body ends right after", () =>
    Effect.gen(function* () {
      const { upstream, reader, send } = yield* setUp()
      reader.take = (piece) => (piece.includes("[DONE]") ? enough("keep") : "more")
      for (let i = 0; i < 3; i++) {
        assert.strictEqual(yield* send(), "enough")
        yield* aTurn
        yield* aTurn
      }
      assert.deepStrictEqual([upstream.count, upstream.sockets.opened], [3, 1])
    }),
  )

  it.live("does not keep one that brings more", () =>
    Effect.gen(function* () {
      const { upstream, reader, send } = yield* setUp()
      upstream.enqueue(rawStream(["data: a\n\n", ...Array.from({ length: 900 }, () => "data: b\n\n")]))
      reader.take = () => enough("keep")
      assert.strictEqual(yield* send(), "enough")
      yield* until(upstream, ({ sockets }) => sockets.closed === 1)
      assert.strictEqual(reader.text, "data: a\n\n")
    }),
  )

  it.live("does not keep one that stays open", () =>
    Effect.gen(function* () {
      const { upstream, reader, send } = yield* setUp()
      upstream.enqueue(streamThenHang(0))
      reader.take = () => enough("keep")
      assert.strictEqual(yield* send(), "enough")
      yield* Effect.promise(() => upstream.until(({ sockets }) => sockets.closed === 1, 3000))
    }),
  )

  it.live("and throws, kills its Effect and nothing else", () =>
    Effect.gen(function* () {
      const { upstream, reader, send } = yield* setUp()
      upstream.enqueue(endless(1000))
      reader.take = () => {
        throw new Error("a defect")
      }
      const exit = yield* Effect.exit(send())
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      yield* until(upstream, ({ sockets }) => sockets.closed === 1)
      reader.take = () => "more"
      reader.onEnd = () => {
        throw new Error("a defect")
      }
      const atEnd = yield* Effect.exit(send())
      assert.isTrue(Exit.isFailure(atEnd) && Cause.hasDies(atEnd.cause))
    }),
  )
})

describe("a paused stream", () => {
  const paused = Effect.fnUntraced(function* (overrides: Partial<TransportOptions> = {}, timeoutMs?: number) {
    const world = yield* setUp(overrides)
    world.upstream.enqueue(endless(10_000))
    world.reader.take = () => "pause"
    const fiber = yield* Effect.forkChild(world.send(timeoutMs))
    const written = yield* writesStop(world.upstream)
    return { ...world, fiber, written }
  })

  it.live("stops its upstream, brings nothing, and goes on where it stopped", () =>
    Effect.gen(function* () {
      const { upstream, reader, fiber, written } = yield* paused()
      // One read of the socket came through; the kernel's buffers hold the rest of what was written.
      assert.isAtMost(reader.bytes, 65_536)
      assert.isBelow(written, 20_000_000)
      const before = reader.bytes
      reader.resume()
      yield* aTurn
      assert.isAbove(reader.bytes, before)
      assert.isAtMost(reader.bytes - before, 2 * 65_536)
      reader.take = () => "more"
      reader.resume()
      yield* until(upstream, ({ calls }) => (calls[0]?.bytesStreamed ?? 0) > 2 * written)
      yield* Fiber.interrupt(fiber)
    }),
  )

  it.live("is not silent: only the attempt's own bound ends it", () =>
    Effect.gen(function* () {
      const { fiber } = yield* paused({ bodyMs: 100 }, 2500)
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.deepInclude(error, { failure: "timeout", code: "ATTEMPT_TIMEOUT" })
    }),
  )

  it.live("may be silent no longer than others once it goes on", () =>
    Effect.gen(function* () {
      const { upstream, reader, send, post } = yield* setUp({ bodyMs: 100 })
      upstream.enqueue(streamThenHang(3), ok({ delayMs: 300 }))
      reader.take = () => "pause"
      const fiber = yield* Effect.forkChild(send(), { startImmediately: true })
      yield* until(upstream, ({ count }) => count === 1)
      // Longer than the idle timeout, which runs out meanwhile.
      yield* post
      reader.take = () => "more"
      reader.resume()
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber))).code, "UND_ERR_BODY_TIMEOUT")
    }),
  )

  it.live("that is interrupted closes its connection, and resuming it later does nothing", () =>
    Effect.gen(function* () {
      const { upstream, reader, fiber } = yield* paused({ maxCalls: 1 })
      const { bytes } = reader
      yield* Fiber.interrupt(fiber)
      yield* until(upstream, ({ sockets }) => sockets.closed === 1)
      reader.resume()
      yield* aTurn
      assert.strictEqual(reader.bytes, bytes)
    }),
  )
})

describe("interruption", () => {
  for (const [name, behaviour] of [
    ["before headers", hang()],
    ["before the first event", silentStream()],
    ["between events", streamThenHang(2)],
    ["in the middle of a flood", endless(10_000)],
  ] satisfies ReadonlyArray<[string, Behaviour]>) {
    it.live(`${name} closes the upstream connection within a second`, () =>
      Effect.gen(function* () {
        const { upstream, send } = yield* setUp()
        upstream.enqueue(behaviour)
        const fiber = yield* Effect.forkChild(send())
        yield* until(upstream, ({ count }) => count === 1)
        yield* Fiber.interrupt(fiber)
        yield* Effect.promise(() => upstream.until(({ calls }) => calls[0]?.outcome === "lost", 1000))
      }),
    )
  }
})

describe("the number of calls at a time", () => {
  it.live("is right again after every end", () =>
    Effect.gen(function* () {
      const { upstream, reader, send, post } = yield* setUp({ maxCalls: 1, bodyMs: 100 })
      const ends: ReadonlyArray<[behaviour: Behaviour, take: Reader["take"], interrupt?: boolean]> = [
        [ok(), () => "more"],
        [ok(), (piece) => (piece.includes("[DONE]") ? { result: "done", connection: "keep" } : "more")],
        [streamThenHang(1), () => ({ result: "stopped", connection: "close" })],
        [rawStream(["data: a\n\n", "data: b\n\n"]), () => ({ result: "done", connection: "keep" })],
        [streamThenHang(1), () => "more"],
        [streamThenReset(1), () => "more"],
        [resetBeforeHeaders(), () => "more"],
        [status(500, {}), () => "more"],
        [endless(10_000), () => "pause", true],
        [endless(10_000), () => "more", true],
        [
          endless(10_000),
          () => {
            throw new Error("a defect")
          },
        ],
      ]
      for (const [behaviour, take, interrupt] of ends) {
        upstream.reset()
        upstream.enqueue(behaviour)
        reader.take = take
        const fiber = yield* Effect.forkChild(Effect.exit(send()))
        yield* until(upstream, ({ count }) => count === 1)
        if (interrupt) yield* Fiber.interrupt(fiber)
        else yield* Fiber.await(fiber)
        // A call that lingers is one that is still open.
        yield* until(upstream, ({ calls }) => calls[0]?.outcome !== "pending")
        yield* aTurn
        yield* aTurn
        assert.strictEqual((yield* post).status, 200)
        yield* aTurn
      }
    }),
  )
})
