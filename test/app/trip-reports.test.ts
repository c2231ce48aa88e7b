import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { freshPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure } from "../support/fake-upstream-behaviours.ts"
import { eventually, metric } from "../support/process-watch.ts"
import { Replica } from "../support/Replica.ts"
import { scaled } from "../support/slowness.ts"

const OPEN = 'gateway_breaker_open{provider="p0",model="m"}'

describe("replicas on one PostgreSQL", { timeout: scaled(60_000) }, () => {
  it("pay for an outage once: who was not hit knows of it within a second", async () => {
    const upstreams = await Promise.all([FakeUpstream.start(), FakeUpstream.start()])
    const [p0] = upstreams
    const config = `
providers:
${upstreams
  .map(
    ({ openAiBaseUrl }, i) => `  - name: p${i}
    kind: openai-compatible
    base_url: ${openAiBaseUrl}
    models:
      - name: m
        price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: test, as_of: 2026-11-01 }`,
  )
  .join("\n")}
routes: { auto: { candidates: [p0/m, p1/m], strategy: priority } }
`
    const databaseUrl = await Effect.runPromise(freshPostgresUrl).then(Redacted.value)
    const replicas = await Promise.all([
      Replica.start({ databaseUrl, config }),
      Replica.start({ databaseUrl, config }),
    ])
    try {
      const [one, other] = replicas
      await Promise.all(replicas.map((replica) => replica.ready()))
      const { key } = await one.createKey()
      const ask = async (replica: Replica) => {
        const response = await replica.infer(key, { prompt: "hello" })
        assert.strictEqual(response.status, 200)
        const { provider, attempts } = (await response.json()) as { provider: string; attempts: number }
        return { provider, attempts }
      }
      assert.deepStrictEqual(await ask(one), { provider: "p0", attempts: 1 })
      assert.deepStrictEqual(await ask(other), { provider: "p0", attempts: 1 })

      p0.respond(failure("serverError"))
      await eventually(async () => {
        assert.strictEqual((await ask(one)).provider, "p1")
        return (await metric(one.url, OPEN)) === 1
      }, 10_000)
      const trippedAt = performance.now()
      await eventually(async () => (await metric(other.url, OPEN)) === 1, 1_000, 5)
      assert.isBelow(performance.now() - trippedAt, scaled(1_000))
      const calls = p0.count
      assert.deepStrictEqual(await ask(other), { provider: "p1", attempts: 1 })
      assert.strictEqual(p0.count, calls)
    } finally {
      await Promise.all(replicas.map((replica) => replica.remove()))
      await Promise.all(upstreams.map((upstream) => upstream.stop()))
    }
  })
})
