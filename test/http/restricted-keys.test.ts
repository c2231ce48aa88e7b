import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** A key that is for some models only, beside one for everything. */

let upstream: FakeUpstream
let gateway: GatewayInProcess
let restricted: string
let free: string

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  const price =
    "price: { input_usd_per_1m: 1, output_usd_per_1m: 2, service_tiers: { flex: 0.5 }, source: test, as_of: 2026-11-01 }"
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    env: { OPENAI_API_KEY: "sk-of-a-test-that-everybody-knows" },
    config: `providers:
  - { name: p, kind: openai-compatible, base_url: "${upstream.openAiBaseUrl}", models: [{ name: m, ${price} }, { name: dear }] }
  - { name: openai, kind: openai, base_url: "${upstream.openAiBaseUrl}" }
prices:
  - { provider: openai, model: gpt-5.6-terra, input_usd_per_1m: 7, output_usd_per_1m: 7, source: contract, as_of: 2026-11-01 }
`,
  })
  free = (await gateway.createKey()).key
  restricted = (await gateway.createKey({ models: ["p/m"] })).key
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.stop()
})

beforeEach(() => upstream.reset())

const ask = async (key: string, path: string, fields: object) => {
  const response = await fetch(`${gateway.url}${path}`, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json" },
    body: JSON.stringify({ model: "p/m", messages: [{ role: "user", content: "Hi" }], ...fields }),
  })
  return {
    code: response.status,
    body: JSON.parse(await response.text()) as { error?: Record<string, unknown> },
  }
}

describe("a field that may choose another model", () => {
  it.each([
    ["models", { models: ["p/dear"] }],
    ["fallbacks", { fallbacks: [{ model: "p/dear" }] }],
    ["api_base", { api_base: "https://attacker.example" }],
    ["route", { route: "fallback" }],
    ["extra_body.models", { extra_body: { models: ["p/dear"] } }],
    ["litellm_params", { litellm_params: {} }],
    ["fallback_models", { fallback_models: ["p/dear"] }],
    ["tensorzero::variant_name", { "tensorzero::variant_name": "dear" }],
    [
      "data_sources",
      { data_sources: [{ type: "azure_search", parameters: { endpoint: "https://attacker.example" } }] },
    ],
    ["Model", { Model: "dear" }],
    ["extra_body.model", { extra_body: { model: "dear" } }],
  ])("%s is refused by its name, and passes for a key that may use everything", async (param, fields) => {
    const { code, body } = await ask(restricted, "/v1/chat/completions", fields)
    assert.strictEqual(code, 403)
    assert.deepInclude(body.error, { code: "model_not_allowed", param })
    assert.strictEqual(upstream.count, 0)
    assert.strictEqual((await ask(free, "/v1/chat/completions", fields)).code, 200)
    assert.deepInclude(upstream.calls[0]?.json, fields)
  })

  it("is one of Responses too, which OpenAI and what stands in its place gets as it came", async () => {
    for (const [param, fields] of [
      ["models", { models: ["p/dear"] }],
      ["api_base", { api_base: "https://attacker.example" }],
    ] as const) {
      const { body, code } = await ask(restricted, "/v1/responses", {
        messages: undefined,
        input: "x",
        ...fields,
      })
      assert.strictEqual(code, 403)
      assert.deepInclude(body.error, { code: "model_not_allowed", param })
    }
    assert.strictEqual(
      (await ask(restricted, "/v1/responses", { messages: undefined, input: "x" })).code,
      200,
    )
  })

  it("is one of Messages too, and of tools that call a server or another model", async () => {
    const server = { type: "url", url: "https://attacker.example", name: "x", authorization_token: "t" }
    for (const [path, param, fields] of [
      ["/v1/messages", "mcp_servers", { max_tokens: 1, mcp_servers: [server] }],
      [
        "/v1/messages",
        "tools[0].model",
        { max_tokens: 1, tools: [{ type: "advisor_20260301", name: "advisor", model: "dear" }] },
      ],
      [
        "/v1/chat/completions",
        "tools[0].parameters.model",
        { tools: [{ type: "openrouter:subagent", parameters: { model: "dear" } }] },
      ],
      [
        "/v1/responses",
        "tools[0].parameters.judge_model",
        {
          messages: undefined,
          input: "x",
          tools: [{ type: "openrouter:fusion", parameters: { judge_model: "dear" } }],
        },
      ],
      [
        "/v1/responses",
        "tools[0].server_url",
        {
          messages: undefined,
          input: "x",
          tools: [{ type: "mcp", server_label: "x", server_url: "https://attacker.example" }],
        },
      ],
    ] as const) {
      const { body, code } = await ask(restricted, path, fields)
      assert.strictEqual(code, 403)
      assert.include(JSON.stringify(body.error), param)
    }
    assert.strictEqual(upstream.count, 0)
  })

  it("is one of embeddings too", async () => {
    const { code } = await ask(restricted, "/v1/embeddings", {
      messages: undefined,
      input: "x",
      models: ["y"],
    })
    assert.strictEqual(code, 403)
  })
})

describe("a service tier", () => {
  it("that has a price is served, any other only to a key that may use everything", async () => {
    const tier = (key: string, service_tier: string) => ask(key, "/v1/chat/completions", { service_tier })
    for (const usual of ["flex", "auto", "default"])
      assert.strictEqual((await tier(restricted, usual)).code, 200)
    const { code, body } = await tier(restricted, "priority")
    assert.strictEqual(code, 400)
    assert.deepInclude(body.error, { param: "service_tier" })
    assert.strictEqual((await tier(free, "priority")).code, 200)
  })

  it("has no price where the file restates one without it", async () => {
    const { key } = await gateway.createKey({ models: ["openai/gpt-5.6-terra"] })
    const tier = (of: string, service_tier: string) =>
      ask(of, "/v1/chat/completions", { model: "openai/gpt-5.6-terra", service_tier })
    assert.strictEqual((await tier(key, "priority")).code, 400)
    assert.strictEqual((await tier(key, "default")).code, 200)
    assert.strictEqual((await tier(free, "priority")).code, 200)
  })

  it("is asked for by Claude's speed too", async () => {
    const { code, body } = await ask(restricted, "/v1/messages", { max_tokens: 1, speed: "fast" })
    assert.strictEqual(code, 400)
    assert.include(JSON.stringify(body.error), "speed")
    assert.strictEqual((await ask(free, "/v1/messages", { max_tokens: 1, speed: "fast" })).code, 200)
  })
})
