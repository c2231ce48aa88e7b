import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createServer as createTlsServer } from "node:tls"
import { pathToFileURL } from "node:url"
import { assert } from "@effect/vitest"
import { Effect, type Redacted } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { type Certificate, issue, makeAuthority } from "../support/certificates.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok } from "../support/fake-upstream-behaviours.ts"
import { GatewayProcess } from "../support/GatewayProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import type { StreamClient } from "../support/StreamClient.ts"
import { endOf, StreamHistory } from "../support/StreamHistory.ts"
import { scaled } from "../support/slowness.ts"

/** Providers that cannot be reached as they should be: their certificates, their handshakes, their names. */

const CONNECT_MS = 400
const HERE = [127, 0, 0, 1] as const

let behind: FakeUpstream
let second: FakeUpstream
let healthy: FakeUpstream
let gateway: GatewayProcess
let databaseUrl: Redacted.Redacted
let key: string
let folder: string
const servers: Array<Server> = []
const sockets = new Set<Socket>()
const history = new StreamHistory()

/** Listens on loopback and keeps its sockets for the end. */
const listen = async (server: Server, host = "127.0.0.1", port = 0): Promise<number> => {
  servers.push(server)
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, host, resolve)
  })
  return (server.address() as AddressInfo).port
}

const forward = (to: FakeUpstream) => (socket: Socket) => {
  const inner = connect(Number(new URL(to.url).port), "127.0.0.1")
  inner.on("error", () => socket.destroy())
  socket.on("error", () => inner.destroy())
  socket.pipe(inner).pipe(socket)
}

const tls = (certificate: Certificate) => listen(createTlsServer(certificate, forward(behind)))

const names = (entries: Readonly<Record<string, string>>) =>
  writeFile(join(folder, "names.json"), JSON.stringify(entries))

const NAMES = ["good", "expired", "stranger", "elsewhere", "mute", "plain", "moving", "unanswered"] as const

beforeAll(async () => {
  ;[behind, second, healthy, databaseUrl, folder] = await Promise.all([
    FakeUpstream.start(),
    FakeUpstream.start(),
    FakeUpstream.start(),
    Effect.runPromise(migratedPostgresUrl),
    mkdtemp(join(tmpdir(), "gateway-sockets-")),
  ])
  behind.respond(ok({ text: "from behind" }))
  second.respond(ok({ text: "from the second address" }))
  healthy.respond(ok({ text: "from the healthy one" }))
  const authority = makeAuthority("trusted")
  await writeFile(join(folder, "authority.pem"), authority.cert)
  await names({ "unanswered.test": "" })
  const origins: Record<(typeof NAMES)[number], string> = {
    good: `https://127.0.0.1:${await tls(issue(authority, { ip: HERE }))}`,
    expired: `https://127.0.0.1:${await tls(issue(authority, { ip: HERE }, "expired"))}`,
    stranger: `https://127.0.0.1:${await tls(issue(makeAuthority("stranger"), { ip: HERE }))}`,
    elsewhere: `https://127.0.0.1:${await tls(issue(authority, { dns: "elsewhere.example" }))}`,
    mute: `https://127.0.0.1:${await listen(createServer())}`,
    plain: `https://127.0.0.1:${new URL(behind.url).port}`,
    moving: `http://moving.test:${new URL(behind.url).port}`,
    unanswered: `http://unanswered.test:${new URL(behind.url).port}`,
  }
  const price = "{ input_usd_per_1m: 1, output_usd_per_1m: 1, source: test, as_of: 2026-11-01 }"
  gateway = await GatewayProcess.start({
    databaseUrl,
    env: {
      NODE_EXTRA_CA_CERTS: join(folder, "authority.pem"),
      NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, "../support/fake-dns.ts")).href}`,
      FAKE_DNS_FILE: join(folder, "names.json"),
    },
    config: providersYaml(
      [healthy],
      `
${NAMES.map(
  (
    name,
  ) => `  - { name: ${name}, kind: openai-compatible, base_url: "${origins[name]}/v1", models: [{ name: m, price: ${price} }] }
  - { name: ${name}-alone, kind: openai-compatible, base_url: "${origins[name]}/v1", models: [{ name: m, price: ${price} }] }`,
).join("\n")}
routes:
${NAMES.map((name) => `  ${name}: { candidates: [${name}/m, p0/m], exploration: 0, weights: { latency: 0, cost: 1 } }`).join("\n")}
timeouts: { connect_ms: ${CONNECT_MS}, deadline_ms: 8000, stream_ms: 8000 }`,
      () => 1000,
    ),
  })
  key = (await gateway.createKey({ rpm: 100_000 })).key
})
afterAll(async () => {
  await gateway?.stop()
  for (const server of servers) server.close()
  for (const socket of sockets) socket.destroy()
  await Promise.all([behind, second, healthy].map((upstream) => upstream?.stop()))
  await rm(folder, { recursive: true, force: true })
})

const ask = async (model: string, stream: boolean): Promise<StreamClient> => {
  const body = { model, messages: [{ role: "user", content: model }], stream }
  const client = history.ask({ url: gateway.url, path: "/v1/chat/completions", key, body })
  await client.ended
  return client
}

const callsAbout = (upstream: FakeUpstream, prompt: string) =>
  upstream.calls.filter(({ asked }) => asked.prompt === prompt).length

const textOf = (client: StreamClient): string =>
  client.streamed
    ? client.events
        .flatMap(({ data }) => (data === "[DONE]" ? [] : (JSON.parse(data).choices[0]?.delta.content ?? "")))
        .join("")
    : JSON.parse(client.text).choices[0].message.content

const troubles = [
  { name: "expired", what: "whose certificate expired yesterday" },
  { name: "stranger", what: "whose certificate nobody vouches for" },
  { name: "elsewhere", what: "whose certificate is for another host" },
  { name: "mute", what: "that never answers the handshake" },
  { name: "plain", what: "that does not speak TLS" },
  { name: "unanswered", what: "whose name is never resolved" },
  { name: "moving", what: "whose name does not exist" },
]

describe.concurrent.each([false, true])("with stream: %s", (stream) => {
  it("a certificate that holds is no obstacle", async () => {
    const client = await ask("good", stream)
    assert.strictEqual(client.status, 200, client.text)
    assert.strictEqual(textOf(client), "from behind")
  })

  describe.each(troubles)("a provider $what", ({ name }) => {
    it("is told nothing and replaced by another", async () => {
      const startedAt = performance.now()
      const client = await ask(name, stream)
      assert.strictEqual(client.status, 200, client.text)
      assert.strictEqual(textOf(client), "from the healthy one")
      // One more try before it is left, unless too many try again at this moment; none once it failed in the other mode.
      assert.oneOf(client.headers["x-gateway-attempts"], ["1", "2", "3"])
      // undici's clock for connections ticks every half second.
      assert.isBelow(performance.now() - startedAt, scaled(2 * (CONNECT_MS + 500) + 3000))
      assert.strictEqual(callsAbout(behind, name), 0)
    })

    it("alone is a failed provider", async () => {
      const client = await ask(`${name}-alone/m`, stream)
      assert.strictEqual(client.status, 502, client.text)
      assert.strictEqual(JSON.parse(client.text).error.code, "upstream_error")
      assert.notMatch(client.text, /certificate|CERT|ENOTFOUND|\.test|127\.0/i)
      assert.strictEqual(callsAbout(behind, `${name}-alone/m`), 0)
    })
  })
})

describe("a provider whose name", () => {
  it("exists again is found, and is followed to a new address when its connections end", async () => {
    await names({ "moving.test": "127.0.0.1" })
    assert.strictEqual(textOf(await ask("moving/m", false)), "from behind")
    // Connections go on as long as they last.
    await listen(createServer(forward(second)), "127.0.0.2", Number(new URL(behind.url).port))
    await names({ "moving.test": "127.0.0.2" })
    assert.strictEqual(textOf(await ask("moving/m", true)), "from behind")
    await behind.stop()
    const moved = await ask("moving/m", true)
    assert.strictEqual(textOf(moved), "from the second address")
    assert.strictEqual(endOf(moved.text), "done")
  })
})

describe("all of it", () => {
  it("ended as it should, has its rows, and never broke the gateway", async () => {
    history.checkEndings()
    await history.checkLedger(databaseUrl, [behind, second, healthy])
    assert.notMatch(gateway.stdout + gateway.stderr, /unhandled|unexpectedly/i)
  })
})
