import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { Acceptor } from "../../../src/app/workers/Acceptor.ts"
import type { HandoverToWorker } from "../../../src/platform/handover.ts"
import { eventually } from "../../support/process-watch.ts"

type Handed = Extract<HandoverToWorker, { handover: "connection" }>

let sent: Array<{ readonly worker: number; readonly message: HandoverToWorker; readonly handle: unknown }> =
  []
let acceptor: Acceptor
let clients: Array<Socket> = []
let port = 0

beforeEach(async () => {
  sent = []
  clients = []
  acceptor = new Acceptor(
    (worker, message, handle) => sent.push({ worker, message, handle }),
    () => {},
  )
  await listen(1)
  const first = sent[0] ?? assert.fail("no answer")
  assert.strictEqual(first.message.handover, "listening")
  port = first.message.handover === "listening" ? first.message.port : 0
})
afterEach(() => {
  for (const client of clients) client.destroy()
  acceptor.close()
})

const listen = async (worker: number, name = "open") => {
  acceptor.hear(worker, { handover: "listen", name, host: "127.0.0.1", port: 0 })
  await eventually(() =>
    sent.some(
      ({ message, worker: to }) =>
        to === worker && message.handover !== "connection" && message.name === name,
    ),
  )
}

const dial = async () => {
  const client = connect(port, "127.0.0.1")
  client.on("error", () => {})
  clients.push(client)
  await once(client, "connect")
  return client
}

/** Connections that were handed over, in their order: to whom. */
const handed = (): ReadonlyArray<readonly [worker: number, connection: number]> =>
  sent.flatMap(({ message, worker }) =>
    message.handover === "connection" ? [[worker, (message as Handed).connection] as const] : [],
  )

const dialled = async (count: number) => {
  const before = handed().length
  for (let i = 0; i < count; i++) await dial()
  await eventually(() => handed().length === before + count)
}

describe("Acceptor", () => {
  it("has one port for all workers and hands connections out in turn", async () => {
    await listen(2)
    await dialled(4)
    assert.deepStrictEqual(
      handed().map(([worker]) => worker),
      [1, 2, 1, 2],
    )
  })

  it("gives what a worker had not taken to the next when it dies, and nothing of what it had", async () => {
    await dialled(2)
    const [[, taken] = [0, 0]] = handed()
    acceptor.hear(1, { handover: "took", connection: taken })
    await listen(2)
    acceptor.leave(1)
    assert.deepStrictEqual(
      handed()
        .slice(2)
        .map(([worker]) => worker),
      [2],
    )
  })

  it("gives what a worker that leaves had not taken to the next, in its order, and nothing more to it", async () => {
    await dialled(3)
    const [[, taken] = [0, 0]] = handed()
    acceptor.hear(1, { handover: "took", connection: taken })
    acceptor.hear(1, { handover: "leaves", name: "open" })
    await dial()
    await listen(2)
    await eventually(() => handed().length === 6)
    await dialled(1)
    assert.deepStrictEqual(
      handed().map(([worker]) => worker),
      [1, 1, 1, 2, 2, 2, 2],
    )
    const handles = sent.flatMap(({ handle }) => handle ?? [])
    assert.strictEqual(handles[3], handles[1])
    assert.strictEqual(handles[4], handles[2])
    assert.strictEqual(new Set(handles).size, 5)
  })

  it("leaves a worker the ports that it has not left", async () => {
    await listen(1, "operators")
    acceptor.hear(1, { handover: "leaves", name: "operators" })
    await dialled(1)
    assert.strictEqual(handed()[0]?.[0], 1)
  })

  it("gives to the last one that serves a closed port, and ends what is left when that leaves", async () => {
    await dialled(1)
    await listen(2)
    acceptor.close()
    acceptor.hear(1, { handover: "leaves", name: "open" })
    assert.deepStrictEqual(
      handed().map(([worker]) => worker),
      [1, 2],
    )
    const [client = assert.fail("no client")] = clients
    const closed = once(client.resume(), "close")
    acceptor.hear(2, { handover: "leaves", name: "open" })
    await closed
  })

  it("keeps the port open without any worker, for the next one", async () => {
    acceptor.leave(1)
    await dial()
    await listen(3)
    await eventually(() => handed().length === 1)
    assert.strictEqual(handed()[0]?.[0], 3)
  })

  it("goes to others while a worker takes nothing, and comes back when it does", async () => {
    await dialled(32)
    await dial()
    await listen(2)
    await eventually(() => handed().length === 33)
    assert.strictEqual(handed()[32]?.[0], 2)
    await dialled(2)
    assert.deepStrictEqual(
      handed()
        .slice(33)
        .map(([worker]) => worker),
      [2, 2],
    )
    for (const [worker, connection] of handed().slice(0, 32)) {
      acceptor.hear(worker, { handover: "took", connection })
    }
    await dialled(2)
    assert.sameMembers(
      handed()
        .slice(35)
        .map(([worker]) => worker),
      [1, 2],
    )
  })

  it("says why it cannot listen", async () => {
    const other = new Acceptor(
      (worker, message, handle) => sent.push({ worker, message, handle }),
      () => {},
    )
    other.hear(9, { handover: "listen", name: "open", host: "127.0.0.1", port })
    await eventually(() => sent.some(({ worker }) => worker === 9))
    const answer = sent.find(({ worker }) => worker === 9)?.message
    assert.strictEqual(answer?.handover === "unable" && answer.code, "EADDRINUSE")
    other.close()
  })
})
