import { readdirSync } from "node:fs"
import { connect } from "node:net"
import { setTimeout } from "node:timers/promises"
import { Effect } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { eventually } from "../support/process-watch.ts"

const HEAD =
  "GET /v1/responses HTTP/1.1\r\nhost: gateway\r\nconnection: upgrade\r\nupgrade: websocket\r\n" +
  "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

let gateway: GatewayInProcess

beforeAll(async () => {
  gateway = await GatewayInProcess.start({ databaseUrl: await Effect.runPromise(migratedPostgresUrl) })
})
afterAll(() => gateway?.stop())

const openFiles = () => readdirSync("/proc/self/fd").length

/** Asks without a key, sends more after the refusal, and leaves. */
const stranger = async (): Promise<void> => {
  const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1")
  socket.on("error", () => {})
  const refused = new Promise<string>((resolve) => socket.once("data", (data) => resolve(String(data))))
  socket.write(HEAD)
  assert.match(await refused, /^HTTP\/1.1 401/)
  socket.write("x")
  await setTimeout(20)
  socket.destroy()
}

describe.skipIf(process.platform !== "linux")("a refused upgrade", () => {
  it("leaves no connection behind whose client sent more and is gone", async () => {
    const before = openFiles()
    for (let i = 0; i < 30; i++) await stranger()
    await eventually(async () => openFiles() < before + 10, 15_000)
  })
})
