import { EventEmitter } from "node:events"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
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
})
