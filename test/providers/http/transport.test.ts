import { createServer, type Socket } from "node:net"
import { setTimeout } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { makeTransport, type TransportOptions } from "../../../src/providers/http/transport.ts"
import type { TransportError } from "../../../src/providers/http/UpstreamExchange.ts"
import { FakeUpstream } from "../../support/FakeUpstream.ts"
import {
  type Behaviour,
  crHeader,
  drip,
  endMidBody,
  hang,
  hangMidBody,
  hugeBody,
  hugeHeader,
  ok,
  raw,
  redirect,
  resetBeforeHeaders,
  resetMidBody,
  status,
} from "../../support/fake-upstream-behaviours.ts"
import { ManualReadTurns } from "../../support/ManualReadTurns.ts"
import { noTurns, transportOptions } from "./transport-options.ts"

const request = {
  path: "/v1/chat/completions",
  headers: ["content-type", "application/json", "accept-encoding", "identity"],
  body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] }),
  timeoutMs: 10_000,
}

const setUp = Effect.fnUntraced(function* (overrides: Partial<TransportOptions> = {}) {
  const upstream = yield* FakeUpstream.make
  const transport = yield* makeTransport({ ...transportOptions, ...overrides })
  const { post } = transport.upstream(upstream.url)
  return { upstream, transport, post, send: post(request) }
})

const failureOf = <A>(effect: Effect.Effect<A, TransportError>) =>
  Effect.map(Effect.flip(effect), ({ failure }) => failure)

const until = (upstream: FakeUpstream, condition: (upstream: FakeUpstream) => boolean) =>
  Effect.promise(() => upstream.until(condition))

/** undici takes a connection back a turn of the event loop after its answer. */
const connectionIsBack = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** A server that does something with raw connections and closes them at the end. */
const rawServer = (onConnection: (socket: Socket) => void, backlog = 511) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        onConnection(socket)
      })
      const { promise, resolve } = Promise.withResolvers<void>()
      server.listen({ port: 0, host: "127.0.0.1", backlog }, resolve)
      await promise
      return { server, sockets }
    }),
    ({ server, sockets }) =>
      Effect.promise(async () => {
        for (const socket of sockets) socket.destroy()
        await new Promise((resolve) => server.close(resolve))
      }),
  ).pipe(
    Effect.map(({ server }) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : 0
    }),
  )

describe("a large answer", () => {
  it.live("is read no faster than its turns come, and whole", () =>
    Effect.gen(function* () {
      const readTurns = new ManualReadTurns()
      const { upstream, send } = yield* setUp({
        maxUpstreamBytes: 20_000_000,
        largeBodies: { ...noTurns, readTurns },
      })
      const text = "0123456789".repeat(800_000)
      upstream.respond(ok({ text }))
      const answer = yield* Effect.forkChild(send, { startImmediately: true })
      yield* Effect.promise(async () => {
        while (readTurns.paused.length === 0) await setTimeout(5)
        await setTimeout(50)
      })
      assert.lengthOf(readTurns.paused, 1, "went on without its turn")
      const pauses = yield* Effect.promise(() => readTurns.runToEnd(() => answer.pollUnsafe() !== undefined))
      assert.isAtLeast(pauses, 50)
      assert.include((yield* Fiber.join(answer)).body.toString(), text)
    }),
  )
})

describe("a large answer that others leave no room", () => {
  const BYTES = 20_000_000
  const large = hugeBody(BYTES)
  const held = (leftMs = 60_000) => {
    const counted = { bytes: 0, resume: () => {}, hasEnded: false }
    const goesOn = (bytes: number, resume: () => void) => {
      counted.bytes += bytes
      counted.resume = resume
      return false
    }
    const readEnds = (resume: () => void) => {
      counted.hasEnded = resume === counted.resume
    }
    return { counted, room: { goesOn, readEnds, heldUpAt: undefined, leftMs: () => leftMs } }
  }

  it.live("waits for it, and comes whole", () =>
    Effect.gen(function* () {
      const { post, upstream } = yield* setUp({ maxUpstreamBytes: 2 * BYTES })
      const { counted, room } = held()
      upstream.enqueue(large)
      const fiber = yield* Effect.forkChild(post({ ...request, room }), { startImmediately: true })
      yield* Effect.promise(() => setTimeout(300))
      const read = counted.bytes
      // Above what is not worth to be counted, by a chunk.
      assert.isAbove(read, 128 * 1024)
      assert.isBelow(read, 1024 * 1024)
      yield* Effect.promise(() => setTimeout(100))
      assert.strictEqual(counted.bytes, read)
      let resumed = 0
      while (fiber.pollUnsafe() === undefined) {
        if (counted.bytes > resumed) {
          resumed = counted.bytes
          counted.resume()
        }
        yield* Effect.promise(() => setTimeout(0))
      }
      const { body, status } = yield* Fiber.join(fiber)
      assert.strictEqual(status, 200)
      assert.isAbove(body.length, BYTES)
      assert.strictEqual(counted.bytes, body.length)
      assert.isTrue(counted.hasEnded)
    }),
  )

  it.live("runs out of a time of its own, which is nothing of the provider's", () =>
    Effect.gen(function* () {
      const { post, upstream } = yield* setUp({ maxUpstreamBytes: 2 * BYTES })
      upstream.enqueue(large)
      const { counted, room } = held(500)
      const startedMs = performance.now()
      assert.strictEqual(yield* failureOf(post({ ...request, room, timeoutMs: 60_000 })), "no_room")
      assert.isAtLeast(performance.now() - startedMs, 490)
      assert.isTrue(counted.hasEnded)
      yield* until(upstream, ({ sockets }) => sockets.closed === sockets.opened)
    }),
  )

  it.live("that its provider gives up meanwhile is not its fault", () =>
    Effect.gen(function* () {
      const { post, upstream } = yield* setUp({ maxUpstreamBytes: 2 * BYTES })
      upstream.enqueue((exchange) => {
        exchange.response.writeHead(200, { "content-type": "application/json", "content-length": BYTES })
        exchange.response.write("x".repeat(BYTES / 2))
        globalThis.setTimeout(() => exchange.request.socket.resetAndDestroy(), 100)
      })
      const { counted, room } = held()
      const fiber = yield* Effect.forkChild(failureOf(post({ ...request, room })), { startImmediately: true })
      yield* Effect.promise(() => setTimeout(200))
      counted.resume()
      assert.strictEqual(yield* Fiber.join(fiber), "no_room")
    }),
  )

  it.live("is there already does not wait", () =>
    Effect.gen(function* () {
      const { post, upstream } = yield* setUp({ maxUpstreamBytes: 2 * BYTES })
      upstream.enqueue(hugeBody(140_000))
      let bytes = 0
      // All but its last piece finds room.
      const goesOn = (more: number) => {
        bytes += more
        return bytes < 140_000
      }
      const room = { goesOn, readEnds: () => {}, heldUpAt: undefined, leftMs: () => 0 }
      assert.strictEqual((yield* post({ ...request, room })).status, 200)
      assert.isAbove(bytes, 140_000)
    }),
  )

  it.live("needs none while it is small", () =>
    Effect.gen(function* () {
      const { post, upstream } = yield* setUp()
      upstream.enqueue(hugeBody(90_000))
      const { counted, room } = held()
      assert.strictEqual((yield* post({ ...request, room })).status, 200)
      assert.strictEqual(counted.bytes, 0)
    }),
  )
})

describe("an answer", () => {
  it.live("comes with its status, the headers that matter, and its bytes", () =>
    Effect.gen(function* () {
      const { upstream, send } = yield* setUp()
      upstream.enqueue(
        status(429, "{}", {
          "retry-after": "7",
          "retry-after-ms": "6500",
          "set-cookie": "a=b",
          "x-ratelimit-remaining": "0",
          "x-ratelimit-reset": "30",
        }),
      )
      const response = yield* send
      assert.strictEqual(response.status, 429)
      assert.deepStrictEqual(response.headers, {
        contentType: "application/json",
        contentEncoding: undefined,
        retryAfter: "7",
        retryAfterMs: "6500",
        resets: ["30"],
      })
      assert.strictEqual(response.body.toString(), "{}")
    }),
  )

  it.live("of many chunks is put together", () =>
    Effect.gen(function* () {
      const { upstream, send } = yield* setUp()
      const text = "ä😀".repeat(300)
      upstream.enqueue(drip(7, 0, { text }))
      const { body } = yield* send
      assert.strictEqual(JSON.parse(body.toString()).choices[0].message.content, text)
    }),
  )

  it.live("after informational ones is the final one", () =>
    Effect.gen(function* () {
      const { upstream, send } = yield* setUp()
      upstream.enqueue(
        raw("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
      )
      const { status, body } = yield* send
      assert.deepStrictEqual([status, body.toString()], [200, "{}"])
    }),
  )

  it.live("that redirects is an answer, and nobody follows it", () =>
    Effect.gen(function* () {
      const { upstream, send } = yield* setUp()
      const elsewhere = yield* FakeUpstream.make
      upstream.enqueue(redirect(`${elsewhere.url}/v1/chat/completions`))
      assert.strictEqual((yield* send).status, 301)
      assert.strictEqual(elsewhere.sockets.opened, 0)
    }),
  )
})

describe("connections", () => {
  it.live("are kept and reused", () =>
    Effect.gen(function* () {
      const { upstream, send } = yield* setUp()
      for (let i = 0; i < 5; i++) {
        yield* send
        yield* connectionIsBack
      }
      assert.deepStrictEqual([upstream.count, upstream.sockets.opened], [5, 1])
    }),
  )

  it.live("are not shared by calls at the same time", () =>
    Effect.gen(function* () {
      const { upstream, send } = yield* setUp()
      upstream.respond(ok({ delayMs: 30 }))
      yield* Effect.all([send, send, send], { concurrency: "unbounded" })
      assert.strictEqual(upstream.sockets.opened, 3)
    }),
  )

  it.live("of one origin are shared by everyone who asks for it", () =>
    Effect.gen(function* () {
      const { upstream, transport, send } = yield* setUp()
      yield* send
      yield* connectionIsBack
      yield* transport.upstream(upstream.url).post(request)
      assert.strictEqual(upstream.sockets.opened, 1)
    }),
  )

  it.live("close with the scope, busy ones too", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      upstream.enqueue(ok(), hang())
      const scope = yield* Scope.make()
      const transport = yield* makeTransport(transportOptions).pipe(Scope.provide(scope))
      const { post } = transport.upstream(upstream.url)
      yield* post(request)
      const fiber = yield* Effect.forkChild(failureOf(post(request)))
      yield* until(upstream, ({ count }) => count === 2)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* Fiber.join(fiber), "reset")
      yield* until(upstream, ({ sockets }) => sockets.closed === sockets.opened)
    }),
  )
})

describe("a failure", () => {
  const cases: ReadonlyArray<
    [name: string, behaviour: Behaviour, failure: string, overrides?: Partial<TransportOptions>]
  > = [
    ["reset before any byte", resetBeforeHeaders(), "reset"],
    ["reset in the body", resetMidBody(), "reset"],
    ["end in the body", endMidBody(), "reset"],
    [
      "end in a chunk",
      raw("HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"),
      "reset",
    ],
    ["no headers in time", hang(), "timeout", { headersMs: 100 }],
    ["silence in the body", hangMidBody(), "timeout", { bodyMs: 100 }],
    ["body above the cap", hugeBody(100_001), "too_large"],
    [
      "body above the cap, byte by byte",
      drip(40, 0, { text: "x".repeat(1000) }),
      "too_large",
      { maxUpstreamBytes: 500 },
    ],
    ["header section too large", hugeHeader(20_000), "malformed"],
    [
      "informational answers without end",
      raw(`${"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(101)}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}`),
      "malformed",
    ],
    [
      "a body in crumbs",
      raw(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${"1\r\na\r\n".repeat(100_001)}`),
      "malformed",
      { maxUpstreamBytes: 1_000_000 },
    ],
    ["carriage return in a header", crHeader(), "malformed"],
    ["no HTTP", raw("SSH-2.0-OpenSSH_9.2\r\n"), "malformed"],
    [
      "contradicting lengths",
      raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"),
      "malformed",
    ],
  ]
  for (const [name, behaviour, failure, overrides] of cases) {
    it.live(`${name}: ${failure}`, () =>
      Effect.gen(function* () {
        const { upstream, send } = yield* setUp(overrides)
        upstream.enqueue(behaviour)
        assert.strictEqual(yield* failureOf(send), failure)
        yield* until(upstream, ({ sockets }) => sockets.closed === sockets.opened)
        assert.strictEqual((yield* send).status, 200)
        assert.strictEqual(upstream.count, 2)
      }),
    )
  }

  it.live("on a reused connection is a reset like any other, and is not retried here", () =>
    Effect.gen(function* () {
      const { upstream, send } = yield* setUp()
      upstream.enqueue(ok(), resetBeforeHeaders())
      yield* send
      yield* connectionIsBack
      assert.strictEqual(yield* failureOf(send), "reset")
      assert.deepStrictEqual([upstream.count, upstream.sockets.opened], [2, 1])
    }),
  )

  it.live("carries the status when that had arrived", () =>
    Effect.gen(function* () {
      const { upstream, send } = yield* setUp()
      upstream.enqueue(resetMidBody(), raw("HTTP/1.1 103 Early Hints\r\n\r\n"), resetBeforeHeaders())
      assert.strictEqual((yield* Effect.flip(send)).status, 200)
      assert.isUndefined((yield* Effect.flip(send)).status)
      assert.isUndefined((yield* Effect.flip(send)).status)
    }),
  )

  it.live("to find anybody listening: connect", () =>
    Effect.gen(function* () {
      const { transport } = yield* setUp()
      const gone = yield* FakeUpstream.make.pipe(
        Effect.map(({ url }) => url),
        Effect.scoped,
      )
      assert.strictEqual(yield* failureOf(transport.upstream(gone).post(request)), "connect")
    }),
  )

  it.live("to resolve the name: connect", () =>
    Effect.gen(function* () {
      const { transport } = yield* setUp()
      assert.strictEqual(
        yield* failureOf(transport.upstream("http://nobody.invalid").post(request)),
        "connect",
      )
    }),
  )

  it.live("to speak TLS: connect", () =>
    Effect.gen(function* () {
      const { upstream, transport } = yield* setUp()
      const { post } = transport.upstream(upstream.url.replace("http:", "https:"))
      assert.strictEqual(yield* failureOf(post(request)), "connect")
      assert.strictEqual(upstream.count, 0)
    }),
  )

  it.live("to finish the TLS handshake in time: connect", () =>
    Effect.gen(function* () {
      const { transport } = yield* setUp({ connectMs: 100 })
      const port = yield* rawServer(() => {})
      const { post } = transport.upstream(`https://127.0.0.1:${port}`)
      assert.strictEqual(yield* failureOf(post(request)), "connect")
    }),
  )
})

describe("the attempt's own bound", () => {
  const bounded = { ...request, timeoutMs: 100 }

  it.live("ends a wait that the transport's timeouts allow, and closes the connection", () =>
    Effect.gen(function* () {
      const { upstream, post } = yield* setUp()
      upstream.enqueue(hang())
      assert.strictEqual(yield* failureOf(post(bounded)), "timeout")
      yield* until(upstream, ({ sockets }) => sockets.closed === 1)
    }),
  )

  it.live("ends a slow drip that is never silent", () =>
    Effect.gen(function* () {
      const { upstream, post } = yield* setUp()
      upstream.enqueue(drip(1, 10))
      assert.strictEqual(yield* failureOf(post(bounded)), "timeout")
      yield* until(upstream, ({ calls }) => calls[0]?.outcome === "lost")
    }),
  )

  it.live("refuses a call when every connection is busy, and takes calls again when they are free", () =>
    Effect.gen(function* () {
      const { upstream, post } = yield* setUp()
      upstream.respond(hang())
      const holders = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: transportOptions.maxCalls }, () => post(request)),
          { concurrency: "unbounded" },
        ),
      )
      yield* Effect.promise(() => upstream.until(({ count }) => count === transportOptions.maxCalls, 9000))
      const refused = yield* Effect.flip(post({ ...request, path: "/v1/late/chat/completions" }))
      assert.deepInclude(refused, { failure: "connect", code: "ALL_CONNECTIONS_BUSY" })
      upstream.respond(ok())
      yield* Fiber.interrupt(holders)
      assert.strictEqual((yield* post(request)).status, 200)
      assert.strictEqual(upstream.count, transportOptions.maxCalls + 1)
    }),
  )
})

describe("interruption", () => {
  const interrupted = (behaviour: Behaviour) =>
    Effect.gen(function* () {
      const { upstream, send } = yield* setUp()
      upstream.enqueue(behaviour)
      const fiber = yield* Effect.forkChild(send)
      yield* until(upstream, ({ count }) => count === 1)
      yield* Fiber.interrupt(fiber)
      yield* until(upstream, ({ sockets }) => sockets.closed === 1)
      assert.strictEqual(upstream.calls[0]?.outcome, "lost")
      assert.strictEqual((yield* send).status, 200)
    })

  it.live("closes the upstream connection while it waits for headers", () => interrupted(hang()))
  it.live("closes the upstream connection in the middle of a body", () => interrupted(hangMidBody()))

  it.live("before the connection stands keeps the request from being sent", () =>
    Effect.gen(function* () {
      const connected = yield* Deferred.make<Socket>()
      const port = yield* rawServer((socket) => Deferred.doneUnsafe(connected, Effect.succeed(socket)))
      const { transport } = yield* setUp()
      const fiber = yield* Effect.forkChild(transport.upstream(`http://127.0.0.1:${port}`).post(request), {
        startImmediately: true,
      })
      yield* Fiber.interrupt(fiber)
      const socket = yield* Deferred.await(connected)
      const received = yield* Effect.promise(() => Array.fromAsync(socket))
      assert.deepStrictEqual(received, [])
    }),
  )
})
