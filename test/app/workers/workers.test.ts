import { createServer } from "node:net"
import { setTimeout } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { freshPostgresUrl } from "../../support/Databases.ts"
import { FakeUpstream } from "../../support/FakeUpstream.ts"
import { ok } from "../../support/fake-upstream-behaviours.ts"
import { providersYaml } from "../../support/gateway-environment.ts"
import { childrenOf, eventually, metric } from "../../support/process-watch.ts"
import { Replica } from "../../support/Replica.ts"
import { StreamClient } from "../../support/StreamClient.ts"
import { endOf } from "../../support/StreamHistory.ts"
import { scaled } from "../../support/slowness.ts"

const WORKERS = 2

const configOf = (upstream: FakeUpstream) => providersYaml([upstream], "timeouts: { drain_ms: 8000 }")

const bodyOf = (prompt: string, stream = false) => JSON.stringify({ model: "auto", prompt, stream })

const world = async (databaseUrl: string) => {
  const upstream = await FakeUpstream.start()
  const gateway = await Replica.start({
    databaseUrl,
    config: configOf(upstream),
    env: { WORKERS: String(WORKERS) },
  })
  await gateway.ready()
  await eventually(() => childrenOf(gateway.pid).length === WORKERS, 20_000)
  return {
    upstream,
    gateway,
    /** On a connection of its own, and so to the next worker in turn. */
    ask: async (key: string, prompt: string, headers: Readonly<Record<string, string>> = {}) => {
      const client = new StreamClient({
        url: gateway.url,
        path: "/infer",
        key,
        body: bodyOf(prompt),
        headers,
      })
      await client.ended
      return client
    },
    [Symbol.asyncDispose]: async () => {
      await gateway.stop()
      await gateway.remove()
      await upstream.stop()
    },
  }
}

const databases = [
  { name: "PostgreSQL", make: () => Effect.runPromise(freshPostgresUrl).then(Redacted.value) },
  // An empty value is unset.
  { name: "the embedded database", make: async () => "" },
]

describe.each(databases)("workers on $name", { timeout: scaled(120_000) }, ({ make }) => {
  it("are one gateway: one answer for a key sent twice, one limit, one sum of metrics", async () => {
    await using it = await world(await make())
    const { ask, gateway, upstream } = it
    const { key } = await gateway.createKey()
    upstream.respond(ok({ delayMs: 300 }))

    const again = await Promise.all(
      Array.from({ length: 2 * WORKERS }, () => ask(key, "once", { "idempotency-key": "k" })),
    )
    assert.deepStrictEqual(
      again.map(({ status }) => status),
      again.map(() => 200),
    )
    assert.strictEqual(new Set(again.map(({ requestId }) => requestId)).size, 1)
    assert.strictEqual(upstream.count, 1)

    upstream.respond(ok())
    const created = await gateway.admin("/admin/keys", {
      method: "POST",
      body: JSON.stringify({ name: "limited", rpm: 60 }),
    })
    const limited = (await created.json()) as { key: string }
    const before = upstream.count
    const startedAt = performance.now()
    const asked = await Promise.all(Array.from({ length: 200 }, (_, i) => ask(limited.key, `limited ${i}`)))
    const seconds = (performance.now() - startedAt) / 1000
    const admitted = asked.filter(({ status }) => status === 200).length
    assert.strictEqual(upstream.count - before, admitted)
    assert.isAtLeast(admitted, 57)
    // What comes back in the meantime, and the slack that docs/limits.md states.
    assert.isAtMost(admitted, (60 + seconds) * 1.05 + 1)

    const answered = 'gateway_requests_total{endpoint="/infer",outcome="2xx"}'
    assert.strictEqual(await metric(gateway.url, answered), again.length + admitted)
  })

  it("outlive each other: who is killed is replaced, and what it counted stays", async () => {
    await using it = await world(await make())
    const { ask, gateway } = it
    const { key } = await gateway.createKey()
    for (let i = 0; i < 2 * WORKERS; i++) assert.strictEqual((await ask(key, `${i}`)).status, 200)
    const answered = 'gateway_requests_total{endpoint="/infer",outcome="2xx"}'
    assert.strictEqual(await metric(gateway.url, answered), 2 * WORKERS)

    const [first = 0, ...others] = childrenOf(gateway.pid)
    process.kill(first, "SIGKILL")
    await eventually(() => {
      const now = childrenOf(gateway.pid)
      return now.length === WORKERS && !now.includes(first) && others.every((pid) => now.includes(pid))
    }, 20_000)
    for (let i = 0; i < 2 * WORKERS; i++) {
      assert.strictEqual((await ask(key, `again ${i}`)).status, 200, gateway.stderr)
    }
    await eventually(async () => (await metric(gateway.url, answered)) === 4 * WORKERS)
    const rows = await gateway.admin("/analytics/requests")
    assert.isTrue(rows.ok)
    await eventually(async () => {
      const response = await gateway.admin("/analytics/usage-by-key")
      const { data } = (await response.json()) as { data: ReadonlyArray<{ requests: number }> }
      return data[0]?.requests === 4 * WORKERS
    })
  })

  it("leave new connections to each other when one alone is told to stop, and are as many again", async () => {
    await using it = await world(await make())
    const { ask, gateway, upstream } = it
    const { key } = await gateway.createKey("many", { rpm: 1_000_000 })
    upstream.respond(ok({ text: "one two three four five six seven eight nine ten", msBetween: 500 }))
    const streams = Array.from(
      { length: 2 * WORKERS },
      (_, i) =>
        new StreamClient({ url: gateway.url, path: "/infer", key, body: bodyOf(`stream ${i}`, true) }),
    )
    await Promise.all(streams.map((stream) => stream.until(({ bytes }) => bytes > 0, 10_000)))
    upstream.respond(ok())
    const [first = 0] = childrenOf(gateway.pid)
    process.kill(first, "SIGTERM")

    const seen: Array<number | string> = []
    const askUntilItEnds = async (client: number) => {
      while (childrenOf(gateway.pid).includes(first)) {
        const asked = ask(key, `client ${client}`).then(({ status }) => status)
        seen.push(await Promise.race([asked, setTimeout(scaled(5_000), "hangs")]))
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, client) => askUntilItEnds(client)))
    assert.isAbove(seen.length, 100)
    assert.deepStrictEqual(
      seen.filter((status) => status !== 200),
      [],
    )
    for (const stream of streams) {
      assert.strictEqual(await stream.ended, "end")
      assert.strictEqual(endOf(stream.text), "done")
    }

    await eventually(() => childrenOf(gateway.pid).length === WORKERS, 20_000)
    for (let i = 0; i < 4 * WORKERS; i++) assert.strictEqual((await ask(key, `again ${i}`)).status, 200)
    assert.strictEqual(upstream.count, streams.length + seen.length + 4 * WORKERS)
  })

  it("end what they have begun when they are told to stop, and end well", async () => {
    await using it = await world(await make())
    const { gateway, upstream } = it
    const { key } = await gateway.createKey()
    upstream.respond(ok({ text: "one two three four five six seven eight nine ten", msBetween: 150 }))
    const streams = Array.from(
      { length: 2 * WORKERS },
      (_, i) =>
        new StreamClient({ url: gateway.url, path: "/infer", key, body: bodyOf(`stream ${i}`, true) }),
    )
    await Promise.all(streams.map((stream) => stream.until(({ bytes }) => bytes > 0, 10_000)))
    const pids = childrenOf(gateway.pid)
    assert.strictEqual(await gateway.stop(), 0)
    for (const stream of streams) {
      assert.strictEqual(await stream.ended, "end")
      assert.strictEqual(endOf(stream.text), "done")
    }
    assert.deepStrictEqual(
      pids.filter((pid) => childrenOf(gateway.pid).includes(pid)),
      [],
    )
  })
})

describe("workers that cannot start", () => {
  it("end their gateway with the one reason, said once", { timeout: scaled(60_000) }, async () => {
    const upstream = await FakeUpstream.start()
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve))
    const address = taken.address()
    const port = typeof address === "object" && address !== null ? String(address.port) : ""
    const gateway = await Replica.make({
      databaseUrl: "",
      config: configOf(upstream),
      env: { WORKERS: "2", PORT: port },
    })
    try {
      await gateway.start().catch(() => {})
      for (let waited = 0; gateway.alive && waited < scaled(20_000); waited += 50) await setTimeout(50)
      assert.strictEqual(await gateway.ended, 1)
      assert.strictEqual(gateway.stderr.match(/The port cannot be opened/g)?.length, 1, gateway.stderr)
    } finally {
      await gateway.remove()
      await upstream.stop()
      await new Promise((resolve) => taken.close(resolve))
    }
  })
})
