import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import {
  type Behaviour,
  ok,
  resetMidBody,
  status,
  truncatedJson,
} from "../support/fake-upstream-behaviours.ts"
import { streamThenError, streamThenReset } from "../support/fake-upstream-streams.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { mark } from "../support/mark.ts"
import { OtlpCollector } from "../support/OtlpCollector.ts"

/**
 * Words of clients and models, names of end users and secrets, each with a mark that is nowhere else, in every dialect, with
 * providers of every kind that answer, refuse and break, and quote what they were sent; then all telemetry is searched for them.
 */
const marks = {
  prompt: mark("prompt"),
  system: mark("system"),
  answer: mark("answer"),
  stop: mark("stop"),
  user: mark("user"),
  tag: mark("tag"),
  session: mark("session"),
  metadata: mark("metadata"),
  tool: mark("tool"),
  providerKey: `sk-${mark("provider")}`,
  query: mark("query"),
  path: mark("path"),
  idempotency: mark("idempotency"),
  baggage: mark("baggage"),
  cookie: mark("cookie"),
}

const kinds = [
  { name: "compat", kind: "openai-compatible", base: "/v1" },
  { name: "gpt", kind: "openai", base: "/v1" },
  { name: "claude", kind: "anthropic", base: "" },
  { name: "flash", kind: "gemini", base: "" },
] as const

const user = [{ role: "user", content: marks.prompt }]
const common = { max_tokens: 50, metadata: { note: marks.metadata } }
const dialects: ReadonlyArray<readonly [path: string, body: object]> = [
  ["/infer", { messages: [{ role: "system", content: marks.system }, ...user] }],
  [
    "/v1/chat/completions",
    {
      ...common,
      messages: [{ role: "system", content: marks.system }, ...user],
      user: marks.user,
      stop: [marks.stop],
      tools: [
        {
          type: "function",
          function: { name: marks.tool.replaceAll("-", "_"), parameters: { type: "object" } },
        },
      ],
    },
  ],
  [
    "/v1/responses",
    { input: marks.prompt, instructions: marks.system, user: marks.user, metadata: common.metadata },
  ],
  [
    "/v1/messages",
    {
      max_tokens: 50,
      system: marks.system,
      messages: user,
      stop_sequences: [marks.stop],
      metadata: { user_id: marks.user },
    },
  ],
]

/** A provider that repeats what it was sent, as many do in what they say of a wrong field. */
const quoting =
  (code: number, key = ""): Behaviour =>
  (exchange) => {
    const message = `Invalid value: '${marks.prompt}' ${marks.system} ${marks.stop} ${marks.user} ${key}`
    status(code, {
      error: { message, type: "invalid_request_error", param: marks.prompt, code: marks.prompt },
    })(exchange)
  }

const behaviours: ReadonlyArray<Behaviour> = [
  ok({ text: marks.answer }),
  quoting(400),
  quoting(400, marks.providerKey),
  quoting(401, marks.providerKey),
  quoting(500),
  truncatedJson(),
  resetMidBody(),
  streamThenReset(2, { text: `${marks.answer} and more of it` }),
  streamThenError(2, { error: { message: marks.prompt, code: marks.prompt } }),
]

let upstream: FakeUpstream
let collector: OtlpCollector
let statuses: ReadonlyArray<number> = []
let secret = ""

beforeAll(async () => {
  ;[upstream, collector] = await Promise.all([FakeUpstream.start(), OtlpCollector.start()])
  const price = "price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: test, as_of: 2026-11-01 }"
  // Many of a kind, so that none that failed is kept away.
  const providers = kinds.flatMap(({ base, kind, name }) =>
    behaviours.map(
      (_, nth) =>
        `  - { name: ${name}${nth}, kind: ${kind}, base_url: "${upstream.url}${base}", api_key_env: PROVIDER_KEY, models: [{ name: m, ${price} }, { name: e, kind: embedding, ${price} }] }\n`,
    ),
  )
  const gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    env: { PROVIDER_KEY: marks.providerKey, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
    config: `providers:\n${providers.join("")}
limits: { max_attempts: 2, requests_per_minute: 100000, max_event_loop_delay_ms: 3600000 }
timeouts: { headers_ms: 1000, body_ms: 1000 }`,
  })
  const { key } = await gateway.createKey()
  secret = key.split("_")[2] ?? ""
  const post = async (path: string, body: object, nth: number) => {
    const response = await fetch(`${gateway.url}${path}?q=${marks.query}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-api-key": key,
        "idempotency-key": `${marks.idempotency}-${Math.random()}`,
        "x-gateway-user": marks.user,
        "x-gateway-tags": marks.tag,
        "session-id": marks.session,
        cookie: marks.cookie,
        baggage: `user=${marks.baggage}`,
        tracestate: `user=${marks.baggage}`,
        ...(nth % 2 === 0 && { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify(body),
    })
    await response.text().catch(() => "")
    return response.status
  }
  const told: Array<number> = []
  for (const [nth, behaviour] of behaviours.entries()) {
    upstream.respond(behaviour)
    for (const { name } of kinds) {
      for (const [path, body] of dialects) {
        for (const stream of [false, true]) {
          told.push(await post(path, { ...body, model: `${name}${nth}/m`, stream }, nth))
        }
      }
      if (name === "gpt" || name === "compat") {
        told.push(
          await post(
            "/v1/embeddings",
            { model: `${name}${nth}/e`, input: marks.prompt, user: marks.user },
            nth,
          ),
        )
      }
    }
  }
  assert.strictEqual(await post(`/v1/${marks.path}`, {}, 0), 404)
  assert.strictEqual(
    await post("/v1/chat/completions", { model: "compat0/m", messages: marks.prompt }, 0),
    400,
  )
  statuses = told
  await gateway.stop()
})

afterAll(() => Promise.all([upstream?.stop(), collector?.stop()]))

describe("telemetry", () => {
  it("is there for every dialect, whole and streamed, and whatever came of it", () => {
    const spans = collector.spans().filter(({ attributes }) => attributes["gateway.endpoint"] !== undefined)
    assert.strictEqual(spans.length, statuses.length)
    for (const [path] of [...dialects, ["/v1/embeddings"] as const]) {
      const outcomes = spans
        .filter(({ attributes }) => attributes["gateway.endpoint"] === path)
        .map(({ attributes }) => attributes["gateway.outcome"])
      assert.include(outcomes, "success", path)
      assert.isAbove(new Set(outcomes).size, 2, path)
    }
    assert.isAbove(statuses.filter((status) => status === 200).length, kinds.length * dialects.length * 2)
    assert.isTrue(statuses.some((status) => status === 400))
  })

  it("has nobody's words, names or secrets in it", () => {
    const hits = Object.entries({ ...marks, secret }).flatMap(([name, needle]) => {
      const found = collector.received.find(
        ({ body }) => body.includes(needle) || body.includes(needle.replaceAll("-", "_")),
      )
      const at = found?.body.indexOf(needle) ?? 0
      return found === undefined ? [] : [`${name}: …${found.body.slice(Math.max(0, at - 200), at + 40)}…`]
    })
    assert.deepStrictEqual(hits, [])
    assert.isAbove(secret.length, 10)
  })
})
