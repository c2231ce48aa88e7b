import Anthropic from "@anthropic-ai/sdk"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import OpenAI from "openai"
import { WebSocket } from "undici"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { packageTimeout, timeoutHeader } from "../../src/http/client-deadline.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure, hang, ok } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { SocketClient } from "../support/SocketClient.ts"
import { scaled } from "../support/slowness.ts"

/** The client's own deadline: what it does to a request, and that nobody else suffers from it. */

let a: FakeUpstream
let b: FakeUpstream
let gateway: GatewayInProcess
let key: string

beforeAll(async () => {
  a = await FakeUpstream.start()
  b = await FakeUpstream.start()
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: providersYaml(
      [a, b, a, b, a],
      `  - name: e0
    kind: openai-compatible
    base_url: ${a.openAiBaseUrl}
    models: [{ name: e, kind: embedding }]
routes:
  both: { candidates: [p0/m, p1/m], exploration: 0, weights: { latency: 0, cost: 1 } }
  spare: { candidates: [p2/m, p3/m], exploration: 0, weights: { latency: 0, cost: 1 } }
timeouts: { deadline_ms: 4000, stream_ms: 4000 }
limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000 }`,
    ),
  })
  key = (await gateway.createKey()).key
  // The first request looks the key up and connects, which may take longer than a deadline here.
  const { status } = await post("/infer", { prompt: "Hi", model: "both" }, {})
  assert.strictEqual(status, 200)
})

afterAll(async () => {
  await gateway?.stop()
  await a?.stop()
  await b?.stop()
})

beforeEach(() => {
  a.reset()
  b.reset()
})

const messages = [{ role: "user" as const, content: "Hi" }]
const bodies: Readonly<Record<string, object>> = {
  "/infer": { prompt: "Hi" },
  "/v1/chat/completions": { messages },
  "/v1/messages": { messages, max_tokens: 10 },
  "/v1/responses": { input: "Hi" },
}

const post = async (path: string, body: object, headers: Readonly<Record<string, string>>) => {
  const startedAt = performance.now()
  const response = await fetch(`${gateway.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}`, ...headers },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, text, ms: performance.now() - startedAt, headers: response.headers }
}

const within = (ms: number, least: number) => {
  assert.isAtLeast(ms, least - 5)
  assert.isBelow(ms, least + scaled(900))
}

describe("X-Gateway-Timeout-Ms", () => {
  it.each(
    Object.entries(bodies).flatMap(([path, body]) => [
      [path, false, body] as const,
      [path, true, body] as const,
    ]),
  )("ends a request at %s (stream: %s) that nobody answers in time with 504", async (path, stream, body) => {
    a.respond(hang())
    const answer = await post(path, { ...body, model: "both", stream }, { "X-Gateway-Timeout-Ms": "250" })
    assert.strictEqual(answer.status, 504, answer.text)
    within(answer.ms, 250)
    assert.deepStrictEqual([a.count, b.count], [1, 0])
    await a.until(() => a.calls[0]?.outcome === "lost")
  })

  it.each([
    ["/v1/embeddings", { model: "e0/e", input: "Hi" }],
    ["/v1/responses/compact", { model: "p0/m", input: "Hi" }],
  ])("ends one at %s too", async (path, body) => {
    a.respond(hang())
    const answer = await post(path, body, { "X-Gateway-Timeout-Ms": "250" })
    assert.strictEqual(answer.status, 504, answer.text)
    within(answer.ms, 250)
  })

  it("never raises the configured deadline", async () => {
    a.respond(hang())
    const answer = await post(
      "/infer",
      { prompt: "Hi", model: "p0/m" },
      { "x-gateway-timeout-ms": "999999999" },
    )
    assert.strictEqual(answer.status, 504)
    within(answer.ms, 4_000)
  })

  it("leaves time to the next candidate, and starts none that cannot finish", async () => {
    a.respond(failure("serverError"))
    b.respond(ok({ delayMs: 300 }))
    const enough = await post("/infer", { prompt: "Hi", model: "spare" }, { "x-gateway-timeout-ms": "3000" })
    assert.strictEqual(enough.status, 200, enough.text)
    a.reset()
    b.reset()
    a.respond(failure("serverError"))
    b.respond(failure("serverError"))
    const scarce = await post("/infer", { prompt: "Hi", model: "spare" }, { "x-gateway-timeout-ms": "50" })
    assert.strictEqual(scarce.status, 502)
    assert.strictEqual(a.count + b.count, 1)
  })

  it("cuts a stream that has begun, with an error in it", async () => {
    a.respond(ok({ text: "one two three four five six", msBetween: 200 }))
    const answer = await post(
      "/v1/chat/completions",
      { messages, model: "p0/m", stream: true },
      { "x-gateway-timeout-ms": "700" },
    )
    assert.strictEqual(answer.status, 200)
    within(answer.ms, 700)
    assert.include(answer.text, '"code":"upstream_timeout"')
    assert.notInclude(answer.text, "[DONE]")
  })

  it("takes no candidate from others, however often it passes", async () => {
    a.respond(hang())
    const short = Array.from({ length: 30 }, (_, i) => i)
    for (const i of short) {
      const stream = i % 2 === 0
      const answer = await post(
        "/infer",
        { prompt: "Hi", model: "p4/m", stream },
        { "x-gateway-timeout-ms": "15" },
      )
      assert.strictEqual(answer.status, 504)
    }
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text()
    assert.match(metrics, /^gateway_breaker_open\{[^}]*provider="p4"[^}]*\} 0$/m)
    a.reset()
    const next = await post("/infer", { prompt: "Hi", model: "p4/m", explain: true }, {})
    const [candidate] = JSON.parse(next.text).decision.candidates
    assert.deepInclude(candidate, { tier: "healthy", availability: 1 })
  })

  it.each(["0", "-5", "1.5", "2s", "", "1e3", "soon", "1, 2"])("refuses %j", async (value) => {
    const answer = await post(
      "/v1/chat/completions",
      { messages, model: "p0/m" },
      { "x-gateway-timeout-ms": value },
    )
    assert.strictEqual(answer.status, 400)
    assert.deepInclude(JSON.parse(answer.text).error, {
      code: "invalid_request",
      param: "x-gateway-timeout-ms",
      message: "x-gateway-timeout-ms: Expected whole milliseconds, at least 1, sent once.",
    })
    assert.strictEqual(a.count, 0)
  })

  it("is no part of an idempotent request, and no provider's business", async () => {
    const body = { prompt: "Hi", model: "p0/m" }
    const first = await post("/infer", body, { "idempotency-key": "k", "x-gateway-timeout-ms": "3000" })
    const again = await post("/infer", body, { "idempotency-key": "k", "x-gateway-timeout-ms": "2999" })
    assert.deepStrictEqual([first.status, again.status], [200, 200])
    assert.strictEqual(again.headers.get("idempotent-replayed"), "true")
    assert.strictEqual(a.count, 1)
    assert.notMatch(a.calls[0]?.rawHeaders.join(" ") ?? "", /timeout/i)
  })

  it("of a WebSocket's handshake is for each of its requests", async () => {
    const url = `${gateway.url}/v1`
    const socket = await SocketClient.open(url, key, { "x-gateway-timeout-ms": "250" })
    a.enqueue(ok(), hang())
    const request = { type: "response.create", model: "p0/m", input: "Hi" }
    socket.send(request)
    assert.strictEqual((await socket.answer()).at(-1)?.type, "response.completed")
    const startedAt = performance.now()
    socket.send(request)
    const [error] = await socket.answer()
    within(performance.now() - startedAt, 250)
    assert.deepInclude(error, { type: "error", status: 504 })
    socket.close()

    const refused = new WebSocket(`${url.replace(/^http/, "ws")}/responses`, {
      headers: { authorization: `Bearer ${key}`, "x-gateway-timeout-ms": "soon" },
    })
    await new Promise((resolve) => refused.addEventListener("error", resolve))
  })
})

describe("the timeout of a vendor's own package", () => {
  /** The package's own requests, whose abort does not get through: what is left is what it told the gateway. */
  const patient: typeof fetch = (url, init) => fetch(url, { ...init, signal: null })
  const openAi = (options: object) =>
    new OpenAI({ apiKey: key, baseURL: `${gateway.url}/v1`, maxRetries: 0, ...options })
  const anthropic = (options: object) =>
    new Anthropic({ apiKey: key, baseURL: gateway.url, maxRetries: 0, ...options })
  const chat = { model: "p0/m", messages }
  const message = { ...chat, max_tokens: 10 }

  const rejected = (promise: PromiseLike<unknown>) =>
    Promise.resolve(promise).then(
      () => assert.fail("answered"),
      (error: unknown) => error,
    )

  it.each([
    ["openai", () => openAi({ fetch: patient }).chat.completions.create(chat, { timeout: 1_000 })],
    [
      "openai",
      () => openAi({ fetch: patient }).responses.create({ model: "p0/m", input: "Hi" }, { timeout: 1_999 }),
    ],
    ["@anthropic-ai/sdk", () => anthropic({ timeout: 1_000, fetch: patient }).messages.create(message)],
  ])("%s ends a request that its client has given up", async (_, ask) => {
    a.respond(hang())
    const startedAt = performance.now()
    const error = await rejected(ask())
    assert.deepInclude(error, { status: 504 })
    within(performance.now() - startedAt, 2_000)
  })

  it("cuts nothing that the client still waits for", async () => {
    a.respond(ok({ text: "late", delayMs: 1_200 }))
    const [first, second] = await Promise.all([
      openAi({}).chat.completions.create(chat, { timeout: scaled(1_900) }),
      anthropic({ timeout: scaled(1_900) }).messages.create(message),
    ])
    assert.strictEqual(first.choices[0]?.message.content, "late")
    assert.deepInclude(second.content[0], { type: "text", text: "late" })
  })

  it("is of the head of a stream, which goes on", async () => {
    a.respond(ok({ text: "one two three four five six", msBetween: 200 }))
    const stream = await openAi({}).chat.completions.create(
      { ...chat, stream: true },
      { timeout: scaled(1_000) },
    )
    let text = ""
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? ""
    assert.strictEqual(text, "one two three four five six")
    const final = await anthropic({ timeout: scaled(1_000) })
      .messages.stream(message)
      .finalText()
    assert.strictEqual(final, "one two three four five six")
  })

  it("ends no keyed request, whose answer waits for the client's next try", async () => {
    a.respond(ok({ delayMs: 1_300 }))
    const body = { prompt: "Hi", model: "p0/m" }
    const headers = { "idempotency-key": "kept", "x-stainless-read-timeout": "0.1" }
    assert.strictEqual((await post("/infer", body, headers)).status, 200)
  })
})

describe("reading header fields", () => {
  it.each([
    [{}, undefined],
    [{ "x-stainless-timeout": "600" }, 601_000],
    [{ "x-stainless-timeout": "1" }, 2_000],
    // Below a second, or none at all.
    [{ "x-stainless-timeout": "0" }, undefined],
    [{ "x-stainless-timeout": "NOT_GIVEN", "x-stainless-read-timeout": "600" }, 601_000],
    [{ "x-stainless-timeout": "None", "x-stainless-read-timeout": "2.5" }, 3_500],
    [{ "x-stainless-read-timeout": "None", "x-stainless-timeout": "7" }, 8_000],
    [{ "x-stainless-timeout": "-1" }, undefined],
    [{ "x-stainless-timeout": "NaN" }, undefined],
    [{ "x-stainless-timeout": "1, 2" }, undefined],
  ])("of packages: %j", (headers, ms) => {
    assert.strictEqual(packageTimeout(headers), ms)
  })

  it("of the gateway's own takes large numbers, which have no effect", () => {
    const read = timeoutHeader({ "x-gateway-timeout-ms": "999999999999999" })
    assert.deepInclude(read, { _tag: "Success", success: 999_999_999_999_999 })
  })
})
