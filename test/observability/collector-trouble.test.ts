import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { OtlpCollector } from "../support/OtlpCollector.ts"
import { eventually } from "../support/process-watch.ts"
import { scaled } from "../support/slowness.ts"

/** A gateway whose collector is in trouble answers as ever. */

let upstream: FakeUpstream
let collector: OtlpCollector

beforeAll(async () => {
  ;[upstream, collector] = await Promise.all([FakeUpstream.start(), OtlpCollector.start()])
})
afterAll(() => Promise.all([upstream?.stop(), collector?.stop()]))

const troubles: Readonly<Record<string, OtlpCollector["respond"]>> = {
  "never answers": () => {},
  "is overloaded": (response) => {
    response.writeHead(503).end()
  },
  "has had enough for a day": (response) => {
    response.writeHead(429, { "retry-after": "86400" }).end()
  },
}

describe.each(Object.entries(troubles))("with a collector that %s", (_, respond) => {
  it("every request is answered, and the end comes in time", async () => {
    collector.received.length = 0
    collector.respond = respond
    const gateway = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      config: providersYaml(
        [upstream],
        "limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000 }",
      ),
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=canary-secret",
      },
    })
    const { key } = await gateway.createKey()
    for (let i = 0; i < 10; i++) {
      const responses = await Promise.all(
        Array.from({ length: 60 }, () => gateway.infer(key, { prompt: "Hi", stream: i % 2 === 0 })),
      )
      for (const response of responses) {
        assert.strictEqual(response.status, 200)
        assert.notInclude(await response.text(), "error")
      }
    }
    await eventually(async () => collector.received.some(({ path }) => path === "/v1/traces"), 10_000)
    const stoppedAt = performance.now()
    await gateway.stop()
    assert.isBelow(performance.now() - stoppedAt, scaled(10_000))
    assert.notInclude(gateway.stderr, "canary-secret")
  })
})

describe("a collector that takes no telemetry", () => {
  it("is told of in the log, and counted", async () => {
    collector.respond = (response) => {
      response.writeHead(401).end()
    }
    const gateway = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      config: providersYaml([upstream]),
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
    })
    try {
      await eventually(async () => gateway.stderr.includes("The collector takes no telemetry"), 20_000)
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text()
      assert.match(metrics, /gateway_telemetry_exports_total\{signal="\w+",outcome="failed"\} 1\n/)
    } finally {
      await gateway.stop()
    }
  })
})
