import { assert } from "@effect/vitest"
import { Effect, Schema, Tracer } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure, ok } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { OtlpCollector } from "../support/OtlpCollector.ts"

/** What a trace of POST /infer tells: the request, its answer, and each upstream attempt. */

const Value = Schema.Union([
  Schema.Struct({ stringValue: Schema.String }),
  Schema.Struct({ intValue: Schema.Union([Schema.Finite, Schema.FiniteFromString]) }),
  Schema.Struct({ doubleValue: Schema.Finite }),
  Schema.Struct({ boolValue: Schema.Boolean }),
])
const Span = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.optional(Schema.String),
  name: Schema.String,
  attributes: Schema.Array(Schema.Struct({ key: Schema.String, value: Value })),
})
const decodeTraces = Schema.decodeUnknownSync(
  Schema.fromJsonString(
    Schema.Struct({
      resourceSpans: Schema.Array(
        Schema.Struct({ scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Span) })) }),
      ),
    }),
  ),
)

const attributesOf = ({ attributes }: typeof Span.Type): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

let upstream: FakeUpstream
let collector: OtlpCollector

beforeAll(async () => {
  ;[upstream, collector] = await Promise.all([FakeUpstream.start(), OtlpCollector.start()])
})
afterAll(() => Promise.all([upstream?.stop(), collector?.stop()]))

const spansReceived = () =>
  collector.received
    .filter(({ path }) => path === "/v1/traces")
    .flatMap(({ body }) => decodeTraces(body).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))

/** Starts a gateway, asks it once, which takes three attempts, and stops it. */
const askOnce = async (options: { env?: Record<string, string>; tracer?: Tracer.Tracer }) => {
  const gateway = await GatewayInProcess.start({
    ...options,
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: providersYaml(
      [upstream, upstream],
      "routes: { auto: { candidates: [p0/m, p1/m], exploration: 0, weights: { latency: 0, cost: 1 } } }",
    ),
  })
  try {
    const { key } = await gateway.createKey()
    upstream.reset()
    upstream.enqueue(failure("serverError"), failure("serverError"), ok({ usage: { input: 7, output: 3 } }))
    const response = await gateway.infer(key, { prompt: "Hi" })
    assert.strictEqual(response.status, 200, await response.text())
    return response.headers.get("x-request-id")
  } finally {
    await gateway.stop()
  }
}

describe("the trace of a request", () => {
  it("has the request, its answer within, one client span for each upstream attempt, and beside it the batch of its record", async () => {
    const requestId = await askOnce({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } })
    const spans = spansReceived()
    const [infer, ...others] = spans.filter(({ name }) => name === "infer")
    if (infer === undefined) assert.fail("no span of the answer")
    assert.deepStrictEqual(others, [])
    assert.deepStrictEqual(attributesOf(infer), {
      "gateway.request_id": requestId,
      "gateway.endpoint": "/infer",
      "gateway.route": "auto",
      "gateway.attempts": 3,
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "auto",
    })
    const request = spans.find(({ spanId }) => spanId === infer.parentSpanId)
    assert.include(request?.name, "POST")

    const attempts = spans.filter(({ name }) => name === "upstream")
    assert.deepStrictEqual([...new Set(attempts.map(({ traceId }) => traceId))], [infer.traceId])
    assert.deepStrictEqual([...new Set(attempts.map(({ parentSpanId }) => parentSpanId))], [infer.spanId])
    const failed = {
      "gen_ai.request.model": "m",
      "gateway.outcome": "server_error",
      "error.type": "server_error",
      "http.response.status_code": 500,
    }
    assert.deepStrictEqual(attempts.map(attributesOf), [
      { ...failed, "gen_ai.provider.name": "p0", "gateway.attempt": 1 },
      { ...failed, "gen_ai.provider.name": "p0", "gateway.attempt": 2 },
      {
        "gen_ai.provider.name": "p1",
        "gen_ai.request.model": "m",
        "gateway.attempt": 3,
        "gateway.outcome": "success",
        "http.response.status_code": 200,
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
      },
    ])
    const batches = spans.filter(({ name }) => name === "ledger.batch")
    assert.deepStrictEqual(batches.map(attributesOf), [{ "gateway.records": 1 }])
  })

  it("costs nothing when there is nobody to send it to", async () => {
    const names: Array<string> = []
    const tracer = Tracer.make({
      span: (options) => {
        names.push(options.name)
        return new Tracer.NativeSpan(options)
      },
    })
    await askOnce({ tracer })
    assert.deepStrictEqual(
      names.filter((name) => name === "infer" || name === "upstream" || name.includes("POST")),
      [],
    )
  })
})
