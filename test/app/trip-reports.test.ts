import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { freshPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure } from "../support/fake-upstream-behaviours.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { query } from "../support/postgres-signals.ts"
import { childrenOf, eventually, metric } from "../support/process-watch.ts"
import { Replica } from "../support/Replica.ts"
import { StreamClient } from "../support/StreamClient.ts"
import { scaled } from "../support/slowness.ts"

const OPEN = 'gateway_breaker_open{provider="p0",model="m"}'

const configOf = (upstreams: ReadonlyArray<FakeUpstream>) =>
  providersYaml(upstreams, "routes: { auto: { candidates: [p0/m, p1/m], strategy: priority } }")

describe("replicas on one PostgreSQL", { timeout: scaled(60_000) }, () => {
  it("pay for an outage once: who was not hit knows of it within a second", async () => {
    const upstreams = await Promise.all([FakeUpstream.start(), FakeUpstream.start()])
    const [p0] = upstreams
    const config = configOf(upstreams)
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

      // Of other versions, or of nobody: what is not understood ends nothing.
      const news = { from: "x", key: "p0/m", forMs: 60_000, failingForMs: 0, why: "overloaded" }
      for (const report of [{ ...news, trip: "eclipse" }, { ...news, trip: "cooldown", why: "mood" }, 7]) {
        await query(databaseUrl, `SELECT pg_notify('gateway_trips', '${JSON.stringify(report)}')`)
      }
      assert.deepStrictEqual(await ask(other), { provider: "p0", attempts: 1 })

      // At once and for how long, so that neither needs many requests, nor a probe comes between on a slow machine.
      p0.respond(failure("rateLimited", { "retry-after": "300" }))
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

describe("workers of one machine", { timeout: scaled(60_000) }, () => {
  it("hear of each other's trips, and of an operator who ends them", async () => {
    const upstreams = await Promise.all([FakeUpstream.start(), FakeUpstream.start()])
    const [p0] = upstreams
    const gateway = await Replica.start({
      // An empty value is unset: the embedded database, which tells nobody of anything.
      databaseUrl: "",
      config: configOf(upstreams),
      env: { WORKERS: "2" },
    })
    try {
      await gateway.ready()
      await eventually(() => childrenOf(gateway.pid).length === 2, 20_000)
      const { key } = await gateway.createKey()
      /** On a connection of its own, and so of the next worker in turn. */
      const ask = async () => {
        const body = { prompt: "hello" }
        const client = new StreamClient({ url: gateway.url, path: "/infer", key, body })
        await client.ended
        assert.strictEqual(client.status, 200, client.text)
        return (JSON.parse(client.text) as { attempts: number }).attempts
      }
      // At once and for how long, so that neither needs many requests, nor a probe comes between on a slow machine.
      p0.respond(failure("rateLimited", { "retry-after": "300" }))
      // Whichever worker trips, the sum has the worst of them.
      await eventually(async () => {
        await ask()
        return (await metric(gateway.url, OPEN)) === 1
      }, 10_000)
      const calls = p0.count
      assert.deepStrictEqual([await ask(), await ask(), await ask(), await ask()], [1, 1, 1, 1])
      assert.strictEqual(p0.count, calls)

      const reset = await gateway.admin("/admin/providers/p0/reset", { method: "POST" })
      assert.strictEqual(reset.status, 200)
      await eventually(async () => (await metric(gateway.url, OPEN)) === 0, 1_000)
    } finally {
      await gateway.stop()
      await gateway.remove()
      await Promise.all(upstreams.map((upstream) => upstream.stop()))
    }
  })
})
