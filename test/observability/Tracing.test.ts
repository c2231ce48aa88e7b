import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Metric, Tracer } from "effect"
import { Settings } from "../../src/config/Settings.ts"
import { inFlight } from "../../src/observability/Metrics.ts"
import { layerTracing } from "../../src/observability/Tracing.ts"
import { OtlpCollector } from "../support/OtlpCollector.ts"
import { scaled } from "../support/slowness.ts"

/** A collector on loopback that remembers what it was sent, and answers if it may. */
const collector = (answers: boolean) =>
  Effect.acquireRelease(
    Effect.callback<{ url: string; received: Map<string, string>; close: () => void }>((resume) => {
      const received = new Map<string, string>()
      const server = createServer((request, response) => {
        let body = ""
        request.setEncoding("utf8").on("data", (chunk) => {
          body += chunk
        })
        request.on("end", () => {
          const path = request.url ?? ""
          received.set(path, (received.get(path) ?? "") + body)
          if (answers) response.end("{}")
        })
      })
      server.listen(0, "127.0.0.1", () => {
        // A listening TCP server's address is never a string.
        const { port } = server.address() as AddressInfo
        resume(
          Effect.succeed({
            url: `http://127.0.0.1:${port}`,
            received,
            close: () => {
              server.close()
              server.closeAllConnections()
            },
          }),
        )
      })
    }),
    ({ close }) => Effect.sync(close),
  )

const work = Effect.gen(function* () {
  yield* Metric.update(inFlight, 1)
  yield* Effect.void.pipe(Effect.withSpan("Work.step"))
  return yield* Tracer.Tracer
})

const withEndpoint = (otlpEndpoint?: string) =>
  work.pipe(
    Effect.provide(
      layerTracing.pipe(
        Layer.provide(Settings.layerTest(otlpEndpoint === undefined ? {} : { otlpEndpoint })),
      ),
    ),
  )

describe("telemetry export", () => {
  it.live("sends spans and metrics to the collector, at the latest when the process ends", () =>
    Effect.gen(function* () {
      const { url, received } = yield* collector(true)
      yield* withEndpoint(`${url}/prefix`)
      assert.deepStrictEqual([...received.keys()].sort(), ["/prefix/v1/metrics", "/prefix/v1/traces"])
      assert.include(received.get("/prefix/v1/traces"), "Work.step")
      assert.include(received.get("/prefix/v1/traces"), "llm-inference-gateway")
      assert.include(received.get("/prefix/v1/metrics"), "gateway_in_flight_requests")
    }),
  )

  it.live("a collector that never answers does not hold up the end for longer than its timeouts", () =>
    Effect.gen(function* () {
      const { url, received } = yield* collector(false)
      const [elapsed] = yield* Effect.timed(withEndpoint(url))
      assert.isAbove(received.size, 0)
      assert.isBelow(Duration.toMillis(elapsed), scaled(6_000))
    }),
  )

  it.live("a collector that never answers is sent few batches, however many spans there are", () =>
    Effect.gen(function* () {
      const stuck = yield* Effect.acquireRelease(
        Effect.promise(() => OtlpCollector.start()),
        (each) => Effect.promise(() => each.stop()),
      )
      stuck.respond = () => {}
      yield* Effect.forEach(
        Array.from({ length: 30_000 }),
        (_, i) =>
          Effect.andThen(
            Effect.void.pipe(Effect.withSpan("Work.step")),
            i % 500 === 0 ? Effect.sleep(5) : Effect.void,
          ),
        { discard: true },
      ).pipe(
        Effect.provide(layerTracing.pipe(Layer.provide(Settings.layerTest({ otlpEndpoint: stuck.url })))),
      )
      const batches = stuck.received.filter(({ path }) => path === "/v1/traces").length
      assert.isAtLeast(batches, 1)
      assert.isAtMost(batches, 8)
    }),
  )

  it.effect("without an endpoint the tracer stays as it was", () =>
    Effect.gen(function* () {
      const before = yield* Tracer.Tracer
      assert.strictEqual(yield* withEndpoint(), before)
    }),
  )
})
