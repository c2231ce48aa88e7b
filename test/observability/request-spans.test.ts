import { readFileSync } from "node:fs"
import { assert } from "@effect/vitest"
import { Effect, Tracer } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure, hang, ok } from "../support/fake-upstream-behaviours.ts"
import { streamThenHang } from "../support/fake-upstream-streams.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { OtlpCollector, type ReceivedSpan } from "../support/OtlpCollector.ts"
import { eventually } from "../support/process-watch.ts"
import { SocketClient } from "../support/SocketClient.ts"

/** What the traces and metrics of one gateway tell of requests that go every way. All is asked first, and then looked at. */

const TRACE = "0af7651916cd43dd8448eb211c80319c"
const PARENT = "b7ad6b7169203331"

let first: FakeUpstream
let second: FakeUpstream
let collector: OtlpCollector
let key: { readonly id: string; readonly key: string }

/** By what was asked: the request's id, and the header fields of the calls that were made for it. */
const asked = new Map<string, { readonly requestId: string; readonly calls: ReadonlyArray<Headers> }>()
type Headers = Readonly<Record<string, unknown>>

const config = (upstreams: ReadonlyArray<FakeUpstream>) => {
  const [one] = upstreams
  const price = "price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: test, as_of: 2026-11-01 }"
  return providersYaml(
    upstreams,
    `  - { name: gpt, kind: openai, base_url: "${one?.openAiBaseUrl}", api_key_env: PROVIDER_KEY, models: [{ name: g, ${price} }, { name: e, kind: embedding, ${price} }] }
  - { name: claude, kind: anthropic, base_url: "${one?.url}", api_key_env: PROVIDER_KEY, models: [{ name: c, ${price} }] }
  - { name: flash, kind: gemini, base_url: "${one?.url}", api_key_env: PROVIDER_KEY, models: [{ name: f, ${price} }] }
routes:
  auto: { candidates: [p0/m, p1/m], exploration: 0, weights: { latency: 0, cost: 1 } }
  hedged: { candidates: [p0/m, p1/m], strategy: priority, hedge: { traffic: 0.5, spend: 0.5 } }
limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000 }`,
  )
}

const start = async (options: { env?: Record<string, string>; tracer?: Tracer.Tracer } = {}) =>
  GatewayInProcess.start({
    ...options,
    env: { PROVIDER_KEY: "k", ...options.env },
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: config([first, second]),
  })

const post = (gateway: GatewayInProcess, path: string, body: object, init: RequestInit = {}) =>
  fetch(`${gateway.url}${path}`, {
    method: "POST",
    ...init,
    headers: { "content-type": "application/json", "x-api-key": key.key, ...init.headers },
    body: JSON.stringify(body),
  })

const chat = (model: string, fields: object = {}) => ({
  model,
  messages: [{ role: "user", content: "Hi" }],
  ...fields,
})

beforeAll(async () => {
  ;[first, second, collector] = await Promise.all([
    FakeUpstream.start(),
    FakeUpstream.start(),
    OtlpCollector.start(),
  ])
  const gateway = await start({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=one%20tenant",
      OTEL_SERVICE_NAME: "gateway-of-a-test",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test, service.instance.id=i-1",
    },
  })
  key = await gateway.createKey({ team: undefined, tags: ["blue"] })

  const ask = async (
    name: string,
    path: string,
    body: object,
    init: RequestInit & { readonly leaves?: boolean } = {},
  ) => {
    const leaving = new AbortController()
    const [before, beforeSecond] = [first.calls.length, second.calls.length]
    const response = await post(gateway, path, body, { ...init, signal: leaving.signal })
    const requestId = response.headers.get("x-request-id") ?? ""
    if (init.leaves === true) {
      await response.body?.getReader().read()
      leaving.abort()
    } else {
      await response.text()
    }
    asked.set(name, {
      requestId,
      calls: [...first.calls.slice(before), ...second.calls.slice(beforeSecond)].map(
        ({ headers }) => headers,
      ),
    })
  }
  const counts = { usage: { input: 7, output: 3 } }

  first.enqueue(failure("serverError"), failure("serverError"))
  second.enqueue(ok(counts))
  await ask(
    "retried",
    "/infer",
    { prompt: "Hi", max_tokens: 100, temperature: 0.5 },
    {
      headers: {
        traceparent: `00-${TRACE}-${PARENT}-01`,
        tracestate: "vendor=a:b, other=1",
        baggage: "user=canary",
      },
    },
  )
  first.enqueue(ok(counts))
  await ask("streamed", "/v1/chat/completions", chat("p0/m", { stream: true, max_tokens: 9 }))
  first.enqueue(ok(counts))
  await ask("as an event stream", "/v1/messages", {
    ...chat("p0/m", { max_tokens: 8, stream: true }),
  })
  first.enqueue(ok(counts))
  await ask("as a response", "/v1/responses", { model: "p0/m", input: "Hi" })
  for (const model of ["gpt/g", "claude/c", "flash/f"]) {
    first.enqueue(ok(counts))
    await ask(model, "/v1/chat/completions", chat(model))
  }
  first.enqueue(ok(counts))
  await ask("embedded", "/v1/embeddings", { model: "gpt/e", input: "Hi", dimensions: 3 })

  const socket = await SocketClient.open(`${gateway.url}/v1`, key.key, {
    traceparent: `00-${TRACE}-${PARENT}-01`,
  })
  for (const input of ["One", "Two"]) {
    first.enqueue(ok(counts))
    socket.send({ type: "response.create", model: "gpt/g", input })
    await socket.answer()
  }
  await socket.close()
  await ask("in B3", "/infer", { prompt: "Hi" }, { headers: { b3: `${TRACE}-${PARENT}-1` } })

  first.enqueue(streamThenHang(2))
  await ask("left", "/v1/chat/completions", chat("p0/m", { stream: true }), { leaves: true })
  await ask("unknown", "/infer", { model: "nowhere", prompt: "Hi" })
  await ask("dry", "/infer", { prompt: "Hi", dry_run: true })
  await ask("unsampled", "/infer", { prompt: "Hi" }, { headers: { traceparent: `00-${TRACE}-${PARENT}-00` } })
  for (const [nth, traceparent] of [
    `00-${TRACE}-${PARENT}`,
    `00-${"0".repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `ff-${TRACE}-${PARENT}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-01-x`,
    "canary",
  ].entries()) {
    await ask(`malformed ${nth}`, "/infer", { prompt: "Hi" }, { headers: { traceparent, tracestate: "a=b" } })
  }
  await ask(
    "wrong state",
    "/infer",
    { prompt: "Hi" },
    {
      headers: { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: "Not A State" },
    },
  )
  for (const name of ["run", "replayed"]) {
    await ask(name, "/infer", { prompt: "once" }, { headers: { "idempotency-key": "k" } })
  }

  // Both known, and the shares earned; then the first hangs.
  first.respond(ok({ delayMs: 30 }))
  for (let i = 0; i < 30; i++)
    await (await post(gateway, "/infer", { model: i < 5 ? "p1/m" : "hedged", prompt: "Hi" })).text()
  first.respond(hang())
  await ask("hedged", "/infer", { model: "hedged", prompt: "Hi" })
  first.reset()

  const waiting = new AbortController()
  first.enqueue(hang())
  const left = post(
    gateway,
    "/infer",
    { model: "p0/m", prompt: "left alone" },
    { signal: waiting.signal },
  ).catch(() => {})
  await first.until(({ calls }) => calls.at(-1)?.outcome === "pending", 5_000)
  waiting.abort()
  await left
  await eventually(
    async () =>
      (await gateway.ledger(1)).filter(({ error_code }) => error_code === "client_closed_request").length > 1,
    10_000,
  )
  await gateway.stop()
})

afterAll(() => Promise.all([first?.stop(), second?.stop(), collector?.stop()]))

const KINDS = ["unspecified", "internal", "server", "client"]
const STATUSES = ["unset", "ok", "error"]
/** Differ from run to run. */
const VOLATILE: ReadonlySet<string> = new Set([
  "server.port",
  "client.address",
  "user_agent.original",
  "gateway.predicted_ms",
  "gateway.predicted_cost_usd",
  "gen_ai.response.time_to_first_chunk",
])

interface Node {
  readonly name: string
  readonly kind: string | undefined
  readonly status: string | undefined
  readonly attributes: Readonly<Record<string, unknown>>
  readonly spans: ReadonlyArray<Node>
}

const requestIdOf = (name: string): string => asked.get(name)?.requestId ?? assert.fail(`nothing is ${name}`)

const spanOf = (name: string): ReceivedSpan =>
  collector
    .spans()
    .find(
      ({ attributes }) =>
        attributes["gateway.request_id"] === requestIdOf(name) &&
        attributes["gateway.endpoint"] !== undefined,
    ) ?? assert.fail(`no span of ${name}`)

const childrenOf = ({ spanId }: ReceivedSpan): ReadonlyArray<ReceivedSpan> =>
  collector
    .spans()
    .filter(({ name, parentSpanId }) => parentSpanId === spanId && /^(chat|embeddings) /.test(name))
    .toSorted((a, b) => Number(a.startTimeUnixNano - b.startTimeUnixNano))

const treeOf = (span: ReceivedSpan): Node => ({
  name: span.name,
  kind: KINDS[span.kind],
  status: [STATUSES[span.status.code], span.status.message].filter((each) => each !== undefined).join(" "),
  attributes: Object.fromEntries(
    Object.entries(span.attributes)
      .filter(([name]) => name !== "gateway.request_id")
      .map(([name, value]) => [name, VOLATILE.has(name) ? typeof value : value]),
  ),
  spans: childrenOf(span).map(treeOf),
})

const callsOf = (name: string): ReadonlyArray<Headers> => asked.get(name)?.calls ?? []

describe("the trace of a request", () => {
  it("has the exchange, the request within, and one client span for each upstream attempt", () => {
    const request = spanOf("retried")
    const exchange = collector.spans().find(({ spanId }) => spanId === request.parentSpanId)
    assert(exchange !== undefined)
    assert.strictEqual(exchange.name, "POST /infer")
    assert.strictEqual(KINDS[exchange.kind], "server")
    assert.strictEqual(exchange.attributes["http.route"], "/infer")
    assert.strictEqual(exchange.attributes["http.response.status_code"], 200)
    assert.strictEqual(exchange.attributes["gateway.request_id"], requestIdOf("retried"))
    const candidate = {
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "m",
      "server.address": "127.0.0.1",
      "server.port": "number",
      "gateway.predicted_ms": "number",
      "gateway.predicted_cost_usd": "number",
    }
    const failed = {
      ...candidate,
      "gen_ai.provider.name": "p0",
      "gateway.provider": "p0",
      "gateway.outcome": "server_error",
      "error.type": "server_error",
      "http.response.status_code": 500,
    }
    const answer = {
      "gen_ai.response.model": "m",
      "gen_ai.response.finish_reasons": ["stop"],
      "gen_ai.usage.input_tokens": 7,
      "gen_ai.usage.output_tokens": 3,
      "gen_ai.provider.name": "p1",
      "gateway.provider": "p1",
      "gateway.outcome": "success",
      "gateway.cost_usd": 0.000026,
    }
    const attempt = { name: "chat m", kind: "client", spans: [] }
    assert.deepStrictEqual(treeOf(request), {
      name: "chat auto",
      kind: "internal",
      status: "ok",
      attributes: {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "auto",
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.temperature": 0.5,
        "gateway.endpoint": "/infer",
        "gateway.key_id": key.id,
        "gateway.tags": ["blue"],
        "gateway.route": "auto",
        "gateway.strategy": "score",
        "gateway.chosen_by": "score",
        "gateway.candidates": 2,
        "gateway.predicted_ms": "number",
        "gateway.predicted_cost_usd": "number",
        "gateway.attempts": 3,
        ...answer,
      },
      spans: [
        { ...attempt, status: "error server_error", attributes: { ...failed, "gateway.attempt": 1 } },
        { ...attempt, status: "error server_error", attributes: { ...failed, "gateway.attempt": 2 } },
        {
          ...attempt,
          status: "ok",
          attributes: { ...candidate, ...answer, "gateway.attempt": 3, "http.response.status_code": 200 },
        },
      ],
    })
    for (const { events } of childrenOf(request).slice(0, 2)) {
      assert.deepStrictEqual(
        events.map(({ name, attributes }) => [name, attributes.map((each) => each.key)]),
        [["exception", ["exception.type"]]],
      )
    }
  })

  it("goes on from the client's, and its attempts are the parents of what providers do", () => {
    const request = spanOf("retried")
    const exchange = collector.spans().find(({ spanId }) => spanId === request.parentSpanId)
    assert(exchange !== undefined)
    assert.strictEqual(exchange.parentSpanId, PARENT)
    const attempts = childrenOf(request)
    assert.deepStrictEqual(
      [...new Set([request, exchange, ...attempts].map(({ traceId }) => traceId))],
      [TRACE],
    )
    assert.deepStrictEqual(
      callsOf("retried").map(({ baggage, traceparent, tracestate }) => ({
        baggage,
        traceparent,
        tracestate,
      })),
      attempts.map(({ spanId }) => ({
        baggage: undefined,
        traceparent: `00-${TRACE}-${spanId}-01`,
        tracestate: "vendor=a:b,other=1",
      })),
    )
  })

  it("of which the client wants no span has none, and says so to providers", () => {
    const ids = collector.spans().map(({ attributes }) => attributes["gateway.request_id"])
    assert.notInclude(ids, requestIdOf("unsampled"))
    const [call] = callsOf("unsampled")
    assert.match(String(call?.traceparent), new RegExp(`^00-${TRACE}-(?!${PARENT})[0-9a-f]{16}-00$`))
  })

  it("begins anew where the client's is malformed, whose state goes nowhere", () => {
    for (let nth = 0; nth < 7; nth++) {
      const request = spanOf(`malformed ${nth}`)
      assert.notStrictEqual(request.traceId, TRACE)
      const [call] = callsOf(`malformed ${nth}`)
      assert.include(String(call?.traceparent), `00-${request.traceId}-`)
      assert.isUndefined(call?.tracestate)
    }
    const [call] = callsOf("wrong state")
    assert.include(String(call?.traceparent), TRACE)
    assert.isUndefined(call?.tracestate)
  })

  it("lasts until the end of a stream, with its tokens and the time of its first token", () => {
    for (const name of ["streamed", "as an event stream"]) {
      const request = spanOf(name)
      const [attempt, ...others] = childrenOf(request)
      assert.deepStrictEqual(others, [])
      const exchange = collector.spans().find(({ spanId }) => spanId === request.parentSpanId)
      assert(exchange !== undefined && exchange.endTimeUnixNano >= request.endTimeUnixNano)
      assert(attempt !== undefined)
      for (const span of [request, attempt]) {
        const { attributes } = span
        assert.strictEqual(attributes["gen_ai.request.stream"], true)
        assert.strictEqual(attributes["gen_ai.usage.input_tokens"], 7)
        assert.strictEqual(attributes["gen_ai.usage.output_tokens"], 3)
        assert.deepStrictEqual(attributes["gen_ai.response.finish_reasons"], ["stop"])
        const firstMs = 1000 * Number(attributes["gen_ai.response.time_to_first_chunk"])
        assert.isAtLeast(firstMs, 0)
        // A request's client waits from its arrival on, which may be long before there is a span on a busy machine.
        if (span === request) continue
        // An attempt begins within the request, and on a busy machine some time before there is its own span.
        const lastedMs = Number(span.endTimeUnixNano - request.startTimeUnixNano) / 1e6
        // Of clocks that may round differently.
        assert.isAtMost(firstMs, lastedMs + 2)
      }
    }
  })

  it("of a WebSocket has the requests of its messages within", () => {
    const connection = collector.spans().find(({ name }) => name === "GET /v1/responses")
    assert.strictEqual(connection?.parentSpanId, PARENT)
    assert(connection !== undefined)
    const requests = childrenOf(connection)
    assert.deepStrictEqual(
      requests.map(({ attributes, name }) => [
        name,
        attributes["gateway.endpoint"],
        attributes["gateway.outcome"],
      ]),
      [
        ["chat gpt/g", "/v1/responses", "success"],
        ["chat gpt/g", "/v1/responses", "success"],
      ],
    )
    assert.deepStrictEqual(
      requests.map((request) => childrenOf(request).length),
      [1, 1],
    )
  })

  it("goes on from B3 header fields too", () => {
    assert.strictEqual(spanOf("in B3").traceId, TRACE)
    assert.match(String(callsOf("in B3")[0]?.traceparent), new RegExp(`^00-${TRACE}-`))
    assert.isUndefined(callsOf("in B3")[0]?.b3)
  })

  it("names every vendor as the conventions do, whatever the client speaks", () => {
    const told = ["gpt/g", "claude/c", "flash/f", "embedded", "as a response"].map((name) => {
      const [attempt] = childrenOf(spanOf(name))
      return [
        name,
        attempt?.name,
        attempt?.attributes["gen_ai.provider.name"],
        attempt?.attributes["gateway.provider"],
      ]
    })
    assert.deepStrictEqual(told, [
      ["gpt/g", "chat g", "openai", "gpt"],
      ["claude/c", "chat c", "anthropic", "claude"],
      ["flash/f", "chat f", "gcp.gemini", "flash"],
      ["embedded", "embeddings e", "openai", "gpt"],
      ["as a response", "chat m", "p0", "p0"],
    ])
    const { attributes } = spanOf("embedded")
    assert.strictEqual(attributes["gen_ai.operation.name"], "embeddings")
    assert.strictEqual(attributes["gen_ai.embeddings.dimension.count"], 3)
  })

  it("ends with its outcome when the client leaves, before an answer and within it", () => {
    const [alone] = collector
      .spans()
      .filter(
        ({ attributes }) =>
          attributes["gateway.outcome"] === "client_closed_request" &&
          attributes["gateway.request_id"] !== requestIdOf("left"),
      )
    assert(alone !== undefined)
    for (const request of [alone, spanOf("left")]) {
      assert.strictEqual(request.attributes["gateway.outcome"], "client_closed_request")
      assert.strictEqual(request.attributes["error.type"], "client_closed_request")
      assert.deepStrictEqual(
        childrenOf(request).map(({ attributes }) => attributes["gateway.outcome"]),
        ["cancelled"],
      )
    }
    const [attempt] = childrenOf(spanOf("left"))
    assert.strictEqual(attempt?.attributes["gateway.usage_estimated"], true)
    assert.isAbove(Number(attempt?.attributes["gen_ai.usage.output_tokens"]), 0)
  })

  it("has both attempts of a hedged request, and which of them was cut", () => {
    const attempts = childrenOf(spanOf("hedged")).map(({ attributes }) => [
      attributes["gateway.provider"],
      attributes["gateway.attempt"],
      attributes["gateway.hedge"],
      attributes["gateway.outcome"],
    ])
    assert.deepStrictEqual(attempts, [
      ["p0", 1, undefined, "hedged"],
      ["p1", 2, true, "success"],
    ])
  })

  it("tells of a request that nobody was asked for why", () => {
    assert.strictEqual(spanOf("unknown").attributes["gateway.outcome"], "model_not_found")
    assert.strictEqual(spanOf("unknown").attributes["gateway.attempts"], 0)
    assert.deepStrictEqual(childrenOf(spanOf("unknown")), [])
    const { attributes } = spanOf("dry")
    assert.strictEqual(attributes["gateway.dry_run"], true)
    assert.strictEqual(attributes["gateway.outcome"], "success")
    assert.strictEqual(attributes["gateway.route"], "auto")
  })

  it("says of a repeated answer that it is one, and of which request", () => {
    assert.strictEqual(requestIdOf("replayed"), requestIdOf("run"))
    const spans = collector
      .spans()
      .filter(({ attributes }) => attributes["gateway.request_id"] === requestIdOf("run"))
      .map(({ attributes, name }) => [
        name,
        attributes["gateway.idempotent_replayed"],
        attributes["gateway.key_id"],
      ])
    assert.deepStrictEqual(spans, [
      ["chat auto", undefined, key.id],
      ["POST /infer", undefined, undefined],
      ["POST /infer", true, key.id],
    ])
  })

  it("is of the service that the environment names, and goes out with its header fields", () => {
    const resources = new Set(collector.spans().map(({ resource }) => JSON.stringify(resource)))
    assert.strictEqual(resources.size, 1)
    const resource = collector.spans()[0]?.resource
    assert.strictEqual(resource?.["service.name"], "gateway-of-a-test")
    assert.strictEqual(resource?.["service.instance.id"], "i-1")
    assert.strictEqual(resource?.["deployment.environment.name"], "test")
    for (const { headers } of collector.received) assert.strictEqual(headers["x-tenant"], "one tenant")
  })
})

describe("metrics of upstream calls by the conventions", () => {
  const seconds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]

  it("time every call, by its error where it has one", () => {
    const points = collector.points("gen_ai.client.operation.duration")
    for (const { explicitBounds, unit } of points) {
      assert.deepStrictEqual(explicitBounds, seconds)
      assert.strictEqual(unit, "s")
    }
    const of = (provider: string) =>
      points
        .filter(({ attributes }) => attributes["gen_ai.provider.name"] === provider)
        .map(({ attributes, count }) => [
          attributes["gen_ai.operation.name"],
          attributes["error.type"],
          count,
        ])
        .toSorted()
    assert.deepStrictEqual(of("gcp.gemini"), [["chat", undefined, 1]])
    assert.deepStrictEqual(of("openai"), [
      ["chat", undefined, 3],
      ["embeddings", undefined, 1],
    ])
    assert.deepStrictEqual(
      of("p0")
        .map(([, error]) => error)
        .toSorted(),
      ["cancelled", "hedged", "server_error", undefined],
    )
    const [gemini] = points.filter(({ attributes }) => attributes["gen_ai.provider.name"] === "gcp.gemini")
    assert.deepStrictEqual(gemini?.attributes, {
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "gcp.gemini",
      "gen_ai.request.model": "f",
      "server.address": "127.0.0.1",
      "server.port": Number(new URL(first.url).port),
    })
  })

  it("count the tokens that providers counted", () => {
    const points = collector.points("gen_ai.client.token.usage")
    assert.deepStrictEqual(
      points
        .filter(({ attributes }) => attributes["gen_ai.provider.name"] === "anthropic")
        .map(({ attributes, count, sum, unit }) => [attributes["gen_ai.token.type"], count, sum, unit])
        .toSorted(),
      [
        ["input", 1, 7, "{token}"],
        ["output", 1, 3, "{token}"],
      ],
    )
    assert.strictEqual(points[0]?.explicitBounds.length, 14)
    assert.strictEqual(points[0]?.explicitBounds.at(-1), 67_108_864)
  })

  it("time the first chunks of streams alone", () => {
    const points = collector.points("gen_ai.client.operation.time_to_first_chunk")
    assert.deepStrictEqual(
      points.map(({ attributes, count }) => [attributes["gen_ai.provider.name"], count]).toSorted(),
      [
        ["openai", 2],
        ["p0", 3],
      ],
    )
    for (const { explicitBounds } of points) assert.deepStrictEqual(explicitBounds, seconds)
  })
})

describe("docs/telemetry.md", () => {
  it("has every attribute and every metric that there is", () => {
    const page = readFileSync(new URL("../../docs/telemetry.md", import.meta.url), "utf8")
    const named = new Set(
      [...page.matchAll(/`((?:gen_ai|gateway|error|server|http)\.[a-z_.]+)`((?:, `\.[a-z_]+`)*)/g)].flatMap(
        ([, name = "", others = ""]) => [
          name,
          ...[...others.matchAll(/`(\.[a-z_]+)`/g)].map(([, end]) => name.replace(/\.[a-z_]+$/, end ?? "")),
        ],
      ),
    )
    const metrics = ["operation.duration", "operation.time_to_first_chunk", "token.usage"].map(
      (end) => `gen_ai.client.${end}`,
    )
    const used = [
      ...collector.spans().flatMap(({ attributes }) => Object.keys(attributes)),
      ...metrics.flatMap((name) =>
        collector.points(name).flatMap(({ attributes }) => Object.keys(attributes)),
      ),
      ...metrics,
    ].filter((name) => /^(gen_ai|gateway)\./.test(name) && name !== "gateway.records")
    assert.isAbove(new Set(used).size, 30)
    assert.deepStrictEqual(
      [...new Set(used)].filter((name) => !named.has(name)),
      [],
    )
  })
})

describe("a gateway that sends no telemetry", () => {
  it("makes no span, no metric by the conventions, and passes nothing on", async () => {
    const names: Array<string> = []
    const tracer = Tracer.make({
      span: (options) => {
        names.push(options.name)
        return new Tracer.NativeSpan(options)
      },
    })
    first.reset()
    second.reset()
    const gateway = await start({ tracer })
    try {
      const { key } = await gateway.createKey()
      for (const stream of [false, true]) {
        const response = await gateway.infer(
          key,
          { prompt: "Hi", stream },
          { headers: { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: "a=b", baggage: "c=d" } },
        )
        assert.strictEqual(response.status, 200, await response.text())
      }
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text()
      assert.include(metrics, "gateway_upstream_attempts_total")
      assert.notInclude(metrics, "gen_ai")
      assert.notInclude(metrics, "gateway_telemetry")
    } finally {
      await gateway.stop()
    }
    assert.deepStrictEqual(
      names.filter((name) => /^(chat|embeddings|POST|http)/.test(name)),
      [],
    )
    const sent = [...first.calls, ...second.calls].flatMap(({ headers }) => Object.keys(headers))
    assert.isAbove(sent.length, 0)
    assert.deepStrictEqual(
      sent.filter((name) => /^(trace|baggage|b3)/.test(name)),
      [],
    )
  })
})
