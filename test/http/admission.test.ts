import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, afterEach, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok } from "../support/fake-upstream-behaviours.ts"
import { endless, streamThenHang } from "../support/fake-upstream-streams.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { eventually } from "../support/process-watch.ts"
import { RawHttp } from "../support/RawHttp.ts"
import { scaled } from "../support/slowness.ts"

/** What one party can take of the room for requests, and what is done for a request before it has a place. */

const GRACE_MS = 1_000
const LARGE = 1_000_000

let upstream: FakeUpstream
let gateway: GatewayInProcess
let greedy: string
let other: string
const clients: Array<RawHttp> = []

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    env: { MAX_BODY_BYTES: String(LARGE) },
    uploadGraceMs: GRACE_MS,
    config: providersYaml(
      [upstream],
      `limits: { requests_per_minute: 100000, max_in_flight: 8, max_streams: 16, max_body_bytes_in_flight: 2000000 }
timeouts: { client_stall_ms: 1000 }`,
    ),
  })
  greedy = (await gateway.createKey()).key
  other = (await gateway.createKey()).key
})
afterAll(async () => {
  await gateway?.stop()
  await upstream?.stop()
})
beforeEach(() => upstream.reset())
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await until("gateway_in_flight_requests", 0)
  await until("gateway_in_flight_body_bytes", 0)
})

const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(`${gateway.url}/metrics`)).text()
  return Number(new RegExp(`^${name}(?:{.*})? (\\S+)$`, "m").exec(text)?.[1] ?? 0)
}

/** Waits for a metric, of which the last rendering may be older than what was done. */
const until = (name: string, value: number) => eventually(async () => (await metric(name)) === value, 10_000)

const bodyOf = (fields: object = {}) =>
  JSON.stringify({ model: "p0/m", messages: [{ role: "user", content: "Hi" }], ...fields })

const head = (key: string, length: number, path = "/v1/chat/completions") =>
  `POST ${path} HTTP/1.1\r\nHost: gateway\r\nX-API-Key: ${key}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`

const send = async (bytes: string): Promise<RawHttp> => {
  const client = await RawHttp.connect(gateway.url)
  clients.push(client)
  client.send(bytes)
  return client
}

/** Sends all, and waits until so many are answered; the others wait. */
const sendMany = async (count: number, answered: number, bytes: string): Promise<ReadonlyArray<number>> => {
  const sent = await Promise.all(Array.from({ length: count }, () => send(bytes)))
  const statuses = () => sent.flatMap((client) => client.statuses)
  await eventually(async () => statuses().length >= answered, 5_000)
  return statuses()
}

const status = async (key: string): Promise<number> => {
  const client = await send(head(key, bodyOf().length) + bodyOf())
  await client.until(({ statuses }) => statuses.length === 1, 5_000)
  return client.statuses[0] ?? 0
}

describe("a key above its rate", () => {
  it("is refused before its body has come, with what it needs to know", async () => {
    const { key } = await gateway.createKey({ rpm: 1 })
    assert.strictEqual(await status(key), 200)
    const client = await send(head(key, LARGE))
    await client.until(({ statuses }) => statuses.length === 1)
    assert.deepStrictEqual(client.statuses, [429])
    assert.match(client.received, /"code":"rate_limited"/)
    assert.match(client.received, /x-ratelimit-limit-requests: 1\r\n/)
    assert.match(client.received, /retry-after: \d+\r\n/)
  })

  it("is so for bodies that cannot be read too", async () => {
    const { key } = await gateway.createKey({ rpm: 1 })
    const statuses = await sendMany(10, 10, `${head(key, 1)}{`)
    assert.deepStrictEqual(statuses.toSorted(), [400, ...Array.from({ length: 9 }, () => 429)])
  })
})

describe("one key that wants every place", () => {
  it("leaves some with bodies that do not come", async () => {
    const statuses = await sendMany(20, 14, head(greedy, LARGE / 10))
    assert.deepStrictEqual([...new Set(statuses)], [429])
    await until("gateway_in_flight_requests", 6)
    assert.strictEqual(await status(other), 200)
  })

  it("leaves some with answers that do not come", async () => {
    upstream.respond(ok({ delayMs: 30_000 }))
    const statuses = await sendMany(20, 14, head(greedy, bodyOf().length, "/infer") + bodyOf())
    assert.deepStrictEqual([...new Set(statuses)], [429])
    upstream.respond(ok())
    assert.strictEqual(await status(other), 200)
    // Whoever came to the provider late is answered after all.
    const refused = clients.find(({ statuses }) => statuses[0] === 429)
    assert.match(refused?.received ?? "", /concurrency_limited/)
  })

  it("leaves some with streams that go on, of which there may be more than of requests", async () => {
    upstream.respond(streamThenHang(2))
    const body = bodyOf({ stream: true })
    for (let i = 0; i < 12; i++) {
      const client = await send(head(greedy, body.length) + body)
      await client.until(({ received }) => received.includes("data: "))
    }
    await until("gateway_in_flight_streams", 12)
    upstream.respond(ok({ delayMs: 30_000 }))
    const statuses = await sendMany(20, 14, head(greedy, bodyOf().length) + bodyOf())
    assert.deepStrictEqual([...new Set(statuses)], [429])
    upstream.respond(ok())
    assert.strictEqual(await status(other), 200)
  })

  it("leaves some of the memory for bodies, whether their length is said or not", async () => {
    const half = "x".repeat(LARGE / 2)
    await send(head(greedy, LARGE) + half)
    await until("gateway_in_flight_body_bytes", LARGE)
    const said = await send(head(greedy, LARGE))
    const unsaid = await send(
      `${head(greedy, 0).replace("Content-Length: 0", "Transfer-Encoding: chunked")}${(600_000).toString(16)}\r\n${"x".repeat(600_000)}\r\n`,
    )
    for (const client of [said, unsaid]) {
      await client.until(({ statuses }) => statuses.length === 1)
      assert.deepStrictEqual(client.statuses, [429])
      assert.match(client.received, /concurrency_limited/)
    }
    assert.strictEqual(await status(other), 200)
    const tooMuch = await send(head(other, LARGE))
    await until("gateway_in_flight_body_bytes", 2 * LARGE)
    const none = await send(head((await gateway.createKey()).key, 10))
    await none.until(({ statuses }) => statuses.length === 1)
    assert.deepStrictEqual(none.statuses, [503])
    tooMuch.destroy()
  })
})

describe("a body that arrives too slowly", () => {
  it("is given up after a time of grace, and so is its connection", async () => {
    const client = await send(head(greedy, LARGE))
    const drip = setInterval(() => client.send("x"), 100)
    const startedAt = performance.now()
    await client.until(({ closed, statuses }) => closed && statuses.length === 1, 5_000)
    clearInterval(drip)
    assert.isAbove(performance.now() - startedAt, GRACE_MS)
    assert.deepStrictEqual(client.statuses, [408])
    assert.match(client.received, /upload_too_slow/)
  })

  it("may take as long as it needs at a fair pace", async () => {
    const text = "x".repeat(20_000)
    const body = bodyOf({ user: text.repeat(3) })
    const client = await send(head(greedy, body.length))
    for (let at = 0; at < body.length; at += 20_000) {
      client.send(body.slice(at, at + 20_000))
      await new Promise((resolve) => setTimeout(resolve, GRACE_MS / 2))
    }
    await client.until(({ statuses }) => statuses.length === 1, 5_000)
    assert.deepStrictEqual(client.statuses, [200])
  })
})

describe("a body in chunks of a byte", () => {
  const chunked = async (bytes: string) => {
    const client = await send(head(greedy, 0).replace("Content-Length: 0", "Transfer-Encoding: chunked"))
    client.send(`${Array.from(bytes, (byte) => `1\r\n${byte}\r\n`).join("")}0\r\n\r\n`)
    await client.until(({ statuses }) => statuses.length === 1, 5_000)
    return client
  }

  it("is read, but not when it is long", async () => {
    assert.deepStrictEqual((await chunked(bodyOf())).statuses, [200])
    const crumbs = await chunked(bodyOf({ user: "x".repeat(5_000) }))
    assert.deepStrictEqual(crumbs.statuses, [400])
    assert.match(crumbs.received, /chunks of less than 128 bytes/)
  })
})

describe("a gateway that is full", () => {
  it("refuses at the door, in the words of each route, and answers whoever looks after it", async () => {
    upstream.respond(ok({ delayMs: 30_000 }))
    for (const key of [greedy, other]) {
      await sendMany(6, key === greedy ? 0 : 4, head(key, bodyOf().length) + bodyOf())
    }
    await Promise.all(
      [greedy, other, (await gateway.createKey()).key, (await gateway.createKey()).key].map((key) =>
        sendMany(8, 0, head(key, bodyOf().length) + bodyOf()),
      ),
    )
    await until("gateway_in_flight_requests", 8)
    // Not even a key is looked at.
    const chat = await fetch(`${gateway.url}/v1/chat/completions`, { method: "POST", body: "?" })
    const infer = await fetch(`${gateway.url}/infer`, { method: "POST", body: "?" })
    assert.deepStrictEqual([chat.status, infer.status], [503, 503])
    assert.strictEqual(((await chat.json()) as { error: { code: string } }).error.code, "overloaded")
    const problem = (await infer.json()) as { code: string; request_id: string }
    assert.strictEqual(problem.code, "overloaded")
    assert.strictEqual(problem.request_id, infer.headers.get("x-request-id"))
    assert.strictEqual(infer.headers.get("retry-after"), "1")
    for (const path of ["/livez", "/readyz", "/metrics"]) {
      assert.strictEqual((await fetch(gateway.url + path)).status, 200, path)
    }
    assert.strictEqual((await gateway.admin("/admin/keys")).status, 200)
  })
})

describe("a client that takes nothing of a stream that goes on", () => {
  it("is cut off when it said it would be", async () => {
    upstream.respond(endless(1_000))
    const body = bodyOf({ stream: true })
    const client = await send(head(greedy, body.length) + body)
    client.socket.pause()
    await upstream.until(({ count }) => count === 1)
    const startedAt = performance.now()
    await until("gateway_in_flight_requests", 1)
    await until("gateway_in_flight_requests", 0)
    // A second in which nothing was taken, after the buffers between the two were full.
    assert.isAbove(performance.now() - startedAt, 1_000)
    assert.isBelow(performance.now() - startedAt, scaled(2_200))
  })
})
