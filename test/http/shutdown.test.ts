import { Agent, request } from "node:http"
import { setTimeout } from "node:timers/promises"
import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, type Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedDataDir, migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok } from "../support/fake-upstream-behaviours.ts"
import { GatewayProcess } from "../support/GatewayProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { scaled } from "../support/slowness.ts"

/** How a gateway ends, and what keeps a second one out of its place. */

let upstream: FakeUpstream

beforeAll(async () => {
  upstream = await FakeUpstream.start()
})
afterAll(() => upstream?.stop())
beforeEach(() => upstream.reset())

const config = () =>
  providersYaml([upstream], "limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000 }")

const rowsOf = (databaseUrl: Redacted.Redacted, keyId: string) =>
  SqlClient.SqlClient.use(
    (sql) =>
      sql<{ n: number }>`SELECT count(*)::int AS n FROM requests WHERE key_id = ${keyId} AND status = 200`,
  ).pipe(
    Effect.map((rows) => rows[0]?.n),
    Effect.provide(PgClient.layer({ url: databaseUrl, prepare: false }), { local: true }),
    Effect.runPromise,
  )

describe("the end", () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "by %s is announced, then every request in flight is answered and recorded, then the process ends with 0",
    async (signal) => {
      const databaseUrl = await Effect.runPromise(migratedPostgresUrl)
      const gateway = await GatewayProcess.start({ databaseUrl, config: config() })
      const { id, key } = await gateway.createKey()
      upstream.respond(ok({ delayMs: 1000 }))
      const ask = (headers: Record<string, string> = {}) =>
        gateway
          .infer(key, { model: "p0/m", prompt: "Hi" }, { headers })
          .then(async (response) => ({ status: response.status, body: await response.text() }))

      const asked = Array.from({ length: 30 }, (_, i) => ask(i % 3 ? {} : { "idempotency-key": `key-${i}` }))
      await upstream.until(({ count }) => count === 30, 5000)
      const startedAt = performance.now()
      const ended = gateway.stop(signal)

      const readyz = await fetchUntilDraining(gateway.url)
      assert.deepStrictEqual(readyz, { status: 503, body: { status: "draining", reasons: [] } })
      // Balancers need a moment to notice; what they send meanwhile is served like the rest.
      asked.push(ask())

      const answers = await Promise.all(asked)
      assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [200])
      assert.strictEqual(await ended, 0)
      // Keep-alive connections of the clients do not hold it until the grace period is over.
      assert.isBelow(performance.now() - startedAt, scaled(5000))
      assert.strictEqual(await rowsOf(databaseUrl, id), 31)
      assert.isTrue(upstream.calls.every(({ outcome }) => outcome === "answered"))
    },
  )

  it("with nothing in flight ends soon, idle keep-alive connections or not", async () => {
    const gateway = await GatewayProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      config: config(),
    })
    // Leaves its connection open.
    await (await fetch(`${gateway.url}/livez`)).text()
    const startedAt = performance.now()
    assert.strictEqual(await gateway.stop(), 0)
    assert.isBelow(performance.now() - startedAt, scaled(5000))
  })
})

describe("clients that keep their connections", () => {
  const start = async () => {
    const gateway = await GatewayProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      config: config(),
    })
    return { gateway, key: (await gateway.createKey()).key }
  }
  const asking = (url: string, key: string, agent: Agent) =>
    new Promise<{ readonly status: number; readonly last: boolean } | { readonly error: string }>(
      (resolve) => {
        const client = request(`${url}/infer`, {
          method: "POST",
          agent,
          headers: { "x-api-key": key, "content-type": "application/json" },
        })
        client.on("response", (response) => {
          response.resume()
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, last: response.headers.connection === "close" }),
          )
        })
        client.on("error", (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }))
        client.end(JSON.stringify({ model: "p0/m", prompt: "Hi" }))
      },
    )

  it("lose no request, and find the port closed at last", async () => {
    const { gateway, key } = await start()
    const ends = Array.from({ length: 40 }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      for (;;) {
        const answer = await asking(gateway.url, key, agent)
        if ("error" in answer) return answer.error
        assert.strictEqual(answer.status, 200)
        await setTimeout(Math.random() * 40)
      }
    })
    await upstream.until(({ count }) => count > 400, 20_000)
    assert.strictEqual(await gateway.stop(), 0)
    assert.deepStrictEqual([...new Set(await Promise.all(ends))], ["ECONNREFUSED"])
  })

  it("are answered on a connection that was idle when the port was closed", async () => {
    const { gateway, key } = await start()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    await asking(gateway.url, key, agent)
    const ended = gateway.stop()
    for (let closed = false; !closed; await setTimeout(20)) {
      const answer = await asking(gateway.url, key, new Agent())
      closed = "error" in answer
    }
    assert.deepStrictEqual(await asking(gateway.url, key, agent), { status: 200, last: true })
    assert.strictEqual(await ended, 0)
  })
})

describe("a second gateway on one DATA_DIR", () => {
  it("ends with 1 and says why, and the first goes on", () =>
    migratedDataDir.pipe(
      Effect.flatMap((dataDir) => Effect.promise(() => secondOn(dataDir))),
      Effect.scoped,
      Effect.runPromise,
    ))
})

const secondOn = async (dataDir: string) => {
  const env = { DATA_DIR: dataDir }
  const gateway = await GatewayProcess.start({ config: config(), env })
  try {
    const failure = await GatewayProcess.start({ config: config(), env }).then(
      async (second) => {
        await second.stop()
        return "it started"
      },
      (error: Error) => error.message,
    )
    assert.strictEqual(
      failure.trim(),
      `gateway ended with 1: Another gateway is running on DATA_DIR ${dataDir}; stop it or set DATA_DIR.`,
    )
    const { key } = await gateway.createKey()
    assert.strictEqual((await gateway.infer(key, { model: "p0/m", prompt: "Hi" })).status, 200)
  } finally {
    assert.strictEqual(await gateway.stop(), 0)
  }
}

/** The first answer of readyz that is not `ready`. */
async function fetchUntilDraining(url: string) {
  for (let tries = 0; tries < 100; tries++) {
    const response = await fetch(`${url}/readyz`)
    const body = (await response.json()) as Record<string, unknown>
    if (body.status !== "ready") return { status: response.status, body }
  }
  return assert.fail("readyz never left `ready`")
}

describe("a stream in flight at the end", () => {
  it("that fits the grace period is finished; a longer one ends with an error, and both are recorded", async () => {
    const databaseUrl = await Effect.runPromise(migratedPostgresUrl)
    const gateway = await GatewayProcess.start({
      databaseUrl,
      config: `${config()}\ntimeouts: { drain_ms: 2000, keep_alive_ms: 300 }`,
    })
    const { id, key } = await gateway.createKey()
    const ask = (delayMs: number, headers: Record<string, string> = {}) => {
      upstream.enqueue(ok({ text: "one two three", msBetween: delayMs }))
      return gateway.infer(key, { model: "p0/m", prompt: "Hi", stream: true }, { headers })
    }
    // One after the other, so that each gets its own pace.
    const short = await ask(100)
    const long = await ask(60_000)
    const texts = Promise.all([short.text(), long.text()])
    const startedAt = performance.now()
    assert.strictEqual(await gateway.stop(), 0)
    assert.isBelow(performance.now() - startedAt, scaled(5_000))
    const [whole, broken] = await texts
    assert.isTrue(whole.endsWith("data: [DONE]\n\n"), whole)
    assert.include(broken, '"code":"request_aborted"')
    assert.notInclude(broken, "[DONE]")
    assert.strictEqual(await rowsOf(databaseUrl, id), 2)
    await upstream.until(({ calls }) => calls.every(({ outcome }) => outcome !== "pending"))
  })
})
