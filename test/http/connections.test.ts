import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok } from "../support/fake-upstream-behaviours.ts"
import { endless } from "../support/fake-upstream-streams.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { eventually } from "../support/process-watch.ts"
import { RawHttp } from "../support/RawHttp.ts"
import { scaled } from "../support/slowness.ts"

/** Clients that go, and clients that stay and do not read. */

let upstream: FakeUpstream
let gateway: GatewayInProcess
let key: string

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: providersYaml(
      [upstream],
      `limits: { requests_per_minute: 100000, max_in_flight: 20 }
timeouts: { client_stall_ms: 1000 }`,
    ),
  })
  key = (await gateway.createKey()).key
  // The first use of a key hashes it, which takes a while.
  assert.strictEqual((await gateway.infer(key, { model: "p0/m", prompt: "warm" })).status, 200)
})
afterAll(async () => {
  await gateway?.stop()
  await upstream?.stop()
})
beforeEach(() => upstream.reset())

const request = (path: string, stream: boolean, apiKey: string, headers = "") => {
  const body = JSON.stringify({ model: "p0/m", messages: [{ role: "user", content: "Hi" }], stream })
  return `POST ${path} HTTP/1.1\r\nHost: gateway\r\nX-API-Key: ${apiKey}\r\nContent-Type: application/json\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`
}

const send = async (path: string, stream: boolean, headers?: string) => {
  const client = await RawHttp.connect(gateway.url)
  client.send(request(path, stream, key, headers))
  await upstream.until(({ count }) => count === 1)
  return client
}

const metric = async (name: string, of = gateway): Promise<number> => {
  const text = await (await fetch(`${of.url}/metrics`)).text()
  return Number(new RegExp(`^${name}.* (\\S+)$`, "m").exec(text)?.[1] ?? 0)
}

const routes = [
  ["/infer", false],
  ["/infer", true],
  ["/v1/chat/completions", false],
  ["/v1/chat/completions", true],
] as const

describe.each(routes)("%s, stream: %s", (path, stream) => {
  it("gives up for a client that is gone, within a second", async () => {
    upstream.respond(ok({ delayMs: 30_000 }))
    const client = await send(path, stream)
    client.socket.destroy()
    await upstream.until(({ calls }) => calls[0]?.outcome === "lost", 1_000)
  })
})

describe("a client that goes with several requests under way", () => {
  it("is noticed by the one that is being answered", async () => {
    upstream.respond(ok({ delayMs: 30_000 }))
    const client = await send("/infer", true)
    client.send(request("/infer", true, key))
    await upstream.until(({ count }) => count === 2)
    client.socket.destroy()
    await upstream.until(({ calls }) => calls.every(({ outcome }) => outcome === "lost"), 1_000)
  })
})

describe.each([
  ["plain", "/infer", ""],
  ["that waits to be told to go on", "/infer", "Expect: 100-continue\r\n"],
  ["that offers another protocol", "/infer", "Connection: Upgrade\r\nUpgrade: h2c\r\n"],
  ["to a proxy", "http://gateway/infer", ""],
])("a request %s", (_, target, headers) => {
  it("is counted once, may take longer than a client may stall, and keeps its connection", async () => {
    const counted = `gateway_requests_total{endpoint="/infer",outcome="2xx"}`
    const before = await metric(RegExp.escape(counted))
    upstream.respond(ok({ delayMs: 2_200 }))
    const client = await send(target, false, headers)
    await client.until(({ statuses }) => statuses.length === 1, 5_000)
    upstream.respond(ok())
    client.send(request(target, false, key, headers))
    await client.until(({ statuses }) => statuses.length === 2)
    assert.deepStrictEqual(client.statuses, [200, 200])
    assert.strictEqual(await metric(RegExp.escape(counted)), before + 2)
    client.socket.destroy()
  })
})

describe("a client that takes nothing of its answer", () => {
  /** 7 MB on the wire: more than all the buffers between the gateway and a client that does not read. */
  const large = (stream: boolean) => "x".repeat(stream ? 120_000 : 7_000_000)

  it.each([false, true])("is cut off and gives its slot back (stream: %s)", async (stream) => {
    upstream.respond(ok({ text: large(stream) }))
    const client = await send("/v1/chat/completions", stream)
    client.socket.pause()
    const startedAt = performance.now()
    while ((await metric("gateway_in_flight_requests")) > 0) {
      assert.isBelow(performance.now() - startedAt, scaled(8_000), "its slot is still taken")
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    client.socket.destroy()
  })

  it("does not hold up another that reads the same stream", async () => {
    upstream.respond(ok({ text: large(true), firstMs: 200 }))
    const keyed = `Idempotency-Key: shared\r\n`
    const stalled = await send("/v1/chat/completions", true, keyed)
    stalled.socket.pause()
    const reading = await RawHttp.connect(gateway.url)
    reading.send(request("/v1/chat/completions", true, key, keyed))
    await reading.until(({ received }) => received.endsWith("\r\n0\r\n\r\n"), 20_000)
    assert.include(reading.received.slice(-200), "data: [DONE]")
    assert.strictEqual(upstream.count, 1)
    stalled.socket.destroy()
    reading.socket.destroy()
  })
})

describe("clients that take nothing of large answers", () => {
  const ROOM = 16_000_000
  const ANSWER = 7_000_000
  const CLIENTS = 12

  it.each([
    ["have", false],
    ["that come whole though a stream was asked for, have", true],
  ])(
    "%s the gateway hold no more than there is room for, hold up no other key, and get all of them",
    async (_, stream) => {
      const roomy = await GatewayInProcess.start({
        databaseUrl: await Effect.runPromise(migratedPostgresUrl),
        config: providersYaml(
          [upstream],
          `limits: { max_body_bytes_in_flight: ${ROOM} }\ntimeouts: { first_token_ms: ${scaled(3000)} }`,
        ),
      })
      const [{ key }, { key: other }] = [await roomy.createKey(), await roomy.createKey({ name: "other" })]
      upstream.respond((exchange) =>
        ok({ text: "x".repeat(ANSWER) })({ ...exchange, asked: { ...exchange.asked, operation: "chat" } }),
      )
      const held = () => metric("gateway_in_flight_answer_bytes", roomy)
      const clients = await Promise.all(
        Array.from({ length: CLIENTS }, async () => {
          const client = await RawHttp.connect(roomy.url)
          client.send(request("/v1/chat/completions", stream, key))
          client.socket.pause()
          return client
        }),
      )
      await upstream.until(({ count }) => count === CLIENTS)
      let most = 0
      // Of a stream for longer than its first token may take.
      for (let i = 0; i < (stream ? 40 : 20); i++) {
        await new Promise((resolve) => setTimeout(resolve, scaled(100)))
        most = Math.max(most, await held())
      }
      // One answer beyond, and a chunk of each.
      assert.isAbove(most, ANSWER)
      assert.isAtMost(most, ROOM + ANSWER + CLIENTS * 262_144)

      // That answers have to wait is nothing of the provider's.
      const models = await (await roomy.admin("/admin/models")).text()
      assert.include(models, '"healthy"')
      assert.notInclude(models, '"silent"')

      const answer = await roomy.infer(other, { model: "p0/m", prompt: "Hi" })
      assert.strictEqual(answer.status, 200)
      assert.isAbove((await answer.text()).length, ANSWER)

      for (const client of clients) client.socket.resume()
      for (const client of clients) {
        await client.until(
          ({ received }) => received.length > ANSWER && received.endsWith(stream ? "0\r\n\r\n" : "}"),
          20_000,
        )
        assert.include(client.received.slice(0, 20), " 200 ")
        client.socket.destroy()
      }
      while ((await held()) > 0) await new Promise((resolve) => setTimeout(resolve, 50))
      await roomy.stop()
    },
  )
})

describe("many clients that read large answers slowly", () => {
  const ROOM = 100_000_000
  /** More than a kernel takes for a client that does not read. */
  const ANSWER = 9_000_000
  const CLIENTS = 20

  it("are served side by side as far as there is room, though not all of their answers fit", async () => {
    const roomy = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      config: providersYaml(
        [upstream],
        `limits: { max_body_bytes_in_flight: ${ROOM} }\ntimeouts: { client_stall_ms: 600000 }`,
      ),
    })
    const { key } = await roomy.createKey()
    upstream.respond(ok({ text: "x".repeat(ANSWER) }))
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        const client = await RawHttp.connect(roomy.url)
        client.send(request("/v1/chat/completions", false, key))
        client.socket.once("data", () => client.socket.pause())
        return client
      }),
    )
    const begun = () => clients.filter(({ received }) => received.length > 0)
    // A key has three quarters, and half of that for answers that are whole.
    const side = Math.floor((ROOM * 0.75) / 2 / ANSWER)
    await eventually(() => begun().length >= side, 20_000)
    assert.isBelow(begun().length, CLIENTS)
    for (const client of begun()) client.socket.destroy()
    await eventually(() => begun().length >= 2 * side, 20_000)
    for (const client of clients) client.socket.destroy()
    await roomy.stop()
  })
})

describe("a client that reads too slowly", () => {
  it("runs out of time, which is not held against the provider", async () => {
    const patient = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      // Long enough for every stream to fill what is between provider and client.
      config: providersYaml(
        [upstream],
        `timeouts: { stream_ms: ${scaled(14_000)}, client_stall_ms: ${scaled(42_000)} }`,
      ),
    })
    const { key } = await patient.createKey()
    upstream.respond(endless(10_000))
    // As many as would open the circuit.
    const clients = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const client = await RawHttp.connect(patient.url)
        client.send(request("/infer", true, key))
        client.socket.pause()
        return client
      }),
    )
    await new Promise((resolve) => setTimeout(resolve, scaled(14_000)))
    const rows = await patient.ledger(6)
    assert.deepStrictEqual([...new Set(rows.map((row) => row.error_code))], ["client_too_slow"])
    assert.strictEqual(await metric("gateway_breaker_open", patient), 0)
    for (const client of clients) client.socket.destroy()
    await patient.stop()
  })
})
