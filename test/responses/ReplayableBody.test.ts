import type { Readable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { ReplayableBody } from "../../src/responses/ReplayableBody.ts"

const budget = (bytesPerStream: number, bytesLeft = Number.POSITIVE_INFINITY) => ({
  bytesPerStream,
  bytesLeft,
  take(bytes: number) {
    if (bytes > this.bytesLeft) return false
    this.bytesLeft -= bytes
    return true
  },
  give(bytes: number) {
    this.bytesLeft += bytes
  },
})
const MANY = budget(1024 * 1024)

const event = (n: number, bytes = 100): Buffer =>
  Buffer.from(`data: ${n} `.padEnd(bytes - 2, "x").concat("\n\n"))

const END = Buffer.from("data: [DONE]\n\n")

/** Everything a reader gets from here to its end. */
const all = async (readable: Readable): Promise<string> => {
  let text = ""
  for await (const chunk of readable) text += chunk
  return text
}

/** Lets stream callbacks run. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe("readers", () => {
  it("each see every event from the first on, whenever they come", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.constant("join" as const), fc.integer({ min: 1, max: 5_000 })), {
          maxLength: 40,
        }),
        async (steps) => {
          const body = new ReplayableBody(MANY)
          const readers: Array<Promise<string>> = [all(body.read())]
          let written = ""
          for (const [n, step] of steps.entries()) {
            if (step === "join") readers.push(all(body.read()))
            else {
              const next = event(n, step + 20)
              written += next
              assert.isTrue(body.write(next))
            }
            if (n % 3 === 0) await turn()
          }
          body.end(END)
          readers.push(all(body.read()))
          body.deliver()
          written += END
          assert.deepStrictEqual(
            await Promise.all(readers),
            readers.map(() => written),
          )
          assert.strictEqual(Buffer.from(body.bytes() ?? []).toString(), written)
        },
      ),
      { numRuns: 50 },
    )
  })

  it("hold the writer up when they are slow, and let it go on when they have caught up", async () => {
    const body = new ReplayableBody()
    let room = 0
    body.onRoom = () => {
      room++
    }
    const reader = body.read()
    reader.read(0)
    await turn()
    let written = 0
    while (body.write(event(written))) written++
    // What is kept for the client is bounded: its own buffer and one window.
    assert.isBelow(written * 100, 100 * 1024)
    assert.strictEqual(room, 0)
    reader.resume()
    await turn()
    assert.strictEqual(room, 1)
    assert.isTrue(body.write(event(0)))
  })

  it("that leave do not hold the writer up any more", async () => {
    const body = new ReplayableBody(budget(1))
    let room = 0
    body.onRoom = () => {
      room++
    }
    const reader = body.read()
    reader.read(0)
    await turn()
    while (body.write(event(0))) {}
    reader.destroy()
    await turn()
    assert.strictEqual(room, 1)
    for (let n = 0; n < 10_000; n++) assert.isTrue(body.write(event(n)))
  })

  it("of a stream for one are waited for", async () => {
    const body = new ReplayableBody()
    let written = ""
    while (body.write(event(written.length))) written += event(written.length)
    const reader = all(body.read())
    body.end(END)
    assert.isTrue((await reader).startsWith(written))
  })
})

describe("the end", () => {
  it("waits to be delivered when there may be repetitions, and does not when there are none", async () => {
    const seen = (body: ReplayableBody) => {
      const reader = body.read()
      let text = ""
      reader.on("data", (chunk) => {
        text += chunk
      })
      return () => [text, reader.readableEnded]
    }
    const [once, repeated] = [new ReplayableBody(), new ReplayableBody(MANY)]
    const [ofOnce, ofRepeated] = [seen(once), seen(repeated)]
    for (const body of [once, repeated]) {
      body.write(event(1))
      body.end(END)
    }
    await turn()
    assert.deepStrictEqual(ofOnce(), [`${event(1)}${END}`, true])
    assert.deepStrictEqual(ofRepeated(), [`${event(1)}`, false])
    assert.strictEqual(Buffer.from(repeated.bytes() ?? []).toString(), `${event(1)}${END}`)
    repeated.deliver()
    await turn()
    assert.deepStrictEqual(ofRepeated(), [`${event(1)}${END}`, true])
  })
})

describe("past the replay limit", () => {
  it("the stream goes on for those who read it, and nobody new can read or store it", async () => {
    // An event of 100 bytes takes 228.
    const body = new ReplayableBody(budget(1_000))
    const early = all(body.read())
    let written = ""
    for (let n = 0; n < 100; n++) {
      assert.strictEqual(body.replayable, written.length <= 400, `after ${written.length}`)
      written += event(n)
      body.write(event(n))
      await turn()
    }
    assert.isUndefined(body.bytes())
    const late = body.read()
    const failed = new Promise<Error>((resolve) => late.once("error", resolve))
    late.resume()
    assert.match((await failed).message, /gone/)
    body.end(END)
    body.deliver()
    assert.strictEqual(await early, written + END)
  })
})

describe("the room for replays", () => {
  it("is shared by all streams, and free again when one is released", async () => {
    const shared = budget(100_000, 1_000)
    const [one, two] = [new ReplayableBody(shared), new ReplayableBody(shared)]
    for (let n = 0; n < 3; n++) one.write(event(n))
    for (let n = 0; n < 3; n++) two.write(event(n))
    assert.deepStrictEqual([one.replayable, two.replayable], [true, false])
    one.release()
    two.release()
    assert.strictEqual(shared.bytesLeft, 1_000)
    assert.isTrue(one.replayable)
  })

  it("is given back by what grows out of it", () => {
    const shared = budget(500)
    shared.bytesLeft = 1_000
    const body = new ReplayableBody(shared)
    for (let n = 0; n < 3; n++) body.write(event(n))
    assert.isFalse(body.replayable)
    assert.strictEqual(shared.bytesLeft, 1_000)
  })
})

describe("keep-alive comments", () => {
  it("reach readers that wait, between events, and are not kept", async () => {
    const body = new ReplayableBody(MANY)
    const reader = all(body.read())
    body.write(event(1))
    await turn()
    body.keepAlive()
    body.write(event(2))
    body.end(END)
    body.deliver()
    assert.strictEqual(await reader, `${event(1)}: keep-alive\n\n${event(2)}${END}`)
    assert.strictEqual(Buffer.from(body.bytes() ?? []).toString(), `${event(1)}${event(2)}${END}`)
  })
})
