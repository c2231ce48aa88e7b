import { Socket } from "node:net"
import { PassThrough } from "node:stream"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterEach, beforeEach, describe, it, vi } from "vitest"
import { Refusals } from "../../src/http/Refusals.ts"

/** Turns so many requests away within a second, each on a connection of its own. */
const turnAway = async (count: number) => {
  const { add, heldForMs } = await Effect.runPromise(
    Effect.provide(Refusals.use(Effect.succeed), Refusals.layer),
  )
  const sockets = Array.from({ length: count }, () => {
    const socket = new Socket()
    add(Object.assign(new PassThrough(), { socket }))
    return socket
  })
  return () => sockets.map((socket) => heldForMs(socket))
}

describe("connections of requests that are turned away", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it("are heard while these are few", async () => {
    const held = await turnAway(200)
    assert.isTrue(held().every((ms) => ms === 0))
  })

  it("are held back for a second when these are many, but for the first ones", async () => {
    const held = await turnAway(300)
    assert.deepStrictEqual(held(), [...Array(200).fill(0), ...Array(100).fill(1_000)])
    vi.advanceTimersByTime(999)
    assert.deepStrictEqual(held(), [...Array(200).fill(0), ...Array(100).fill(1)])
    vi.advanceTimersByTime(1)
    assert.deepStrictEqual(held(), Array(300).fill(0))
  })
})
