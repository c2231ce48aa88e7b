import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, afterEach, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { GatewayProcess } from "../support/GatewayProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { RawHttp } from "../support/RawHttp.ts"

/** Bytes on the socket that no HTTP client would send: limits, framing, smuggling. */

const MAX_BODY_BYTES = 1000

let upstream: FakeUpstream
let gateway: GatewayProcess
let key: string
let slow: RawHttp
const connections: Array<RawHttp> = []

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  gateway = await GatewayProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: providersYaml([upstream], "limits: { requests_per_minute: 100000 }"),
    env: { MAX_BODY_BYTES: String(MAX_BODY_BYTES) },
  })
  key = (await gateway.createKey()).key
  // Its ten seconds pass while the other tests run.
  slow = await RawHttp.connect(gateway.url)
  slow.send("POST /infer HTTP/1.1\r\nHost: x\r\n")
})

afterAll(async () => {
  slow?.destroy()
  await gateway?.stop()
  await upstream?.stop()
})

beforeEach(() => upstream.reset())
afterEach(() => {
  for (const connection of connections.splice(0)) connection.destroy()
})

const open = async () => {
  const connection = await RawHttp.connect(gateway.url)
  connections.push(connection)
  return connection
}

/** `bytes` exactly. */
const bodyOf = (bytes: number) => {
  const [before, after] = ['{"model":"p0/m","prompt":"', '"}']
  return `${before}${"x".repeat(bytes - before.length - after.length)}${after}`
}

const head = (...headers: ReadonlyArray<string>) =>
  `${["POST /infer HTTP/1.1", "Host: x", `X-API-Key: ${key}`, "Content-Type: application/json", ...headers].join("\r\n")}\r\n\r\n`

/** Answered with ok only if taken for a request of its own. */
const hidden = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"

const refusedAndClosed = async (bytes: string, status: number) => {
  const connection = await open()
  connection.send(bytes)
  await connection.until(({ closed }) => closed)
  assert.deepStrictEqual(connection.statuses, [status], connection.received)
  assert.notInclude(connection.received, '"status":"ok"')
  assert.strictEqual(upstream.count, 0)
  return connection
}

describe("a body", () => {
  it.each([
    ["content-length", (body: string) => `${head(`Content-Length: ${body.length}`)}${body}`],
    [
      "chunks",
      (body: string) =>
        `${head("Transfer-Encoding: chunked")}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    ],
  ])("of exactly the limit passes and of one byte more does not (%s)", async (_, request) => {
    const connection = await open()
    connection.send(request(bodyOf(MAX_BODY_BYTES)))
    await connection.until(({ statuses }) => statuses.length === 1)
    assert.deepStrictEqual(connection.statuses, [200], connection.received)
    assert.strictEqual(upstream.count, 1)

    const over = await open()
    over.send(request(bodyOf(MAX_BODY_BYTES + 1)))
    await over.until(({ statuses }) => statuses.length === 1)
    assert.deepStrictEqual(over.statuses, [413], over.received)
    assert.include(over.received, '"code":"payload_too_large"')
    assert.strictEqual(upstream.count, 1)
  })

  it("announced too large is refused before it is sent, and the connection closed", async () => {
    await refusedAndClosed(head("Content-Length: 10000000"), 413)
  })

  it("announced too large with Expect: 100-continue is refused all the same", async () => {
    await refusedAndClosed(head("Content-Length: 10000000", "Expect: 100-continue"), 413)
  })

  it("without an end is refused once it is too large, and the connection closed", async () => {
    const connection = await open()
    connection.send(head("Transfer-Encoding: chunked"))
    const chunk = `400\r\n${"x".repeat(0x400)}\r\n`
    let sent = 0
    const sending = setInterval(() => {
      if (connection.closed) return
      connection.send(chunk)
      sent += chunk.length
    }, 5)
    try {
      await connection.until(({ statuses }) => statuses.length > 0)
      assert.isBelow(sent, 100_000)
      await connection.until(({ closed }) => closed, 5000)
    } finally {
      clearInterval(sending)
    }
    assert.deepStrictEqual(connection.statuses, [413], connection.received)
    assert.strictEqual(upstream.count, 0)
  })

  it("longer than it says is cut there, and the rest is no request", async () => {
    const body = bodyOf(100)
    const connection = await open()
    connection.send(`${head(`Content-Length: ${body.length - 1}`)}${body}`)
    await connection.until(({ closed }) => closed)
    assert.strictEqual(connection.statuses[0], 400, connection.received)
    assert.strictEqual(upstream.count, 0)
  })

  it("shorter than it says reaches nobody when the client gives up", async () => {
    const connection = await open()
    connection.send(`${head("Content-Length: 900")}${bodyOf(100)}`)
    connection.socket.end()
    await connection.until(({ closed }) => closed)
    assert.notInclude(connection.statuses, 200)
    assert.strictEqual(upstream.count, 0)
  })

  it("that looks like a request is a body", async () => {
    const connection = await open()
    connection.send(`${head(`Content-Length: ${hidden.length}`)}${hidden}`)
    await connection.until(({ statuses }) => statuses.length === 1)
    // A pipelined request behind it shows that nothing else is waiting to be answered.
    connection.send("GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await connection.until(({ closed }) => closed)
    assert.deepStrictEqual(connection.statuses, [400, 404], connection.received)
    assert.notInclude(connection.received, '"status":"ok"')
  })

  it("is asked for with 100 Continue", async () => {
    const body = bodyOf(100)
    const connection = await open()
    connection.send(head(`Content-Length: ${body.length}`, "Expect: 100-continue"))
    await connection.until(({ received }) => received.includes("HTTP/1.1 100 Continue\r\n"))
    assert.strictEqual(upstream.count, 0)
    connection.send(body)
    await connection.until(({ statuses }) => statuses.length === 1)
    assert.deepStrictEqual(connection.statuses, [200])
  })
})

describe("framing that two parties could read differently is refused and the connection closed", () => {
  const body = bodyOf(100)
  const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`

  it.each([
    [
      "Content-Length and Transfer-Encoding",
      () => `${head("Content-Length: 4", "Transfer-Encoding: chunked")}${chunked}${hidden}`,
    ],
    [
      "Transfer-Encoding and Content-Length",
      () => `${head("Transfer-Encoding: chunked", "Content-Length: 4")}${chunked}${hidden}`,
    ],
    [
      "two different Content-Length",
      () =>
        `${head(`Content-Length: ${body.length}`, `Content-Length: ${body.length + hidden.length}`)}${body}${hidden}`,
    ],
    [
      "two equal Content-Length",
      () => `${head(`Content-Length: ${body.length}`, `Content-Length: ${body.length}`)}${body}${hidden}`,
    ],
    ["a Content-Length list", () => `${head("Content-Length: 4, 4")}${body}${hidden}`],
    ["a signed Content-Length", () => `${head(`Content-Length: +${body.length}`)}${body}${hidden}`],
    ["chunked that is not last", () => `${head("Transfer-Encoding: chunked, gzip")}${chunked}${hidden}`],
    ["a folded header", () => `${head(`Content-Length: ${body.length}`, "X-A: b\r\n c")}${body}${hidden}`],
    ["a folded Transfer-Encoding", () => `${head("Transfer-Encoding:\r\n chunked")}${chunked}${hidden}`],
    [
      "a space before the colon",
      () => `${head(`Content-Length: ${body.length}`, "Transfer-Encoding : chunked")}${body}${hidden}`,
    ],
    ["a chunk size that is no number", () => `${head("Transfer-Encoding: chunked")}zz\r\n${body}${hidden}`],
    [
      "a bare LF after a chunk size",
      () => `${head("Transfer-Encoding: chunked")}${body.length.toString(16)}\n${body}\r\n0\r\n\r\n${hidden}`,
    ],
    [
      "a bare LF in a chunk extension",
      () =>
        `${head("Transfer-Encoding: chunked")}${body.length.toString(16)};a\nb\r\n${body}\r\n0\r\n\r\n${hidden}`,
    ],
    ["a bare CR in a header value", () => `${head("X-A: b\rTransfer-Encoding: chunked")}${chunked}${hidden}`],
    [
      "a bare LF in a header value",
      () => `${head(`Content-Length: ${body.length}`, "X-A: b\nX-B: c")}${body}${hidden}`,
    ],
    ["NUL in a header value", () => `${head(`Content-Length: ${body.length}`, "X-A: b\0c")}${body}${hidden}`],
    [
      "NUL in an Idempotency-Key",
      () => `${head(`Content-Length: ${body.length}`, "Idempotency-Key: a\0b")}${body}${hidden}`,
    ],
    [
      "CR in an Idempotency-Key",
      () => `${head(`Content-Length: ${body.length}`, "Idempotency-Key: a\rb")}${body}${hidden}`,
    ],
    ["no Host", () => `POST /infer HTTP/1.1\r\nContent-Length: 0\r\n\r\n${hidden}`],
    ["an unknown method", () => `FETCH /livez HTTP/1.1\r\nHost: x\r\n\r\n${hidden}`],
    ["no HTTP at all", () => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ])("%s", async (_, bytes) => {
    await refusedAndClosed(bytes(), 400)
  })

  it("headers of more than Node's 16 KB", async () => {
    await refusedAndClosed(head(`X-A: ${"b".repeat(20_000)}`), 431)
  })
})

describe("a request", () => {
  const asking = async (bytes: string) => {
    const connection = await open()
    connection.send(bytes)
    await connection.until(({ statuses }) => statuses.length > 0)
    return connection
  }

  it("with two Host lines is not served twice or differently", async () => {
    const connection = await asking(`${hidden.replace("Host: x\r\n", "Host: x\r\nHost: y\r\n")}`)
    assert.oneOf(connection.statuses.join(), ["200", "400"])
  })

  it("of HTTP/0.9 gets one answer, nothing without a key, and nothing follows it", async () => {
    await refusedAndClosed("GET /admin/keys\r\n\r\n", 401)
    await refusedAndClosed(`GET /admin/keys\r\n\r\n${hidden}`, 400)
  })

  it("with an absolute target needs a key like any other", async () => {
    const connection = await asking(
      "POST http://elsewhere.example/infer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    )
    assert.oneOf(connection.statuses.join(), ["401", "404"])
    const admin = await asking("GET http://elsewhere.example/admin/keys HTTP/1.1\r\nHost: x\r\n\r\n")
    assert.oneOf(admin.statuses.join(), ["401", "404"])
    assert.strictEqual(upstream.count, 0)
  })

  it("with an authority or asterisk target is not served", async () => {
    for (const line of [
      "OPTIONS * HTTP/1.1",
      "GET livez HTTP/1.1",
      "CONNECT elsewhere.example:443 HTTP/1.1",
    ]) {
      const connection = await open()
      connection.send(`${line}\r\nHost: x\r\n\r\n`)
      await connection.until(({ closed, statuses }) => closed || statuses.length > 0)
      assert.notInclude(connection.statuses, 200, line)
      assert.notInclude(connection.statuses, 500, line)
    }
  })

  it("with an expectation nobody knows is a 417", async () => {
    const connection = await asking(head("Content-Length: 2", "Expect: miracles"))
    assert.deepStrictEqual(connection.statuses, [417])
  })

  it("to upgrade is answered as if it had not asked", async () => {
    const connection = await asking(
      "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    assert.deepStrictEqual(connection.statuses, [200], connection.received)
  })

  it("with two Authorization lines that differ is refused", async () => {
    const other = (await gateway.createKey()).key
    const body = bodyOf(100)
    const twice = (second: string) =>
      `POST /infer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nAuthorization: Bearer ${second}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    const refused = await asking(twice(other))
    assert.deepStrictEqual(refused.statuses, [400], refused.received)
    assert.include(refused.received, "conflicting_credentials")
    assert.strictEqual(upstream.count, 0)
    assert.deepStrictEqual((await asking(twice(key))).statuses, [200])
  })

  it("with two Authorization lines that differ is refused by the admin routes too", async () => {
    const twice = (first: string, second: string) =>
      `GET /admin/keys?limit=1 HTTP/1.1\r\nHost: x\r\nAuthorization: ${first}\r\nAuthorization: ${second}\r\n\r\n`
    const bearer = `Bearer ${gateway.adminToken}`
    const refused = await asking(twice(bearer, "Bearer other"))
    assert.deepStrictEqual(refused.statuses, [400], refused.received)
    assert.include(refused.received, "conflicting_credentials")
    assert.deepStrictEqual((await asking(twice(bearer, bearer))).statuses, [200])
    // A proxy's own, in front of ours.
    assert.deepStrictEqual((await asking(twice("Basic cHJveHk=", bearer))).statuses, [200])
  })

  it("with two X-API-Key lines that differ is refused", async () => {
    const other = (await gateway.createKey()).key
    const refused = await asking(head("Content-Length: 2", `X-API-Key: ${other}`))
    assert.deepStrictEqual(refused.statuses, [400], refused.received)
    assert.strictEqual(upstream.count, 0)
  })

  it("whose headers do not arrive in time is cut", async () => {
    await slow.until(({ closed }) => closed, 20_000)
    assert.deepStrictEqual(slow.statuses, [408], slow.received)
  })
})

it("the gateway has logged no unexpected failure", () => {
  assert.notInclude(gateway.stdout + gateway.stderr, "unexpected")
})
