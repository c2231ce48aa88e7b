import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import * as Metrics from "../../src/observability/Metrics.ts"

/** Each test has a registry of its own. */
const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Metric.MetricRegistry, new Map())

describe("metrics", () => {
  it.effect("a labelled counter keeps one series for each label set", () =>
    Effect.gen(function* () {
      yield* Metric.update(Metrics.requests("/infer", "2xx"), 1)
      yield* Metric.update(Metrics.requests("/infer", "2xx"), 1)
      yield* Metric.update(Metrics.requests("/infer", "5xx"), 1)
      assert.strictEqual(Metrics.requests("/infer", "2xx"), Metrics.requests("/infer", "2xx"))
      const text = yield* PrometheusMetrics.format()
      assert.include(text, '\ngateway_requests_total{endpoint="/infer",outcome="2xx"} 2\n')
      assert.include(text, '\ngateway_requests_total{endpoint="/infer",outcome="5xx"} 1\n')
    }).pipe(isolated),
  )

  it.effect("durations go in as milliseconds and come out as seconds", () =>
    Effect.gen(function* () {
      yield* Metric.update(Metrics.upstreamDuration("p", "m"), 1_500)
      const text = yield* PrometheusMetrics.format()
      assert.include(text, 'gateway_upstream_duration_seconds_bucket{provider="p",model="m",le="1.024"} 0\n')
      assert.include(text, 'gateway_upstream_duration_seconds_bucket{provider="p",model="m",le="2.048"} 1\n')
      assert.include(
        text,
        'gateway_upstream_duration_seconds_bucket{provider="p",model="m",le="262.144"} 1\n',
      )
      assert.include(text, 'gateway_upstream_duration_seconds_sum{provider="p",model="m"} 1.5\n')
    }).pipe(isolated),
  )

  it.effect("a level is read when scraped, while its owner lives", () =>
    Effect.gen(function* () {
      let depth = 3
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Metrics.observe(Metrics.ledgerQueue, () => depth)
          yield* Metrics.observe(Metrics.breakerOpen("p", "m"), () => 1)
          depth = 9
          const text = yield* PrometheusMetrics.format()
          assert.include(text, "\ngateway_ledger_queue_records 9\n")
          assert.include(text, '\ngateway_breaker_open{provider="p",model="m"} 1\n')
        }),
      )
      assert.notInclude(yield* PrometheusMetrics.format(), "gateway_ledger_queue_records")
    }).pipe(isolated),
  )

  it.effect("labels that turn out not to be a closed set end in one overflow series", () =>
    Effect.gen(function* () {
      // Another instance of the module: the one that this worker's gateways use must not be full afterwards.
      const address = "../../src/observability/Metrics.ts?another"
      const another: typeof Metrics = yield* Effect.promise(() => import(address))
      for (let i = 0; i < Metrics.MAX_SERIES * 2; i++) {
        yield* Metric.update(another.requestDuration(`/made-up/${i}`), 1)
      }
      const text = yield* PrometheusMetrics.format()
      const series = text
        .split("\n")
        .filter((line) => line.startsWith("gateway_request_duration_seconds_count"))
      assert.strictEqual(series.length, Metrics.MAX_SERIES + 1)
      assert.include(series, `gateway_request_duration_seconds_count{endpoint="other"} ${Metrics.MAX_SERIES}`)
    }).pipe(isolated),
  )

  it.effect("build info says what runs", () =>
    Effect.gen(function* () {
      const text = yield* PrometheusMetrics.format().pipe(Effect.provide(Metrics.layerBuildInfo))
      assert.match(text, /gateway_build_info\{version="\d+\.\d+\.\d+",node="v\d+\.\d+\.\d+"\} 1/)
    }).pipe(isolated),
  )

  it.effect("every name is gateway_<noun>_<unit>, each is described, and no label can hold a key", () =>
    Effect.gen(function* () {
      const all = [
        Metric.update(Metrics.requests("e", "2xx"), 1),
        Metric.update(Metrics.requestDuration("e"), 1),
        Metric.update(Metrics.inFlight, 1),
        Metric.update(Metrics.eventLoopDelay, 1),
        Metric.update(Metrics.rateLimited("requests", "key"), 1),
        Metric.update(Metrics.shed("in_flight"), 1),
        Metric.update(Metrics.upstreamAttempts("p", "m", "success"), 1),
        Metric.update(Metrics.upstreamDuration("p", "m"), 1),
        Metric.update(Metrics.breakerOpen("p", "m"), 1),
        Metric.update(Metrics.authResults("verified"), 1),
        Metric.update(Metrics.bcryptRunning, 1),
        Metric.update(Metrics.idempotencyOutcomes("run"), 1),
        Metric.update(Metrics.ledgerQueue, 1),
        Metric.update(Metrics.ledgerWritten, 1),
        Metric.update(Metrics.ledgerOverflow, 1),
        Metric.update(Metrics.ledgerJournalBytes, 1),
        Metric.update(Metrics.ledgerOldestAge, 1),
        Metric.update(Metrics.ledgerTornBytes, 1),
        Metric.update(Metrics.ledgerDropped("refused"), 1),
        Metric.update(Metrics.ledgerWriteFailures, 1),
      ]
      yield* Effect.all(all)
      const snapshot = yield* Metric.snapshot
      assert.strictEqual(snapshot.length, all.length)
      const units = /_(total|seconds|requests|records|hashes|bytes|open)$/
      const labels = new Set([
        "endpoint",
        "outcome",
        "reason",
        "provider",
        "model",
        "result",
        "limit",
        "scope",
      ])
      for (const { id, description, attributes } of snapshot) {
        assert.match(id, /^gateway_[a-z_]+$/)
        assert.match(id, units)
        assert.isAbove(description?.length ?? 0, 10, id)
        for (const name of Object.keys(attributes ?? {})) assert(labels.has(name), `${id} ${name}`)
      }
    }).pipe(isolated),
  )

  it("outcome classes follow the status", () => {
    assert.deepStrictEqual([200, 299, 304, 400, 499, 500, 503].map(Metrics.requestOutcome), [
      "2xx",
      "2xx",
      "3xx",
      "4xx",
      "4xx",
      "5xx",
      "5xx",
    ])
  })
})
