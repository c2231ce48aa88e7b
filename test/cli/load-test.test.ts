import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, Semaphore } from "effect"
import { Command } from "effect/cli"
import { TestClock, TestConsole } from "effect/testing"
import { makeMeasurements } from "../../src/cli/load-test/measurements.ts"
import { openLoop } from "../../src/cli/load-test/open-loop.ts"
import { loadTest } from "../../src/cli/load-test.ts"
import { root } from "../../src/cli/root.ts"
import { monotonicMs } from "../../src/platform/monotonic.ts"

/** A gateway as the command sees one: `answer` gets the number of the request, 0 for the one that comes first. */
const serving = (answer: (response: ServerResponse, number: number, body: string) => void) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      let number = 0
      const server = createServer((request, response) => {
        let body = ""
        request.setEncoding("utf8").on("data", (text: string) => {
          body += text
        })
        request.on("end", () => answer(response, number++, body))
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return server
    }),
    (server) =>
      Effect.promise(async () => {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }),
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))

const cli = root.pipe(Command.withSubcommands([loadTest]))

const running = (url: string, ...args: ReadonlyArray<string>) =>
  Command.runWith(cli, { version: "0" })([
    ...["load-test", "--url", url, "--key", "gwk_test", "--json", ...args],
    ...(args.includes("--duration") ? [] : ["--duration", "1s"]),
  ])

const outside = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provide(Effect.scoped(effect), [NodeServices.layer, TestConsole.layer], { local: true })

const Milliseconds = Schema.Struct({ p50: Schema.Finite, p99: Schema.Finite, max: Schema.Finite })
const Report = Schema.fromJsonString(
  Schema.Struct({
    ok: Schema.Boolean,
    broken: Schema.Array(Schema.String),
    sent: Schema.Finite,
    sent_per_second: Schema.Finite,
    good: Schema.Finite,
    failed: Schema.Finite,
    in_flight: Schema.Finite,
    error_rate: Schema.Finite,
    statuses: Schema.Record(Schema.String, Schema.Finite),
    failures: Schema.Record(Schema.String, Schema.Finite),
    latency_ms: Schema.NullOr(Milliseconds),
    first_token_ms: Schema.NullOr(Milliseconds),
    histogram: Schema.Array(Schema.Struct({ le_ms: Schema.NullOr(Schema.Finite), count: Schema.Finite })),
  }),
)
const printed = Effect.flatMap(TestConsole.logLines, ([line]) => Schema.decodeUnknownEffect(Report)(line))

/** The message that the command failed with; undefined when it did its work. */
const failure = <A, E extends { readonly message: string }, R>(command: Effect.Effect<A, E, R>) =>
  command.pipe(
    Effect.as(undefined),
    Effect.catch((error: E) => Effect.succeed(error.message)),
  )

const ok = (response: ServerResponse): void => {
  response.writeHead(200, { "content-type": "application/json" }).end("{}")
}

describe("an open loop", () => {
  it.effect(
    "counts the time that a request waits for those before it, and sends all of them when they are due",
    () =>
      Effect.gen(function* () {
        // One at a time, 100 ms each, and a hundred of them are due within the first second.
        const slot = yield* Semaphore.make(1)
        const sentAt: Array<number> = []
        const send = Effect.gen(function* () {
          sentAt.push(yield* monotonicMs)
          yield* Semaphore.withPermits(slot, 1)(Effect.sleep("100 millis"))
          return { status: 200, failure: null, firstTokenMs: null, endedMs: yield* monotonicMs }
        })
        const measurements = makeMeasurements()
        const test = yield* Effect.forkChild(openLoop({ rate: 100, durationMs: 1_000, send, measurements }))
        yield* TestClock.adjust("20 seconds")
        yield* Fiber.join(test)
        const [first = 0, last = 0] = [sentAt[0], sentAt.at(-1)]
        assert.lengthOf(sentAt, 100)
        assert.strictEqual(last - first, 990)
        const { good, latencyMs, sentPerSecond } = measurements.snapshot(yield* monotonicMs)
        assert.strictEqual(good, 100)
        assert.closeTo(sentPerSecond ?? 0, 100, 0.1)
        // The last was due at 990 ms and ended at 10,000.
        assert.closeTo(latencyMs?.max ?? 0, 9_010, 10)
        assert.closeTo(latencyMs?.p50 ?? 0, 4_510, 100)
      }),
  )
})

describe("a request that the test itself sends late", () => {
  it.effect("is as late as it was due, not as it was sent", () =>
    Effect.gen(function* () {
      // Every second one is due between two steps of the timer, and goes out half a millisecond late.
      const send = Effect.gen(function* () {
        yield* Effect.sleep("1 millis")
        return { status: 200, failure: null, firstTokenMs: null, endedMs: yield* monotonicMs }
      })
      const measurements = makeMeasurements()
      const test = yield* Effect.forkChild(openLoop({ rate: 2_000, durationMs: 100, send, measurements }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(test)
      const { good, latencyMs } = measurements.snapshot(yield* monotonicMs)
      assert.strictEqual(good, 200)
      assert.closeTo(latencyMs?.p50 ?? 0, 1, 0.01)
      assert.closeTo(latencyMs?.max ?? 0, 1.5, 0.01)
    }),
  )
})

describe("llm-gateway load-test", () => {
  it.live("measures a slow service from when requests were due, and ends badly above a threshold", () =>
    outside(
      Effect.gen(function* () {
        // On the only connection each takes 40 ms after the one before it: fifty are due in a second that holds 25.
        const url = yield* serving((response) => setTimeout(() => ok(response), 40))
        const slow = ["--rate", "50", "--connections", "1"]
        const said = yield* failure(running(url, ...slow, "--max-p99", "500", "--max-error-rate", "0"))
        assert.match(said ?? "", /^p99 is \d[\d.]* ms, above --max-p99 500\.$/)
        const report = yield* printed
        assert.isFalse(report.ok)
        assert.deepStrictEqual([report.good, report.failed, report.statuses], [50, 0, { 200: 50 }])
        assert.isAbove(report.latency_ms?.max ?? 0, 900)
        assert.strictEqual(
          report.histogram.reduce((sum, { count }) => sum + count, 0),
          50,
        )
      }),
    ),
  )

  it.live("asks for what it was told to, sees tokens come, and a stream that was cut is no good answer", () =>
    outside(
      Effect.gen(function* () {
        const bodies: Array<string> = []
        const url = yield* serving((response, number, body) => {
          bodies.push(body)
          response.writeHead(200, { "content-type": "text/event-stream" }).write("data: {}\n\n")
          setTimeout(() => response.end(number % 2 === 0 ? "data: [DONE]\n\n" : ""), 100)
        })
        yield* running(`${url}/v1/`, "--rate", "20", "--stream", "--model", "fast")
        const report = yield* printed
        assert.deepStrictEqual([report.good, report.failures], [10, { "cut stream": 10 }])
        assert.isAtLeast(report.latency_ms?.p50 ?? 0, 99)
        assert.isBelow(report.first_token_ms?.p50 ?? 0, report.latency_ms?.p50 ?? 0)
        assert.lengthOf(bodies, 21)
        assert.deepInclude(JSON.parse(bodies[0] ?? ""), { model: "fast", stream: true, max_tokens: 16 })
      }),
    ),
  )

  it.live("counts refusals as failures and not as fast answers", () =>
    outside(
      Effect.gen(function* () {
        const url = yield* serving((response, number) => {
          if (number % 4 === 1) response.writeHead(429).end()
          else if (number % 4 === 2) response.destroy()
          else ok(response)
        })
        const said = yield* failure(running(url, "--rate", "40", "--max-error-rate", "0.25"))
        assert.strictEqual(said, "50.00 % of the requests failed, above --max-error-rate 0.25.")
        const { good, error_rate, failures } = yield* printed
        assert.deepStrictEqual([good, error_rate], [20, 0.5])
        assert.deepStrictEqual(failures, { "HTTP 429": 10, "connection cut": 10 })
      }),
    ),
  )

  it.live("says at once what is wrong with the address, the key or the model", () =>
    outside(
      Effect.gen(function* () {
        const status = (code: number) =>
          Effect.flatMap(
            serving((response) => response.writeHead(code).end()),
            (url) => failure(running(url, "--rate", "1")),
          )
        assert.match((yield* status(401)) ?? "", /refused the key \(401\)/)
        assert.match(
          (yield* status(404)) ?? "",
          /\/v1\/chat\/completions or the model does not exist \(404\)/,
        )
        assert.match((yield* status(400)) ?? "", /no such request \(400\)/)
        assert.match(
          (yield* failure(running("http://127.0.0.1:9", "--rate", "1"))) ?? "",
          /^http:\/\/127\.0\.0\.1:9 cannot be asked: connection refused\.$/,
        )
        assert.deepStrictEqual(yield* TestConsole.logLines, [])
        for (const url of ["localhost:8000", "ftp://127.0.0.1", "/v1"]) {
          assert.isTrue(Exit.isFailure(yield* Effect.exit(running(url, "--rate", "1"))), url)
        }
      }),
    ),
  )

  it.live("prints what it has when it is interrupted, and gives up on answers that do not come", () =>
    outside(
      Effect.gen(function* () {
        let asked = 0
        const url = yield* serving((response) => {
          asked++
          if (asked < 10) ok(response)
        })
        const test = yield* Effect.forkChild(running(url, "--rate", "20", "--duration", "1h"))
        while (asked < 12) yield* Effect.sleep("10 millis")
        yield* Fiber.interrupt(test)
        const { good, sent, in_flight } = yield* printed
        assert.isTrue(good > 0 && good <= 8)
        assert.isAtLeast(in_flight, 3)
        assert.strictEqual(sent, good + in_flight)

        const said = yield* failure(running(url, "--rate", "2", "--timeout", "1s"))
        assert.match(said ?? "", /cannot be asked: no answer in time\.$/)
      }),
    ),
  )
})
