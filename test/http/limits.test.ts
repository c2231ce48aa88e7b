import { assert } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok } from "../support/fake-upstream-behaviours.ts"
import { streamThenHang } from "../support/fake-upstream-streams.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { query } from "../support/postgres-signals.ts"
import { eventually } from "../support/process-watch.ts"

/** What a client sees of limits of requests, of tokens and of requests in flight: a key's, its team's, and a model's. */

let first: FakeUpstream
let second: FakeUpstream
let third: FakeUpstream
let gateway: GatewayInProcess
let databaseUrl: string

beforeAll(async () => {
  ;[first, second, third] = await Promise.all([
    FakeUpstream.start(),
    FakeUpstream.start(),
    FakeUpstream.start(),
  ])
  const url = await Effect.runPromise(migratedPostgresUrl)
  databaseUrl = Redacted.value(url)
  gateway = await GatewayInProcess.start({
    databaseUrl: url,
    config: providersYaml(
      [first, second, third],
      `limits:
  requests_per_minute: 100000
  default_max_output_tokens: 700
  models:
    p0/m: { rpm: 5, tpm: 1000000 }
    p2/m: { tpm: 2000 }
routes:
  both: { candidates: [p0/m, p2/m], strategy: priority, larger_context: [] }`,
    ),
  })
})
afterAll(async () => {
  await gateway?.stop()
  await first?.stop()
  await second?.stop()
  await third?.stop()
})
beforeEach(async () => {
  first.reset()
  second.reset()
  await query(databaseUrl, "TRUNCATE limit_buckets, limit_permits")
})

const keyWith = async (columns: string): Promise<string> => {
  const { id, key } = await gateway.createKey()
  await query(databaseUrl, `UPDATE api_keys SET ${columns} WHERE id = '${id}'`)
  return key
}

const ask = async (key: string, path: string, body: object, headers: Record<string, string> = {}) => {
  const response = await fetch(`${gateway.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": key, ...headers },
    body: JSON.stringify(body),
  })
  return { status: response.status, headers: response.headers, body: (await response.json()) as never }
}

const chat = (key: string, fields: object = {}) =>
  ask(key, "/v1/chat/completions", {
    model: "p1/m",
    messages: [{ role: "user", content: "Hi" }],
    ...fields,
  })

describe("tokens per minute", () => {
  it("are taken with what a request may come to, and settled with what it came to", async () => {
    const key = await keyWith("tokens_per_minute = 1000")
    second.respond(ok({ usage: { input: 60, output: 40 } }))
    const answers = []
    for (let i = 0; i < 4; i++) answers.push(await chat(key, { max_tokens: 500 }))
    assert.deepStrictEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200],
    )
    const { headers } = await chat(key, { max_tokens: 500 })
    assert.strictEqual(headers.get("x-ratelimit-limit-tokens"), "1000")
    // Of five, four have come to 100 each, and one may come to 505.
    assert.closeTo(Number(headers.get("x-ratelimit-remaining-tokens")), 95, 60)
    assert.match(headers.get("x-ratelimit-reset-tokens") ?? "", /s$/)
  })

  it("refuse what is not left, saying when it is, whose it is and how much", async () => {
    const key = await keyWith("tokens_per_minute = 1000")
    second.respond(ok({ usage: { input: 600, output: 300 } }))
    assert.strictEqual((await chat(key, { max_tokens: 900 })).status, 200)
    const { body, headers, status } = await chat(key, { max_tokens: 500 })
    assert.strictEqual(status, 429)
    const { error } = body as { error: { code: string; message: string } }
    assert.strictEqual(error.code, "token_limited")
    assert.match(
      error.message,
      /^This key may use 1000 tokens per minute, of which 1\d\d are left; this request may come to 50\d\.$/,
    )
    assert.closeTo(Number(headers.get("retry-after")), 24, 3)
    assert.isNull(headers.get("x-should-retry"))
    assert.strictEqual(second.calls.length, 1)
  })

  it("finally refuse what never fits, saying what would", async () => {
    const key = await keyWith("tokens_per_minute = 500")
    const { body, headers, status } = await chat(key)
    const { error } = body as { error: { code: string; message: string; param: string } }
    assert.deepStrictEqual([status, error.code, error.param], [400, "exceeds_token_limit", "max_tokens"])
    assert.match(
      error.message,
      /may use 500 tokens per minute, and this request may come to 70\d\. With max_tokens at most 49\d it fits\.$/,
    )
    assert.strictEqual(headers.get("x-should-retry"), "false")
    const long = await chat(key, {
      messages: [{ role: "user", content: "word ".repeat(1_000) }],
      max_tokens: 1,
    })
    assert.match(
      (long.body as { error: { message: string } }).error.message,
      /Its input alone has about 125\d\.$/,
    )
    assert.strictEqual(second.calls.length, 0)
  })

  it("are an owed debt where an answer came to more", async () => {
    const key = await keyWith("tokens_per_minute = 1000")
    second.respond(ok({ usage: { input: 900, output: 600 } }))
    assert.strictEqual((await chat(key, { max_tokens: 10 })).status, 200)
    const { headers, status } = await chat(key, { max_tokens: 10 })
    assert.strictEqual(status, 429)
    assert.closeTo(Number(headers.get("retry-after")), 31, 3)
  })

  it("are said in each dialect's own header fields", async () => {
    const key = await keyWith("tokens_per_minute = 100000")
    second.respond(ok({ usage: { input: 6, output: 4 } }))
    const messages = await ask(
      key,
      "/v1/messages",
      { model: "p1/m", max_tokens: 100, messages: [{ role: "user", content: "Hi" }] },
      { "anthropic-version": "2023-06-01" },
    )
    assert.strictEqual(messages.headers.get("anthropic-ratelimit-tokens-limit"), "100000")
    assert.closeTo(Number(messages.headers.get("anthropic-ratelimit-tokens-remaining")), 99_900, 100)
    assert.isNotNaN(Date.parse(messages.headers.get("anthropic-ratelimit-tokens-reset") ?? ""))
    const infer = await ask(key, "/infer", { model: "p1/m", prompt: "Hi", max_tokens: 100 })
    assert.strictEqual(
      infer.headers.get("ratelimit-policy"),
      '"default";q=100000;w=60, "tokens";q=100000;w=60',
    )
    assert.match(
      infer.headers.get("ratelimit") ?? "",
      /^"default";r=\d+;t=\d+, "tokens";r=(99\d{3}|100000);t=\d+$/,
    )
  })
})

describe("requests in flight", () => {
  it("are places until the response is over, streamed ones too, and of a team together", async () => {
    await query(databaseUrl, "INSERT INTO teams (name, concurrency) VALUES ('search', 2)")
    const [one, other] = await Promise.all([
      keyWith("team = 'search'"),
      keyWith("team = 'search', concurrency = 1"),
    ])
    second.respond(streamThenHang(1))
    const open = async (key: string) => {
      const leaving = new AbortController()
      const response = await fetch(`${gateway.url}/infer`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-api-key": key },
        body: JSON.stringify({ model: "p1/m", prompt: "Hi", stream: true, max_tokens: 10 }),
        signal: leaving.signal,
      })
      return { response, leave: () => leaving.abort() }
    }
    const detail = async ({ response }: { response: Response }) =>
      `${response.status} ${((await response.json()) as { code: string; detail: string }).detail}`
    const streams = [await open(one), await open(other)]
    assert.deepStrictEqual(
      streams.map(({ response }) => response.status),
      [200, 200],
    )
    assert.match(await detail(await open(other)), /^429 This key may have 1 requests in flight/)
    assert.match(await detail(await open(one)), /^429 The team search may have 2 requests in flight/)
    for (const { leave } of streams) leave()
    second.respond(ok())
    await eventually(async () => (await chat(other, { max_tokens: 10 })).status === 200)
  })
})

describe("limits of a model", () => {
  it("send requests to the next candidate, and refuse them when no model is left", async () => {
    const key = await keyWith("requests_per_minute = 1000")
    first.respond(ok({ usage: { input: 6, output: 4 } }))
    third.respond(ok({ usage: { input: 900, output: 500 } }))
    const to = async () => {
      const { headers, status, body } = await chat(key, { model: "both", max_tokens: 100 })
      return status === 200
        ? headers.get("x-gateway-provider")
        : `${status} ${(body as { error: { code: string; message: string } }).error.message}`
    }
    const answered = []
    for (let i = 0; i < 7; i++) answered.push(await to())
    assert.deepStrictEqual(answered, ["p0", "p0", "p0", "p0", "p0", "p2", "p2"])
    assert.match(String(await to()), /^429 All keys together at p0\/m may send 5 requests per minute\.$/)
    const text = await (await fetch(`${gateway.url}/metrics`)).text()
    assert.match(text, /gateway_rate_limited_total\{limit="requests",scope="model"\} \d/)
    // It is not held against the provider.
    assert.match(text, /gateway_breaker_open\{provider="p0",model="m"\} 0/)
  })
})
