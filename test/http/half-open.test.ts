import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok } from "../support/fake-upstream-behaviours.ts"
import { GatewayProcess, providersYaml } from "../support/GatewayProcess.ts"
import { RawHttp } from "../support/RawHttp.ts"

/** Clients that end their side of the connection, and still wait or not. */

let upstream: FakeUpstream
let gateway: GatewayProcess
let key: string

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  gateway = await GatewayProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: providersYaml([upstream], "limits: { requests_per_minute: 100000 }"),
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

const send = async (path: string, stream: boolean) => {
  const client = await RawHttp.connect(gateway.url)
  const body = JSON.stringify({ model: "p0/m", messages: [{ role: "user", content: "Hi" }], stream })
  client.send(
    `POST ${path} HTTP/1.1\r\nHost: gateway\r\nX-API-Key: ${key}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  await upstream.until(({ count }) => count === 1)
  return client
}

const routes = [
  ["/infer", false],
  ["/infer", true],
  ["/v1/chat/completions", false],
  ["/v1/chat/completions", true],
] as const

describe.each(routes)("%s, stream: %s", (path, stream) => {
  it("answers a client that ended its side after the request", async () => {
    upstream.respond(ok({ text: "Still there", delayMs: 300 }))
    const client = await send(path, stream)
    client.socket.end()
    await client.until(({ closed }) => closed)
    assert.deepStrictEqual(client.statuses, [200])
    assert.include(client.received, stream ? "data: [DONE]" : "Still there")
  })

  it("gives up for a client that is gone, within a second", async () => {
    upstream.respond(ok({ delayMs: 30_000 }))
    const client = await send(path, stream)
    client.socket.destroy()
    await upstream.until(({ calls }) => calls[0]?.outcome === "lost", 1_000)
  })
})
