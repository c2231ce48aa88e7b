import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Metric } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"
import { toCollector } from "../../src/observability/collector-client.ts"

/** A collector that is slow, down, or has enough, in time that the test makes pass. */

const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Metric.MetricRegistry, new Map())

/** Makes the client of a collector that answers each try so, and counts them. */
const collectorThat = Effect.fnUntraced(function* (answer: (nth: number) => Effect.Effect<Response>) {
  const tries = { count: 0 }
  const client = HttpClient.make((request) =>
    Effect.suspend(() =>
      Effect.map(answer(tries.count++), (each) => HttpClientResponse.fromWeb(request, each)),
    ),
  )
  const sent = yield* toCollector(client, "traces")
  const send = Effect.map(
    sent.execute(HttpClientRequest.post("http://collector/v1/traces")),
    ({ status }) => status,
  )
  return { send, tries }
})

const exportsOf = Effect.map(PrometheusMetrics.format(), (text) =>
  Object.fromEntries(
    [...text.matchAll(/gateway_telemetry_exports_total\{signal="traces",outcome="(\w+)"\} (\d+)/g)].map(
      ([, outcome, count]) => [outcome, Number(count)],
    ),
  ),
)

const status = (code: number, headers: Record<string, string> = {}) =>
  Effect.sync(() => new Response(code === 204 ? null : "{}", { status: code, headers }))

describe("the way to a collector", () => {
  it.effect("tries again what the protocol lets it, and gives up after three", () =>
    Effect.gen(function* () {
      const { send, tries } = yield* collectorThat((nth) => (nth < 2 ? status(503) : status(200)))
      const fiber = yield* Effect.forkChild(send)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), 200)
      assert.strictEqual(tries.count, 3)
      const down = yield* collectorThat(() => status(503))
      const failing = yield* Effect.forkChild(down.send)
      yield* TestClock.adjust("1 minute")
      // Which Effect's exporter does not try again.
      assert.strictEqual(yield* Fiber.join(failing), 400)
      assert.strictEqual(down.tries.count, 3)
      assert.deepStrictEqual(yield* exportsOf, { sent: 1, failed: 1 })
    }).pipe(isolated),
  )

  it.effect("does not wait for long, whatever the collector says", () =>
    Effect.gen(function* () {
      const { send, tries } = yield* collectorThat(() => status(429, { "retry-after": "86400" }))
      const fiber = yield* Effect.forkChild(send)
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(tries.count, 1)
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual(tries.count, 3)
      assert.strictEqual(yield* Fiber.join(fiber), 400)
    }).pipe(isolated),
  )

  it.effect("is closed at once where trying again would not help", () =>
    Effect.gen(function* () {
      const { send, tries } = yield* collectorThat(() => status(401))
      assert.strictEqual(yield* send, 400)
      assert.strictEqual(tries.count, 1)
    }).pipe(isolated),
  )

  it.effect("has room for few batches at once, and drops the others", () =>
    Effect.gen(function* () {
      const { send, tries } = yield* collectorThat(() => Effect.never)
      const fibers = yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.forkChild(send))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(tries.count, 8)
      assert.deepStrictEqual(yield* exportsOf, { dropped: 92 })
      yield* TestClock.adjust("1 minute")
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(yield* exportsOf, { dropped: 92, failed: 8 })
      // And has room again.
      const another = yield* Effect.forkChild(send)
      yield* TestClock.adjust("1 second")
      assert.isAbove(tries.count, 24)
      yield* Fiber.interrupt(another)
    }).pipe(isolated),
  )

  it.effect("does not hang on an answer that has a head and no end", () =>
    Effect.gen(function* () {
      const { send } = yield* collectorThat(() =>
        Effect.sync(() => new Response(new ReadableStream({ start: () => {} }), { status: 200 })),
      )
      const fiber = yield* Effect.forkChild(send)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(fiber), 400)
    }).pipe(isolated),
  )
})
