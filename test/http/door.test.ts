import { EventEmitter, once } from "node:events"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { setImmediate, setTimeout } from "node:timers/promises"
import { assert, describe, it } from "vitest"
import { guardDoor } from "../../src/http/door.ts"

/** A server that is told of requests, and what got through to its own listeners. */
const setup = (heldMs: number) => {
  const through: Array<string> = []
  // Only its events are used.
  const server = new EventEmitter() as unknown as Server
  server.on("request", ({ url = "" }: IncomingMessage) => through.push(url))
  guardDoor(server, new Set(["/infer"]), () => undefined, { add: () => {}, heldForMs: () => heldMs })
  const come = (url: string, destroyed = false, key?: string) =>
    server.emit(
      "request",
      { url, method: "POST", headers: { "x-api-key": key }, socket: {} } as unknown as IncomingMessage,
      { destroyed } as ServerResponse,
    )
  return { come, through }
}

describe("the door", () => {
  it("lets requests through at once", () => {
    const { come, through } = setup(0)
    come("/infer")
    assert.deepStrictEqual(through, ["/infer"])
  })

  it("lets a key through in the next turn, whatever another has sent at once", async () => {
    const { come, through } = setup(0)
    for (let i = 0; i < 1_000; i++) come("/infer", false, "crowd")
    assert.isBelow(through.length, 100)
    come("/bystander", false, "bystander")
    await setImmediate()
    assert.include(through, "/bystander")
    assert.isBelow(through.length, 100)
  })

  it("keeps those waiting whose connection is held back, and forgets those who left", async () => {
    const { come, through } = setup(50)
    come("/infer")
    come("/left", true)
    assert.deepStrictEqual(through, [])
    while (through.length === 0) await setTimeout(5)
    assert.deepStrictEqual(through, ["/infer"])
  })

  it("answers requests that are sent behind others, and cuts off who sends a flood of them", async () => {
    const heard: Array<string> = []
    const server = createServer((request, response) => {
      heard.push(request.url ?? "")
      setTimeout(5, undefined).then(() => response.end("ok"))
    })
    guardDoor(server, new Set(), () => undefined, { add: () => {}, heldForMs: () => 0 })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    const { port } = server.address() as AddressInfo
    const client = async (requests: number, rounds: number, headers = "host: gateway\r\n") => {
      const socket = connect(port, "127.0.0.1")
      let text = ""
      socket
        .on("error", () => {})
        .on("data", (data) => {
          text += String(data)
        })
      const answered = () => text.match(/HTTP\/1.1 \d/g)?.length ?? 0
      for (let round = 1; round <= rounds && !socket.destroyed; round++) {
        socket.write(`GET / HTTP/1.1\r\n${headers}\r\n`.repeat(requests))
        while (answered() < round * requests && !socket.destroyed) await setTimeout(5)
      }
      const isCutOff = socket.destroyed
      socket.destroy()
      return { answers: answered(), isCutOff }
    }
    try {
      assert.deepStrictEqual(await client(33, 3), { answers: 99, isCutOff: false })
      heard.length = 0
      assert.deepStrictEqual(await client(5_000, 1), { answers: 0, isCutOff: true })
      await setTimeout(50)
      assert.isBelow(heard.length, 36)
      // What Node would answer by itself is no way around.
      assert.isBelow((await client(5_000, 1, "host: gateway\r\nexpect: wonders\r\n")).answers, 36)
    } finally {
      server.close()
    }
  })
})
