import { Socket } from "node:net"
import { PassThrough } from "node:stream"
import { setImmediate } from "node:timers/promises"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterEach, beforeEach, describe, it, vi } from "vitest"
import { Refusals } from "../../src/http/Refusals.ts"

const response = () => {
  const made: PassThrough & { socket: Socket | null } = Object.assign(new PassThrough(), {
    socket: new Socket(),
  })
  // As Node's responses do.
  made.once("finish", () => {
    made.socket = null
  })
  return made
}

/** Turns so many requests away within a second, and returns their connections. */
const turnAway = async (count: number): Promise<ReadonlyArray<Socket>> => {
  const { add } = await Effect.runPromise(Effect.provide(Refusals.use(Effect.succeed), Refusals.layer))
  const sockets = Array.from({ length: count }, () => {
    const refused = response()
    const { socket } = refused
    add(refused)
    refused.emit("finish")
    return socket ?? new Socket()
  })
  await setImmediate()
  return sockets
}

describe("connections of requests that are turned away", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "performance"] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it("are read on while these are few", async () => {
    const sockets = await turnAway(200)
    assert.isTrue(sockets.every((socket) => !socket.isPaused()))
  })

  it("are left alone for a second when these are many, but for the first ones", async () => {
    const sockets = await turnAway(300)
    const paused = () => sockets.map((socket) => socket.isPaused())
    assert.deepStrictEqual(paused(), [...Array(200).fill(false), ...Array(100).fill(true)])
    vi.advanceTimersByTime(999)
    assert.deepStrictEqual(paused(), [...Array(200).fill(false), ...Array(100).fill(true)])
    vi.advanceTimersByTime(1)
    assert.isFalse(paused().includes(true))
  })
})
