import { assert } from "@effect/vitest"
import { Effect } from "effect"
import OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"

/** What a browser asks before it sends a page's request, and what it needs to see to show the page the answer. */

const APP = "https://app.example.com"
const OTHER = "https://evil.example.com"

let upstream: FakeUpstream
beforeAll(async () => {
  upstream = await FakeUpstream.start()
})
afterAll(() => upstream?.stop())
beforeEach(() => upstream.reset())

const start = async (env: Record<string, string>) =>
  GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: providersYaml([upstream]),
    env,
  })

const preflight = (gateway: GatewayInProcess, path: string, origin: string, headers = "") =>
  fetch(`${gateway.url}${path}`, {
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": "POST",
      ...(headers === "" ? {} : { "access-control-request-headers": headers }),
    },
  })

const listed = (response: Response, name: string) =>
  (response.headers.get(name) ?? "").split(",").map((value) => value.trim().toLowerCase())

const corsHeaders = ({ headers }: Response) =>
  [...headers.keys()].filter((name) => name.startsWith("access-control-"))

describe("origins that are named", () => {
  let gateway: GatewayInProcess
  let key: string
  beforeAll(async () => {
    gateway = await start({ CORS_ORIGINS: `http://localhost:5173, ${APP}` })
    key = (await gateway.createKey()).key
  })
  afterAll(() => gateway?.stop())

  const ask = (path: string, origin: string | undefined, body: unknown, apiKey = key) =>
    fetch(`${gateway.url}${path}`, {
      method: "POST",
      headers: {
        ...(origin === undefined ? {} : { origin }),
        "content-type": "application/json",
        authorization: `Bearer ${apiKey}`,
      },
      body: JSON.stringify(body),
    })

  it.each(["/infer", "/v1/chat/completions", "/v1/embeddings", "/v1/messages"])(
    "may send to %s what clients send",
    async (path) => {
      const sent = "authorization,content-type,x-stainless-os,x-stainless-retry-count,openai-organization"
      const response = await preflight(gateway, path, APP, sent)
      assert.strictEqual(response.status, 204)
      assert.strictEqual(await response.text(), "")
      assert.strictEqual(response.headers.get("access-control-allow-origin"), APP)
      assert.deepStrictEqual(listed(response, "access-control-allow-methods"), ["post"])
      assert.includeMembers(listed(response, "access-control-allow-headers"), [
        ...sent.split(","),
        "x-api-key",
        "idempotency-key",
      ])
      assert.isAbove(Number(response.headers.get("access-control-max-age")), 600)
      assert.strictEqual(response.headers.get("vary"), "Origin")
      assert.isNull(response.headers.get("access-control-allow-credentials"))
    },
  )

  it("are allowed the usual header fields when nothing is asked for, and nothing that is no name", async () => {
    for (const asked of ["", "x y", "a,,b", "x".repeat(3000)]) {
      assert.deepStrictEqual(
        listed(await preflight(gateway, "/infer", APP, asked), "access-control-allow-headers"),
        [
          ...["authorization", "x-api-key", "content-type", "idempotency-key", "x-gateway-timeout-ms"],
          ...["x-gateway-user", "x-gateway-tags", "anthropic-version", "anthropic-beta"],
        ],
      )
    }
  })

  it.each([
    ["an answer", "/infer", { model: "p0/m", prompt: "Hi" }, 200],
    [
      "a stream",
      "/v1/chat/completions",
      { model: "p0/m", messages: [{ role: "user", content: "Hi" }], stream: true },
      200,
    ],
    ["a mistake", "/v1/chat/completions", {}, 400],
    ["no route", "/v1/nothing", {}, 404],
    ["a wrong method", "/livez", {}, 405],
  ] as const)("may read %s", async (_, path, body, status) => {
    const response = await ask(path, APP, body)
    await response.text()
    assert.strictEqual(response.status, status)
    assert.strictEqual(response.headers.get("access-control-allow-origin"), APP)
    assert.strictEqual(response.headers.get("vary"), "Origin")
    const exposed = listed(response, "access-control-expose-headers")
    const ours = [...response.headers.keys()].filter((name) =>
      /^(?:x-(?!content|accel)|ratelimit|server-timing)/.test(name),
    )
    assert.includeMembers(exposed, [...ours, "retry-after", "idempotent-replayed"])
    assert.isNull(response.headers.get("access-control-allow-credentials"))
  })

  it("may read that their key is refused", async () => {
    const response = await ask("/v1/chat/completions", APP, {}, "gwk_wrong")
    assert.strictEqual(response.status, 401)
    assert.strictEqual(response.headers.get("access-control-allow-origin"), APP)
  })

  it.each([
    OTHER,
    "null",
    "http://app.example.com",
    `${APP}.evil.com`,
    `${APP}:444`,
    "https://APP.example.com",
  ])("are no others: %s", async (origin) => {
    const refused = await preflight(gateway, "/infer", origin, "authorization")
    assert.strictEqual(refused.status, 405)
    assert.deepStrictEqual(corsHeaders(refused), [])
    const answer = await ask("/infer", origin, { model: "p0/m", prompt: "Hi" })
    assert.deepStrictEqual(corsHeaders(answer), [])
    // Also for a cache that keeps this answer.
    assert.strictEqual(answer.headers.get("vary"), "Origin")
  })

  it("are told to caches by an answer without an origin too", async () => {
    const answer = await ask("/infer", undefined, { model: "p0/m", prompt: "Hi" })
    assert.deepStrictEqual(corsHeaders(answer), [])
    assert.strictEqual(answer.headers.get("vary"), "Origin")
  })

  it.each(["/admin/keys", "/analytics/requests", "/metrics", "/docs", "/openapi.json"])(
    "have no part in the operators' %s",
    async (path) => {
      assert.strictEqual((await preflight(gateway, path, APP)).status, 405)
      const response = await fetch(`${gateway.url}${path}`, {
        headers: { origin: APP, authorization: `Bearer ${gateway.adminToken}` },
      })
      await response.text()
      assert.strictEqual(response.status, 200)
      assert.deepStrictEqual(corsHeaders(response), [])
    },
  )

  it("serve the openai package in a browser", async () => {
    const client = new OpenAI({
      baseURL: `${gateway.url}/v1`,
      apiKey: key,
      dangerouslyAllowBrowser: true,
      maxRetries: 0,
      // As a browser sends it: asked for first, refused unless the answer allows each of its header fields.
      fetch: async (input, init) => {
        const headers = new Headers(init?.headers)
        const asked = await fetch(String(input), {
          method: "OPTIONS",
          headers: {
            origin: APP,
            "access-control-request-method": init?.method ?? "GET",
            "access-control-request-headers": [...headers.keys()].join(","),
          },
        })
        assert.strictEqual(asked.status, 204)
        assert.includeMembers(listed(asked, "access-control-allow-headers"), [...headers.keys()])
        headers.set("origin", APP)
        const response = await fetch(String(input), { ...init, headers } as RequestInit)
        assert.strictEqual(response.headers.get("access-control-allow-origin"), APP)
        return response
      },
    })
    const stream = await client.chat.completions.create({
      model: "p0/m",
      messages: [{ role: "user", content: "Hi" }],
      stream: true,
    })
    let text = ""
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ""
    assert.isNotEmpty(text)
  })
})

describe("CORS_ORIGINS=*", () => {
  it("lets every page in, and no page's cookies", async () => {
    const gateway = await start({ CORS_ORIGINS: "*" })
    for (const origin of [APP, OTHER, "null"]) {
      const response = await preflight(gateway, "/infer", origin, "x-api-key")
      assert.strictEqual(response.status, 204)
      assert.strictEqual(response.headers.get("access-control-allow-origin"), "*")
      assert.isNull(response.headers.get("access-control-allow-credentials"))
      const answer = await gateway.infer("none", {}, { headers: { origin } })
      assert.strictEqual(answer.status, 401)
      assert.strictEqual(answer.headers.get("access-control-allow-origin"), "*")
    }
    assert.deepStrictEqual(
      corsHeaders(await fetch(`${gateway.url}/metrics`, { headers: { origin: OTHER } })),
      [],
    )
    await gateway.stop()
  })
})

describe("without CORS_ORIGINS", () => {
  it("no page of another origin is let in", async () => {
    const gateway = await start({})
    const asked = await preflight(gateway, "/infer", APP, "x-api-key")
    assert.strictEqual(asked.status, 405)
    const answer = await gateway.infer("none", {}, { headers: { origin: APP } })
    for (const response of [asked, answer]) {
      assert.deepStrictEqual(corsHeaders(response), [])
      assert.isNull(response.headers.get("vary"))
    }
    await gateway.stop()
  })
})
