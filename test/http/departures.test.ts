import { createServer } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { setImmediate, setTimeout } from "node:timers/promises"
import { assert, describe, it } from "vitest"
import { watchConnections } from "../../src/http/connections.ts"

const CLIENTS = 200

describe("clients that leave at once before their answers", () => {
  it("are seen off a few in each turn of the event loop, every one of them", async () => {
    const server = createServer(() => {})
    let requests = 0
    let departed = 0
    server.on("request", (_, response) => {
      requests += 1
      response.on("close", () => {
        departed += 1
      })
    })
    let over = 0
    watchConnections(server, 10_000, () => {
      over += 1
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    const sockets = Array.from({ length: CLIENTS }, () => connect(port, "127.0.0.1"))
    for (const socket of sockets) socket.on("error", () => {}).write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    while (requests < CLIENTS) await setTimeout(5)

    for (const socket of sockets) socket.destroy()
    let mostInATurn = 0
    for (const until = performance.now() + 20_000; departed < CLIENTS && performance.now() < until; ) {
      const before = departed
      await setImmediate()
      mostInATurn = Math.max(mostInATurn, departed - before)
    }
    assert.deepStrictEqual([departed, over], [CLIENTS, CLIENTS])
    // What was begun on the first news of a turn, and what was waiting.
    assert.isAtMost(mostInATurn, 2 * 8)
    await new Promise((resolve) => server.close(resolve))
  })
})
