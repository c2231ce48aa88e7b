import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok, status } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"

/** An account that is out of credit, or whose key is not taken: one call finds out, for all models of the provider. */

let troubled: FakeUpstream
let spare: FakeUpstream
let gateway: GatewayInProcess
let key: string

beforeAll(async () => {
  troubled = await FakeUpstream.start()
  spare = await FakeUpstream.start()
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: providersYaml(
      [spare],
      `
  - name: account
    kind: openai-compatible
    base_url: ${troubled.openAiBaseUrl}
    models:
      - { name: small, price: { input_usd_per_1m: 0.1, output_usd_per_1m: 0.1, source: test, as_of: 2026-11-01 } }
      - { name: large, price: { input_usd_per_1m: 0.2, output_usd_per_1m: 0.2, source: test, as_of: 2026-11-01 } }
routes:
  small: { candidates: [account/small, p0/m], strategy: priority }
  large: { candidates: [account/large, p0/m], strategy: priority }
  account: { candidates: [account/small, account/large], strategy: priority }
limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000 }`,
    ),
  })
  key = (await gateway.createKey()).key
})

afterAll(async () => {
  await gateway?.stop()
  await troubled?.stop()
  await spare?.stop()
})

const reset = () => gateway.admin("/admin/providers/account/reset", { method: "POST" })

beforeEach(async () => {
  await reset()
  for (const upstream of [troubled, spare]) {
    upstream.reset()
    upstream.respond(ok({ text: "well" }))
  }
})

const ask = async (model: string, expected = 200) =>
  assert.strictEqual((await gateway.infer(key, { prompt: "Hi", model })).status, expected)

interface Listed {
  readonly model: string
  readonly health: { readonly state: string; readonly until: string | null; readonly why: string | null }
  readonly outlook: Readonly<Record<string, number>>
  readonly failures: ReadonlyArray<Readonly<Record<string, unknown>>>
}

const list = async () => {
  const response = await gateway.admin("/admin/models")
  assert.strictEqual(response.status, 200)
  return (await response.json()) as {
    data: ReadonlyArray<Listed>
    off: ReadonlyArray<{ provider: string; why: string }>
  }
}

const healthOf = async () => {
  const { data } = await list()
  return Object.fromEntries(data.map(({ health, model }) => [model, health]))
}

const error = (code: string) => ({ error: { message: "See your plan.", type: code, param: null, code } })

for (const [name, refuses, kind] of [
  ["out of credit", () => status(429, error("insufficient_quota")), "quota_exhausted"],
  ["with a dead key", () => status(401, error("invalid_api_key")), "auth"],
] as const) {
  describe(`an account ${name}`, () => {
    it("is asked once, for all of its models, and shown to operators", async () => {
      troubled.respond(refuses())
      for (let i = 0; i < 5; i++) for (const model of ["small", "large"]) await ask(model)
      assert.deepStrictEqual([troubled.count, spare.count], [1, 10])
      const { large, m, small } = await healthOf()
      for (const health of [large, small]) {
        assert.deepInclude(health, { state: "tripped", why: kind })
        const leftMs = Date.parse(health?.until ?? "") - Date.now()
        assert.isAbove(leftMs, 4 * 60_000)
        assert.isAtMost(leftMs, 5 * 60_000)
      }
      assert.deepStrictEqual(m, { state: "healthy", until: null, why: null })
    })

    it("is asked again after a reset, which concerns all of its models", async () => {
      troubled.respond(refuses())
      await ask("small")
      await reset()
      troubled.respond(ok({ text: "well" }))
      for (const model of ["large", "small"]) await ask(model)
      assert.deepStrictEqual([troubled.count, spare.count], [3, 1])
    })

    it("is asked all the same when nobody else is left, and is back with an answer", async () => {
      troubled.respond(refuses())
      await ask("account", kind === "auth" ? 502 : 503)
      const calls = troubled.count
      assert.isAtMost(calls, 2)
      troubled.respond(ok({ text: "well" }))
      for (let i = 0; i < 5; i++) await ask("account")
      assert.strictEqual(troubled.count, calls + 5)
    })
  })
}

describe("the list of models", () => {
  it("shows the latest failures of a model, which request met them, and what is expected of it now", async () => {
    const listed = async () => (await list()).data.find(({ model }) => model === "small")
    const { availability: before = 0, ...others } = (await listed())?.outlook ?? {}
    assert.deepInclude(others, { in_flight: 0, input_tokens: 1_000 })
    assert.isAbove(others.predicted_ms ?? 0, 0)
    assert.deepStrictEqual((await listed())?.failures, [])
    troubled.respond(status(500, error("server_error")))
    const asked: Array<string | null> = []
    for (let i = 0; i < 7; i++) {
      const response = await gateway.infer(key, { prompt: "Hi", model: "small" })
      asked.unshift(response.headers.get("x-request-id"))
    }
    // What is the client's own fault says nothing of the model.
    troubled.respond(status(400, error("invalid_value")))
    await gateway.infer(key, { prompt: "Hi", model: "small" })
    const { failures = [], outlook } = (await listed()) ?? {}
    assert.isNotEmpty(failures)
    for (const { at, kind, request_id, status } of failures) {
      assert.include(asked, request_id)
      assert.strictEqual(kind, "server_error")
      assert.strictEqual(status, 500)
      assert.isAtMost(Math.abs(Date.parse(String(at)) - Date.now()), 60_000)
    }
    assert.isBelow(outlook?.availability ?? 1, before)
    await reset()
    assert.deepStrictEqual((await listed())?.failures, [])
  })

  it("says which providers are off, and why", async () => {
    const { off } = await list()
    assert.deepInclude(
      off.find(({ provider }) => provider === "gemini"),
      { why: "GEMINI_API_KEY is not set" },
    )
  })
})

describe("a model that the account may not use", () => {
  it("rests alone", async () => {
    troubled.respond(status(404, error("model_not_found")))
    await ask("small")
    troubled.respond(ok({ text: "well" }))
    await ask("small")
    await ask("large")
    assert.deepStrictEqual([troubled.count, spare.count], [2, 2])
    const { large, small } = await healthOf()
    assert.strictEqual(large?.state, "healthy")
    assert.deepInclude(small, { state: "tripped", why: "model_not_found" })
  })
})
