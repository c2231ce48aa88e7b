import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure, ok } from "../support/fake-upstream-behaviours.ts"
import { streamThenReset } from "../support/fake-upstream-streams.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"

/** What a client sees of one whole answer, over HTTP against a real process and real PostgreSQL. */

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
      [a, b],
      `
routes:
  auto: { candidates: [p0/m, p1/m], exploration: 0 }
limits: { requests_per_minute: 100000 }`,
    ),
  })
  key = (await gateway.createKey()).key
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

describe("POST /infer", () => {
  it("answers a prompt with the contract's fields and headers", async () => {
    a.respond(ok({ text: "Hello there", usage: { input: 11, output: 7 } }))
    const response = await gateway.infer(key, { model: "p0/m", prompt: "Say hello" })
    assert.strictEqual(response.status, 200)
    const body = (await response.json()) as Record<string, unknown>
    assert.strictEqual(body.output, "Hello there")
    assert.strictEqual(body.provider, "p0")
    assert.strictEqual(body.model, "m")
    // 11 tokens at 1 USD and 7 at 2 USD per million.
    assert.strictEqual(body.cost, 0.000025)
    assert.deepStrictEqual(body.usage, {
      input_tokens: 11,
      output_tokens: 7,
      cached_tokens: 0,
      reasoning_tokens: 0,
    })
    assert.strictEqual(body.finish_reason, "stop")
    assert.strictEqual(body.attempts, 1)
    assert.isNumber(body.latency_ms)
    const { headers } = response
    assert.strictEqual(headers.get("x-request-id"), body.request_id)
    assert.strictEqual(headers.get("x-gateway-provider"), "p0")
    assert.strictEqual(headers.get("x-gateway-model"), "m")
    assert.strictEqual(headers.get("x-gateway-attempts"), "1")
    assert.strictEqual(headers.get("x-gateway-cost"), "0.000025")
    assert.match(
      headers.get("server-timing") ?? "",
      /^auth;dur=\d+, route;dur=\d+, upstream;dur=\d+, gateway;dur=\d+$/,
    )
    assert.match(headers.get("ratelimit") ?? "", /^"default";r=\d+;t=\d+$/)
    assert.match(headers.get("ratelimit-policy") ?? "", /^"default";q=100000;w=60$/)
    assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
  })

  it("sends messages, limits and temperature on, and nothing of the client's headers", async () => {
    const messages = [
      { role: "system", content: "Be brief." },
      { role: "user", content: [{ type: "text", text: "Hi" }] },
    ]
    await gateway.infer(
      key,
      { model: "p0/m", messages, max_tokens: 5, temperature: 0.5 },
      { headers: { "x-secret-of-client": "canary", cookie: "a=b", "user-agent": "client/1" } },
    )
    const [call] = a.calls
    assert.deepInclude(call?.json as object, { model: "m", messages, max_tokens: 5, temperature: 0.5 })
    assert.isFalse(JSON.stringify(call?.rawHeaders).includes("canary"))
    assert.isUndefined(call?.headers.cookie)
    assert.notInclude(call?.headers["user-agent"] ?? "", "client/1")
    assert.isUndefined(call?.headers["x-api-key"])
  })

  it("explains its decision when asked", async () => {
    const response = await gateway.infer(key, { prompt: "Hi", explain: true })
    const { decision } = (await response.json()) as { decision: Record<string, unknown> }
    assert.strictEqual(decision.route, "auto")
    assert.lengthOf(decision.candidates as Array<unknown>, 2)
    assert.lengthOf(decision.attempts as Array<unknown>, 1)
  })

  it("explains how good its latest predictions were", async () => {
    for (let i = 0; i < 3; i++) await gateway.infer(key, { model: "p0/m", prompt: "Hi" })
    const response = await gateway.infer(key, { model: "p0/m", prompt: "Hi", dry_run: true })
    const { decision } = (await response.json()) as {
      decision: { candidates: ReadonlyArray<{ calibration: Record<string, number> }> }
    }
    const { answers = 0, bias = 0, p90_error = -1 } = decision.candidates[0]?.calibration ?? {}
    assert.isAtLeast(answers, 3)
    assert.isAbove(bias, 0)
    assert.isAtLeast(p90_error, 0)
  })

  it("plans without calling anybody on a dry run, and leaves no row", async () => {
    const response = await gateway.infer(key, { prompt: "Hi", dry_run: true })
    const body = (await response.json()) as Record<string, unknown>
    assert.strictEqual(body.dry_run, true)
    assert.deepInclude(body.decision as object, { route: "auto", attempts: [] })
    assert.strictEqual(a.count + b.count, 0)
  })

  it("falls back when a provider fails, and the client only sees the answer", async () => {
    a.respond(failure("serverError"))
    b.respond(ok({ text: "from b" }))
    const response = await gateway.infer(key, { model: "m", prompt: "Hi" })
    assert.strictEqual(response.status, 200)
    const body = (await response.json()) as Record<string, unknown>
    assert.strictEqual(body.output, "from b")
    assert.strictEqual(body.attempts, a.count + b.count)
    assert.isAtMost(a.count, 2)
  })

  it("accepts the key in Authorization: Bearer", async () => {
    const response = await fetch(`${gateway.url}/infer`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: "p0/m", prompt: "Hi" }),
    })
    assert.strictEqual(response.status, 200)
  })

  it("takes no notice of another scheme that a proxy may add", async () => {
    const basic = { authorization: "Basic dXNlcjpwYXNz" }
    assert.strictEqual(
      (await gateway.infer(key, { model: "p0/m", prompt: "Hi" }, { headers: basic })).status,
      200,
    )
  })

  it("names max_tokens when that is what no allowed model can do", async () => {
    const { key } = await gateway.createKey({ models: ["p0/m"] })
    const response = await gateway.infer(key, { prompt: "Hi", max_tokens: 5_000 })
    const problem = (await response.json()) as Record<string, unknown>
    assert.deepInclude(problem, { status: 400, code: "invalid_request", param: "max_tokens" })
    assert.notInclude(String(problem.detail), "p1/m")
  })

  it("refuses two different credentials and takes the same one twice", async () => {
    const other = (await gateway.createKey()).key
    const both = (second: string) =>
      gateway.infer(key, { model: "p0/m", prompt: "Hi" }, { headers: { authorization: `Bearer ${second}` } })
    assert.strictEqual((await both(other)).status, 400)
    assert.strictEqual((await both(key)).status, 200)
  })

  it("records each request with its attempts, and refusals too", async () => {
    const { key, id } = await gateway.createKey({ name: "recorded" })
    await gateway.infer(key, { model: "p0/m", prompt: "Hi" })
    await gateway.infer(key, { model: "nobody/knows", prompt: "Hi" })
    const rows = await gateway.ledger(1)
    const mine = async () => {
      const response = await gateway.admin(`/analytics/requests?key_id=${id}`)
      return ((await response.json()) as { data: Array<Record<string, unknown>> }).data
    }
    for (let tries = 0; tries < 100 && (await mine()).length < 2; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    assert.isNotEmpty(rows)
    const [refused, answered] = await mine()
    assert.deepInclude(refused, { status: 404, error_code: "model_not_found", provider: null, attempts: 0 })
    assert.deepInclude(answered, { status: 200, provider: "p0", model: "m", attempts: 1, endpoint: "/infer" })
  })
})

describe("POST /infer with stream: true", () => {
  /** The data of each event. */
  const events = async (response: Response): Promise<ReadonlyArray<unknown>> =>
    (await response.text())
      .split("\n\n")
      .filter((event) => event.startsWith("data: "))
      .map((event) => (event === "data: [DONE]" ? "[DONE]" : JSON.parse(event.slice(6))))

  it("sends deltas, then the fields of the whole answer, then the end", async () => {
    a.respond(ok({ text: "Hello there, friend", usage: { input: 11, output: 7 } }))
    const response = await gateway.infer(key, { model: "p0/m", prompt: "Say hello", stream: true })
    assert.strictEqual(response.headers.get("content-type"), "text/event-stream; charset=utf-8")
    assert.strictEqual(response.headers.get("x-gateway-provider"), "p0")
    const all = await events(response)
    const [final, done] = all.slice(-2)
    assert.strictEqual(done, "[DONE]")
    const deltas = all.slice(0, -2) as ReadonlyArray<{ delta: string }>
    assert.isAbove(deltas.length, 1)
    assert.strictEqual(deltas.map(({ delta }) => delta).join(""), "Hello there, friend")
    assert.deepInclude(final as object, {
      output: "Hello there, friend",
      provider: "p0",
      model: "m",
      cost: 0.000025,
      usage: { input_tokens: 11, output_tokens: 7, cached_tokens: 0, reasoning_tokens: 0 },
      finish_reason: "stop",
      request_id: response.headers.get("x-request-id"),
      attempts: 1,
    })
  })

  it("ends a broken stream with the problem and without the end mark", async () => {
    a.respond(streamThenReset(2))
    const all = await events(await gateway.infer(key, { model: "p0/m", prompt: "Hi there", stream: true }))
    const { error } = all.at(-1) as { error: Record<string, unknown> }
    assert.deepInclude(error, { code: "upstream_error", status: 502 })
    assert.notInclude(all, "[DONE]")
  })

  it("answers what fails before the first token like any other request", async () => {
    a.respond(failure("badRequest"))
    const response = await gateway.infer(key, { model: "p0/m", prompt: "Hi", stream: true })
    assert.strictEqual(response.status, 400)
    assert.strictEqual(response.headers.get("content-type"), "application/problem+json")
  })
})

describe("a wrong request", () => {
  const refused = async (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) => {
    const response = await fetch(`${gateway.url}/infer`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": key, ...headers },
      body,
    })
    const text = await response.text()
    assert.strictEqual(response.headers.get("content-type"), "application/problem+json", text)
    const problem = JSON.parse(text) as Record<string, unknown>
    assert.strictEqual(problem.request_id, response.headers.get("x-request-id"))
    assert.strictEqual(problem.status, response.status)
    return { status: response.status, code: problem.code, param: problem.param, text }
  }

  it.each([
    ["no JSON", "{", 400, "invalid_json", undefined],
    ["nothing", "", 400, "invalid_json", undefined],
    ["trailing garbage", '{"prompt":"a"} x', 400, "invalid_json", undefined],
    ["a byte order mark", '\ufeff{"prompt":"a"}', 400, "invalid_json", undefined],
    ["an array", "[]", 400, "invalid_request", undefined],
    ["endless nesting", `{"prompt":"a","x":${"[".repeat(100_000)}`, 400, "invalid_json", undefined],
    [
      "nesting that ends",
      `{"prompt":"a","x":${'[{"0":'.repeat(200)}1${"}]".repeat(200)}}`,
      400,
      "invalid_json",
      undefined,
    ],
    ["brackets in a text", `{"prompt":"${"[{".repeat(500)}","x":1}`, 400, "invalid_request", "x"],
    ["neither prompt nor messages", "{}", 400, "invalid_request", "prompt"],
    [
      "both prompt and messages",
      '{"prompt":"a","messages":[{"role":"user","content":"b"}]}',
      400,
      "invalid_request",
      "prompt",
    ],
    ["an empty prompt", '{"prompt":""}', 400, "invalid_request", "prompt"],
    ["a prompt of another type", '{"prompt":5}', 400, "invalid_request", "prompt"],
    [
      "a wrong role",
      '{"messages":[{"role":"root","content":"b"}]}',
      400,
      "invalid_request",
      "messages[0].role",
    ],
    ["max_tokens zero", '{"prompt":"a","max_tokens":0}', 400, "invalid_request", "max_tokens"],
    ["max_tokens 1e400", '{"prompt":"a","max_tokens":1e400}', 400, "invalid_request", "max_tokens"],
    ["max_tokens -0", '{"prompt":"a","max_tokens":-0}', 400, "invalid_request", "max_tokens"],
    ["temperature 9", '{"prompt":"a","temperature":9}', 400, "invalid_request", "temperature"],
    ["a stream that is no boolean", '{"prompt":"a","stream":"yes"}', 400, "invalid_request", "stream"],
    [
      "an unknown field",
      '{"prompt":"a","api_base":"http://127.0.0.1:1"}',
      400,
      "invalid_request",
      "api_base",
    ],
    ["__proto__", '{"prompt":"a","__proto__":{"x":1}}', 400, "invalid_request", "__proto__"],
    ["an unknown model", '{"prompt":"a","model":"none"}', 404, "model_not_found", "model"],
    [
      "a model name with control characters",
      '{"prompt":"a","model":"m\\r\\nx: y"}',
      404,
      "model_not_found",
      "model",
    ],
  ])("%s is refused, naming the field", async (_, body, status, code, param) => {
    const answer = await refused(body)
    assert.deepInclude(answer, { status, code, param })
    assert.strictEqual(a.count + b.count, 0)
  })

  it("nests 100,000 deep without hurting anybody", async () => {
    const answer = await refused(`{"prompt":"a","x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`)
    assert.strictEqual(answer.status, 400)
  })

  it("is invalid UTF-8", async () => {
    const answer = await refused(new Uint8Array([...Buffer.from('{"prompt":"'), 0xff, ...Buffer.from('"}')]))
    assert.deepInclude(answer, { status: 400, code: "invalid_json" })
  })

  it("never gets its own values back", async () => {
    const answer = await refused('{"prompt":{"canary-value":1}}')
    assert.notInclude(answer.text, "canary-value")
  })

  it.each([
    ["text/plain", {}],
    ["multipart/form-data; boundary=x", {}],
    ["application/json; charset=latin1", {}],
    ["application/json; charset=utf8x", {}],
    ['application/json; charset="utf-8', {}],
    ["application/json", { "content-encoding": "gzip" }],
  ])("is of type %s %o", async (type, more) => {
    const answer = await refused('{"prompt":"a"}', { "content-type": type, ...more })
    assert.deepInclude(answer, { status: 415, code: "unsupported_media_type" })
  })

  it.each(["", '"', '"a', "a b", "x".repeat(256), "\u00e9"])("has the Idempotency-Key %j", async (value) => {
    const answer = await refused('{"prompt":"a"}', { "idempotency-key": value })
    assert.deepInclude(answer, { status: 400, code: "invalid_idempotency_key" })
  })

  it.each(["", "gwk_", "sk-123", "' OR (SELECT pg_sleep(8)) IS NOT NULL --", "x".repeat(600)])(
    "with the API key %j is a 401",
    async (wrong) => {
      const answer = await refused('{"prompt":"a"}', { "x-api-key": wrong })
      assert.deepInclude(answer, { status: 401, code: "invalid_api_key" })
    },
  )
})

it.each(["", ";charset=utf8", "; charset=UTF8", '; charset="UTF-8"', "; Charset = utf-8 "])(
  "JSON may call itself application/json%s",
  async (parameter) => {
    const response = await gateway.infer(
      key,
      { prompt: "a" },
      { headers: { "content-type": `application/json${parameter}` } },
    )
    assert.strictEqual(response.status, 200, await response.text())
  },
)

describe("a URL in a request", () => {
  const names = [
    "api_base",
    "base_url",
    "baseURL",
    "url",
    "host",
    "proxy",
    "endpoint",
    "user_config",
    "custom-host",
  ]

  it("is never followed, wherever it stands", async () => {
    const attacker = await FakeUpstream.start()
    try {
      const target = attacker.openAiBaseUrl
      for (const name of names) {
        const message = { role: "user", content: "Hi" }
        const part = { type: "text", text: "Hi" }
        const bodies = [
          { prompt: "Hi", [name]: target },
          { prompt: "Hi", [name]: { api_base: target } },
          { messages: [{ ...message, [name]: target }] },
          { messages: [{ role: "user", content: [{ ...part, [name]: target }] }] },
          { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: target } }] }] },
        ]
        for (const body of bodies) {
          assert.strictEqual((await gateway.infer(key, body)).status, 400, JSON.stringify(body))
        }
        const headers = { [name]: target, [`x-${name}`]: target, "x-forwarded-host": target }
        if (name !== "host") await gateway.infer(key, { model: "p0/m", prompt: target }, { headers })
        await fetch(`${gateway.url}/infer?${name}=${encodeURIComponent(target)}`, {
          method: "POST",
          headers: { "content-type": "application/json", "x-api-key": key },
          body: JSON.stringify({ model: "p0/m", prompt: "Hi" }),
        })
      }
      assert.strictEqual(attacker.sockets.opened, 0)
    } finally {
      await attacker.stop()
    }
  })
})

describe("paths and methods", () => {
  it.each([
    ["GET", "/infer", 405, "POST"],
    ["PUT", "/infer", 405, "POST"],
    ["DELETE", "/analytics/requests", 405, "GET"],
    ["POST", "/livez", 405, "GET"],
    ["GET", "/nothing", 404, null],
    ["GET", "/admin", 404, null],
    ["GET", "/admin/keys/%E0%A4%A", 404, null],
  ])("%s %s is %i", async (method, path, status, allow) => {
    const response = await fetch(`${gateway.url}${path}`, { method })
    const problem = (await response.json()) as Record<string, unknown>
    assert.strictEqual(response.status, status)
    assert.strictEqual(response.headers.get("allow"), allow)
    assert.strictEqual(problem.request_id, response.headers.get("x-request-id"))
  })

  it.each(["/infer/", "//infer", "/%69nfer", "/./infer", "/livez/../infer", "/infer?x=1", "/infer#x"])(
    "POST %s is never answered without a key",
    async (path) => {
      const response = await fetch(`${gateway.url}${path}`, { method: "POST" })
      assert.oneOf(response.status, [401, 404])
    },
  )

  it.each([
    ["GET", "/analytics/usage-by-key"],
    ["GET", "/analytics/usage-by-provider"],
    ["GET", "/analytics/timeseries"],
    ["GET", "/analytics/calibration"],
    ["GET", "/analytics/requests"],
    ["GET", "/admin/keys"],
    ["POST", "/admin/keys"],
    ["GET", "/admin/keys/abc"],
    ["POST", "/admin/keys/abc/rotate"],
    ["POST", "/admin/keys/abc/revoke"],
  ])("%s %s needs an admin token, and an API key is none", async (method, path) => {
    for (const headers of [{}, { authorization: `Bearer ${key}` }, { "x-api-key": key }]) {
      const response = await fetch(`${gateway.url}${path}`, { method, headers })
      assert.strictEqual(response.status, 401)
    }
  })

  it.each([
    ["from=1", "from"],
    ["to=2026-11-23T00:00:00", "to"],
    ["limit=0", "limit"],
    ["cursor=x", "cursor"],
    ["from=2026-11-23T00:00:00Z&to=2026-11-22T00:00:00Z", "from"],
  ])("analytics refuses ?%s and names %s", async (query, param) => {
    const response = await gateway.admin(`/analytics/usage-by-key?${query}`)
    assert.deepInclude((await response.json()) as object, { status: 400, code: "invalid_request", param })
  })

  it("serves the specification with every route, and a page to read it", async () => {
    const spec = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as {
      paths: Record<string, unknown>
    }
    assert.includeMembers(Object.keys(spec.paths), [
      "/infer",
      "/analytics/usage-by-key",
      "/admin/keys",
      "/livez",
      "/metrics",
    ])
    const page = await fetch(`${gateway.url}/docs`)
    assert.strictEqual(page.status, 200)
    assert.include(page.headers.get("content-type") ?? "", "text/html")
  })

  it("shows metrics in Prometheus text without any key", async () => {
    await gateway.infer(key, { model: "p0/m", prompt: "Hi" })
    const text = await (await fetch(`${gateway.url}/metrics`)).text()
    assert.match(text, /^gateway_requests_total\{.*endpoint="\/infer".*\} \d+/m)
    assert.match(text, /^gateway_upstream_attempts_total\{.*provider="p0".*\} \d+/m)
    assert.match(text, /^gateway_prediction_time_ratio_count\{.*provider="p0".*\} [1-9]/m)
    assert.notInclude(text, key.slice(4, 16))
  })
})
