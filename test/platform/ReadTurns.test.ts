import { setImmediate } from "node:timers/promises"
import { assert, describe, it } from "vitest"
import { ReadTurns } from "../../src/platform/ReadTurns.ts"

const CHUNK = 64 * 1024

/** A socket with endless bytes, which is read while it may be. */
const endless = (turns: ReadTurns) => {
  const socket = { chunks: 0 }
  const read = (): void => {
    do socket.chunks += 1
    while (turns.goesOn(CHUNK, read))
  }
  return { socket, read }
}

describe("read turns", () => {
  it("bound what is read in a turn of the loop, from all sockets together, and read all of them evenly", async () => {
    const turns = new ReadTurns()
    const sockets = Array.from({ length: 40 }, () => endless(turns))
    for (const { read } of sockets) read()
    const total = () => sockets.reduce((sum, { socket }) => sum + socket.chunks, 0)
    // Each brings one before it hears that there is no room.
    assert.isAtMost(total(), 16 + sockets.length)
    for (let turn = 0; turn < 200; turn++) {
      const before = total()
      await setImmediate()
      assert.isAtMost(total() - before, 32)
      assert.isAtLeast(total() - before, 16)
    }
    const counts = sockets.map(({ socket }) => socket.chunks)
    assert.isAbove(Math.min(...counts), Math.max(...counts) / 3)
  })

  it("let small chunks through", () => {
    const turns = new ReadTurns()
    const paused = () => assert.fail("was never paused")
    for (let i = 0; i < 10_000; i++) assert.isTrue(turns.goesOn(1_000, paused))
  })
})
