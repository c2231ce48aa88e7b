import { createHash } from "node:crypto"
import { get, type IncomingMessage } from "node:http"
import { connect } from "node:net"
import { brotliDecompressSync, gunzipSync } from "node:zlib"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { GatewayProcess } from "../support/GatewayProcess.ts"
import { eventually, residentMb } from "../support/process-watch.ts"
import { RawHttp } from "../support/RawHttp.ts"

const STALL_MS = 1_500
/** Connections that may have a page which they have not read. */
const PLACES = 12

const options = async () => ({
  databaseUrl: await Effect.runPromise(migratedPostgresUrl),
  config: `timeouts: { client_stall_ms: ${STALL_MS} }`,
})

let gateway: GatewayInProcess
beforeAll(async () => {
  gateway = await GatewayInProcess.start(await options())
})
afterAll(() => gateway?.stop())

/** Asks for what no other client decompresses on its own. */
const ask = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  new Promise<{ status: number; headers: IncomingMessage["headers"]; body: Buffer }>((resolve, reject) => {
    get(`${gateway.url}${path}`, { headers, method, agent: false }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", reject)
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      )
    }).on("error", reject)
  })

describe.each(["/docs", "/openapi.json"])("%s", (path) => {
  it("is the same text in each coding, each with a tag of its own", async () => {
    const plain = await ask(path)
    const zipped = await ask(path, { "accept-encoding": "gzip" })
    const brotli = await ask(path, { "accept-encoding": "gzip, deflate, br, zstd" })
    assert.strictEqual(plain.headers["content-encoding"], undefined)
    assert.strictEqual(zipped.headers["content-encoding"], "gzip")
    assert.strictEqual(brotli.headers["content-encoding"], "br")
    assert.isTrue(plain.body.equals(gunzipSync(zipped.body)))
    assert.isTrue(plain.body.equals(brotliDecompressSync(brotli.body)))
    assert.isBelow(zipped.body.length, plain.body.length / 3)
    assert.isBelow(brotli.body.length, zipped.body.length)
    const answers = [plain, zipped, brotli]
    assert.strictEqual(new Set(answers.map(({ headers }) => headers.etag)).size, 3)
    for (const { status, headers, body } of answers) {
      assert.strictEqual(status, 200)
      assert.strictEqual(headers["content-length"], String(body.length))
      assert.match(headers.etag ?? "", /^"[\w-]+"$/)
      assert.strictEqual(headers.vary, "Accept-Encoding")
      assert.match(headers["cache-control"] ?? "", /max-age=[1-9]/)
      assert.strictEqual(headers["x-content-type-options"], "nosniff")
      assert.isDefined(headers["x-request-id"])
    }
  })

  it("is not sent again to a client that has it", async () => {
    const { headers } = await ask(path, { "accept-encoding": "gzip" })
    const etag = headers.etag ?? ""
    for (const known of [etag, `"other", W/${etag}`, "*"]) {
      const again = await ask(path, { "accept-encoding": "gzip", "if-none-match": known })
      assert.strictEqual(again.status, 304, known)
      assert.strictEqual(again.body.length, 0)
      assert.strictEqual(again.headers.etag, etag)
      assert.strictEqual(again.headers["cache-control"], headers["cache-control"])
      assert.strictEqual(again.headers.vary, "Accept-Encoding")
    }
    // What it has is the same in another coding.
    assert.strictEqual((await ask(path, { "if-none-match": etag })).status, 200)
  })

  it("has a head", async () => {
    const { headers } = await ask(path)
    const head = await ask(path, {}, "HEAD")
    assert.strictEqual(head.status, 200)
    assert.strictEqual(head.headers["content-length"], headers["content-length"])
    assert.strictEqual(head.headers.etag, headers.etag)
    assert.strictEqual(head.body.length, 0)
  })
})

describe("the page", () => {
  it("describes the API and loads nothing from anywhere", async () => {
    const { headers, body } = await ask("/docs")
    const html = body.toString()
    assert.include(html, "/v1/chat/completions")
    assert.include(html, "createApiReference")
    assert.include(html, `"withDefaultFonts":false`)
    assert.notMatch(html.replace(/<script>[\s\S]*?<\/script>/g, ""), /\b(?:src|href)=/)
    assert.strictEqual(headers["referrer-policy"], "no-referrer")
  })

  it("has a policy that lets its two scripts run, and no other, and nothing frame it", async () => {
    const { headers, body } = await ask("/docs")
    const policy = new Map(
      (headers["content-security-policy"] ?? "")
        .toString()
        .split("; ")
        .map((directive) => {
          const [name = "", ...values] = directive.split(" ")
          return [name, values] as const
        }),
    )
    const hashes = [...body.toString().matchAll(/<script>([\s\S]*?)<\/script>/g)].map(
      ([, script = ""]) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`,
    )
    assert.strictEqual(hashes.length, 2)
    assert.deepStrictEqual(policy.get("script-src"), hashes)
    assert.deepStrictEqual(policy.get("default-src"), ["'none'"])
    assert.deepStrictEqual(policy.get("connect-src"), ["'self'"])
    assert.deepStrictEqual(policy.get("frame-ancestors"), ["'none'"])
    assert.deepStrictEqual(policy.get("base-uri"), ["'none'"])
    assert.deepStrictEqual(policy.get("form-action"), ["'none'"])
  })
})

const page = "GET /docs HTTP/1.1\r\nHost: x\r\n\r\n"

/** Asks for the page and reads nothing of it. */
const askAndStall = async (url: string, times = 1): Promise<RawHttp> => {
  const client = await RawHttp.connect(url)
  client.socket.pause()
  client.send(page.repeat(times))
  return client
}

describe("clients that ask for the page and do not read", () => {
  it("take its places, and no other route's, until they read or are cut off", async () => {
    const stalled = await Promise.all(Array.from({ length: PLACES }, () => askAndStall(gateway.url)))
    await eventually(async () => (await ask("/docs")).status === 503)
    const refused = await ask("/openapi.json")
    assert.strictEqual(refused.status, 503)
    assert.strictEqual(refused.headers["retry-after"], "1")
    assert.include(refused.body.toString(), `"code":"overloaded"`)
    for (const path of ["/livez", "/readyz", "/metrics"])
      assert.strictEqual((await ask(path)).status, 200, path)

    stalled[0]?.socket.resume()
    await eventually(async () => (await ask("/docs")).status === 200)

    // The others still read nothing.
    await eventually(async () => {
      const answers = await Promise.all(Array.from({ length: PLACES }, () => ask("/docs")))
      return answers.every(({ status }) => status === 200)
    }, STALL_MS + 5_000)
    for (const client of stalled) client.destroy()
  })

  it("have its places while they have only sent more than they read", async () => {
    // Each connection has one place, however often it asks.
    const stalled = await Promise.all(Array.from({ length: PLACES - 1 }, () => askAndStall(gateway.url, 5)))
    assert.strictEqual((await ask("/docs")).status, 200)
    for (const client of stalled) client.destroy()
    await eventually(async () => {
      const answers = await Promise.all(Array.from({ length: PLACES }, () => ask("/docs")))
      return answers.every(({ status }) => status === 200)
    })
  })

  it("lose their places when they read, keep the connection and ask for more", async () => {
    const { hostname, port } = new URL(gateway.url)
    const clients = Array.from({ length: PLACES }, () =>
      connect({ host: hostname, port: Number(port), allowHalfOpen: true }).on("error", () => {}),
    )
    for (const client of clients) {
      client.resume().write(page)
      // Nothing answers it any more: a request under way, for the watch over idle connections.
      client.once("end", () => client.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"))
    }
    await eventually(async () => (await ask("/docs")).status === 503)
    await eventually(async () => {
      const answers = await Promise.all(Array.from({ length: PLACES }, () => ask("/docs")))
      return answers.every(({ status }) => status === 200)
    }, STALL_MS + 5_000)
    for (const client of clients) client.destroy()
  })

  it("cost next to nothing", async () => {
    const process = await GatewayProcess.start(await options())
    // Made at the first request.
    await (await fetch(`${process.url}/docs`)).text()
    const before = residentMb(process.pid)
    const stalled = await Promise.all(Array.from({ length: 300 }, () => askAndStall(process.url, 4)))
    let most = 0
    for (let i = 0; i < 10; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      most = Math.max(most, residentMb(process.pid))
    }
    assert.isBelow(most - before, 50)
    for (const client of stalled) client.destroy()
    assert.strictEqual(await process.stop(), 0)
  })
})
