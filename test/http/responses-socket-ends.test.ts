import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { setTimeout } from "node:timers/promises"
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
import { SocketClient } from "../support/SocketClient.ts"
import { scaled } from "../support/slowness.ts"

/** What a WebSocket may take, and how it ends. */

let upstream: FakeUpstream

beforeAll(async () => {
  upstream = await FakeUpstream.start()
})
afterAll(() => upstream?.stop())
beforeEach(() => upstream.reset())

type Options = NonNullable<Parameters<typeof GatewayInProcess.start>[0]>

/** Runs with a gateway of its own, which may have ended before. */
const withGateway = async (
  { limits = "", ...options }: Options & { readonly limits?: string },
  use: (gateway: GatewayInProcess, key: string, open: () => Promise<SocketClient>) => Promise<void>,
): Promise<void> => {
  const gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: providersYaml(
      [upstream],
      `limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000${limits} }\ntimeouts: { client_stall_ms: 1000 }`,
    ),
    ...options,
  })
  try {
    const { key } = await gateway.createKey()
    await use(gateway, key, () => SocketClient.open(`${gateway.url}/v1`, key))
  } finally {
    await gateway.stop()
  }
}

const ASKED = { model: "p0/m", input: "Hi" }

describe("time", () => {
  it("without a request ends it", () =>
    withGateway({ socketTimes: { openMs: 60_000, idleMs: 700 } }, async (_, __, open) => {
      const client = await open()
      await setTimeout(400)
      assert.strictEqual((await client.ask(ASKED)).at(-1)?.type, "response.completed")
      await setTimeout(400)
      assert.strictEqual((await client.ask(ASKED)).at(-1)?.type, "response.completed")
      const { code, reason } = await client.closed
      assert.deepStrictEqual([code, reason], [1000, "idle"])
    }))

  it("that is up lets the request under way end, and is told", () =>
    withGateway({ socketTimes: { openMs: 500, idleMs: 60_000 } }, async (_, __, open) => {
      const client = await open()
      upstream.respond(ok({ delayMs: 800 }))
      assert.strictEqual((await client.ask(ASKED)).at(-1)?.type, "response.completed")
      const [last] = await client.answer()
      assert.deepInclude(last, { type: "error", status: 400 })
      assert.deepInclude(last?.error, { code: "websocket_connection_limit_reached" })
      assert.strictEqual((await client.closed).code, 1000)
    }))
})

describe("the gateway's end", () => {
  it("waits for requests and for nobody else", () =>
    withGateway({}, async (gateway, _, open) => {
      const idle = await open()
      const busy = await open()
      upstream.respond(ok({ delayMs: 1_000 }))
      const answer = busy.ask(ASKED)
      await upstream.until(({ count }) => count === 1, 5_000)
      const startedAt = performance.now()
      const stopped = gateway.stop()
      assert.strictEqual((await idle.closed).code, 1001)
      assert.strictEqual((await answer).at(-1)?.type, "response.completed")
      assert.strictEqual((await busy.closed).code, 1001)
      await stopped
      assert.isBelow(performance.now() - startedAt, scaled(5_000))
    }))

  it("does not wait for a client that says nothing any more", () =>
    withGateway({}, async (gateway, key) => {
      const socket = await rawSocket(gateway.url, key)
      const startedAt = performance.now()
      await gateway.stop()
      assert.isBelow(performance.now() - startedAt, scaled(8_000))
      socket.destroy()
    }))
})

describe("room", () => {
  const small: Options & { readonly limits: string } = {
    limits: ", max_body_bytes_in_flight: 200000, max_key_share: 0.5",
    env: { MAX_BODY_BYTES: "100000" },
  }

  it("is for so many of a key's at once", () =>
    withGateway(small, async (gateway, key, open) => {
      const first = await open()
      const headers = { authorization: `Bearer ${key}`, connection: "upgrade", upgrade: "websocket" }
      const refused = await answerOf(gateway.url, headers)
      assert.match(refused, /^HTTP\/1\.1 503 /)
      assert.include(refused, '"code":"overloaded"')
      await first.close()
      await eventually(
        async () =>
          open().then(
            () => true,
            () => false,
          ),
        5_000,
      )
    }))

  it("is for so many bytes that are not answered yet", () =>
    withGateway(small, async (_, __, open) => {
      const client = await open()
      assert.strictEqual((await client.ask(ASKED)).at(-1)?.type, "response.completed")
      client.send("x".repeat(60_000))
      assert.strictEqual((await client.closed).code, 1013)
    }))

  it("is not given back for what follows an answered message, and is not all there yet", () =>
    withGateway(
      { ...small, limits: ", max_body_bytes_in_flight: 160000, max_key_share: 0.9" },
      async (gateway, key) => {
        const socket = await rawSocket(gateway.url, key)
        let said = ""
        socket.on("data", (chunk) => {
          said += chunk
        })
        const asked = frame(JSON.stringify({ type: "response.create", ...ASKED }))
        const begun = frame("x".repeat(30_000)).subarray(0, 30_000)
        socket.write(Buffer.concat([asked, begun]))
        await eventually(async () => said.includes('"response.completed"'), scaled(5_000))
        const { key: anothers } = await gateway.createKey()
        const open = () =>
          answerOf(gateway.url, {
            authorization: `Bearer ${anothers}`,
            connection: "upgrade",
            upgrade: "websocket",
          })
        assert.match(await open(), /^HTTP\/1\.1 503 /)
        socket.destroy()
      },
    ))

  it("is given back with each answer", () =>
    withGateway(small, async (_, __, open) => {
      const client = await open()
      for (let i = 0; i < 8; i++) {
        const events = await client.ask({ model: "p0/m", input: "x".repeat(10_000) })
        assert.strictEqual(events.at(-1)?.type, "response.completed")
      }
    }))
})

it("is cut off when its client takes nothing of an answer", () =>
  withGateway({}, async (gateway, key) => {
    upstream.respond(endless(10_000))
    const socket = await rawSocket(gateway.url, key)
    socket.pause()
    socket.write(frame(JSON.stringify({ type: "response.create", ...ASKED })))
    await upstream.until(({ count }) => count === 1, 5_000)
    await eventually(async () => {
      const { data } = (await (await gateway.admin("/analytics/requests")).json()) as {
        data: ReadonlyArray<{ error_code: string | null }>
      }
      return data[0]?.error_code === "client_closed_request"
    }, scaled(10_000))
    socket.destroy()
  }))

const HANDSHAKE = { "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" }

const handshake = async (url: string, headers: Readonly<Record<string, string>>): Promise<Socket> => {
  const { host, hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const lines = Object.entries({ host, ...HANDSHAKE, ...headers }).map(([name, value]) => `${name}: ${value}`)
  socket.write(`GET /v1/responses HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`)
  return socket
}

/** Opens a WebSocket whose client does nothing on its own. */
const rawSocket = async (url: string, key: string): Promise<Socket> => {
  const socket = await handshake(url, {
    authorization: `Bearer ${key}`,
    connection: "upgrade",
    upgrade: "websocket",
  })
  const [head] = await once(socket, "data")
  assert.match(String(head), /^HTTP\/1\.1 101 /)
  return socket
}

/** Returns all that is answered, up to the end of the connection. */
const answerOf = async (url: string, headers: Readonly<Record<string, string>>): Promise<string> => {
  let answer = ""
  for await (const chunk of await handshake(url, headers)) answer += chunk
  return answer
}

/** Makes a masked frame of a short text. Masked with zeros it stays as it is. */
const frame = (text: string): Buffer => {
  const { length } = Buffer.from(text)
  return Buffer.concat([Buffer.from([0x81, 0xfe, length >> 8, length & 0xff, 0, 0, 0, 0]), Buffer.from(text)])
}
