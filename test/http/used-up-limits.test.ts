import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { type Good, ok } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"

/** What an answer says of a limit that is used up: the next request goes to another candidate, if there is one. */

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
  both: { candidates: [p0/m, p1/m], exploration: 0, weights: { latency: 0, cost: 1 } }
limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000 }`,
    ),
  })
  key = (await gateway.createKey()).key
})

afterAll(async () => {
  await gateway?.stop()
  await a?.stop()
  await b?.stop()
})

beforeEach(async () => {
  a.reset()
  b.reset()
  for (const name of ["p0", "p1"]) await gateway.admin(`/admin/providers/${name}/reset`, { method: "POST" })
  // What is known of them, so that neither is on probation.
  for (let i = 0; i < 3; i++) for (const model of ["p0/m", "p1/m"]) await ask({ model })
  a.reset()
  b.reset()
})

const ask = async (more: object = {}) => {
  const response = await gateway.infer(key, { prompt: "Hi", model: "both", ...more })
  assert.strictEqual(response.status, 200)
  return response
}

const usedUp = (reset: string, more: Good = {}) =>
  ok({ ...more, headers: { "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": reset } })

describe("a limit that is used up", () => {
  it("sends the next request to another candidate, and opens no circuit", async () => {
    a.respond(usedUp("1m0s"))
    await ask()
    const next = (await (await ask({ explain: true })).json()) as {
      decision: { candidates: Array<{ provider: string; tier: string; availability: number }> }
    }
    assert.deepStrictEqual([a.count, b.count], [1, 1])
    const [first, second] = next.decision.candidates
    assert.deepInclude(first, { provider: "p1", tier: "healthy" })
    assert.deepInclude(second, { provider: "p0", tier: "degraded", availability: 1 })
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text()
    assert.match(metrics, /^gateway_breaker_open\{[^}]*provider="p0"[^}]*\} 0$/m)
  })

  it("is heeded while the stream still runs whose head told of it", async () => {
    a.respond(usedUp("1m0s", { text: "one two three four", msBetween: 300 }))
    const reader = (await ask({ stream: true })).body?.getReader()
    await reader?.read()
    await ask()
    assert.deepStrictEqual([a.count, b.count], [1, 1])
    assert.strictEqual(a.calls[0]?.outcome, "pending")
    await reader?.cancel()
  })

  it("keeps no request from a candidate that is the only one", async () => {
    a.respond(usedUp("1m0s"))
    for (let i = 0; i < 3; i++) await ask({ model: "p0/m" })
    assert.strictEqual(a.count, 3)
  })

  it.each(["50ms", "0s", "soon"])("for %s changes nothing", async (reset) => {
    a.respond(usedUp(reset))
    await ask()
    await ask()
    assert.deepStrictEqual([a.count, b.count], [2, 0])
  })
})
