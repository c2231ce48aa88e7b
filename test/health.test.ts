import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { GatewayInProcess } from "./support/GatewayInProcess.ts"
import { processEnv } from "./support/process-env.ts"
import { scaled } from "./support/slowness.ts"

const script = join(import.meta.dirname, "../src/health.ts")

const health = async (env: Readonly<Record<string, string>>) => {
  const child = spawn(process.execPath, [script], {
    env: { ...processEnv, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let stderr = ""
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk
  })
  const [code] = await once(child, "close")
  return { code, stderr }
}

/** Asks a server that answers so, and tells what it was asked. */
const asked = async (
  env: Readonly<Record<string, string>>,
  answer: RequestListener,
  address = "127.0.0.1",
) => {
  const seen: Array<string> = []
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.headers.host} ${request.url}`)
    answer(request, response)
  }).listen(0, address)
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  const result = await health({ PORT: String(port), ...env })
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  return { ...result, seen: seen.map((line) => line.replace(String(port), "PORT")) }
}

const ready: RequestListener = (_, response) => response.end('{"status":"ready"}')

describe("health", () => {
  it("ends with 0 when the gateway is ready, and with 1 when it is gone", async () => {
    const gateway = await GatewayInProcess.start()
    const { port } = new URL(gateway.url)
    const before = await health({ PORT: port })
    assert.strictEqual(before.code, 0, before.stderr)
    assert.include(before.stderr, "200")
    await gateway.stop()
    const after = await health({ PORT: port })
    assert.strictEqual(after.code, 1)
    assert.include(after.stderr, "ECONNREFUSED")
  })

  it("ends with 1 while the gateway starts or drains, and says what it heard", async () => {
    const { code, stderr } = await asked({}, (_, response) =>
      response.writeHead(503).end('{"status":"draining"}'),
    )
    assert.strictEqual(code, 1)
    assert.match(stderr, /503 .*draining/)
  })

  it("takes no other success for readiness", async () => {
    assert.strictEqual((await asked({}, (_, response) => response.writeHead(204).end())).code, 1)
    assert.strictEqual(
      (await asked({}, (_, response) => response.writeHead(302, { location: "/livez" }).end())).code,
      1,
    )
  })

  it.each([
    ["before its answer", (() => {}) satisfies RequestListener],
    [
      "within its answer",
      ((_, response) => void response.writeHead(200).write("{")) satisfies RequestListener,
    ],
  ])("gives up after two seconds on a gateway that hangs %s", async (_, answer) => {
    const startedMs = performance.now()
    const { code, stderr } = await asked({}, answer)
    const tookMs = performance.now() - startedMs
    assert.strictEqual(code, 1)
    assert.include(stderr, "no answer within 2000 ms")
    assert.isAtLeast(tookMs, 1_900)
    assert.isBelow(tookMs, scaled(4_000))
  })

  it.each([
    ["", "127.0.0.1", "127.0.0.1"],
    ["0.0.0.0", "127.0.0.1", "127.0.0.1"],
    ["0", "127.0.0.1", "127.0.0.1"],
    ["::", "::1", "[::1]"],
    ["0:0:0:0:0:0:0:0", "::1", "[::1]"],
    ["::1", "::1", "[::1]"],
    ["localhost", "127.0.0.1", "localhost"],
    ["127.0.0.2", "127.0.0.2", "127.0.0.2"],
  ])("asks a gateway of HOST=%s at an address of its own", async (host, address, named) => {
    const { code, seen, stderr } = await asked({ HOST: host }, ready, address)
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(seen, [`GET ${named}:PORT /readyz`])
  })
})
