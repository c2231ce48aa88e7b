/** Requests of a soak: most whole, a fifth streamed to the end, and a fifth left by their client, streamed or not. */
import { setTimeout } from "node:timers/promises"
import { type Answer, Connection } from "./connection.ts"
import { type Address, chat, stream } from "./requests.ts"

interface Soaked {
  readonly good: number
  readonly streamed: number
  readonly left: number
  readonly failures: number
  /** Statuses of failures, 0 for a connection that was cut before its answer began. */
  readonly failedWith: Readonly<Record<number, number>>
}

const PIECES = 20
const CLIENTS = 64
/** A client leaves at any moment of the first so many milliseconds; a paced stream takes longer than that. */
const LEAVES_WITHIN_MS = 60

/** Ten kinds of request in turn. */
const KINDS = [
  "whole",
  "stream",
  "left at once",
  "whole",
  "whole",
  "left in a stream",
  "whole",
  "stream",
  "whole",
  "whole",
] as const

/** Sends so many requests as 64 clients; one whose connection was cut opens another. */
export const soakLoad = async (port: number, address: Address, requests: number): Promise<Soaked> => {
  const whole = chat(address, 1_024)
  const streamed = stream(address, PIECES, "at once")
  const paced = stream(address, PIECES, "paced")
  const count = { good: 0, streamed: 0, left: 0, failures: 0 }
  const failedWith: Record<number, number> = {}
  let next = 0

  const ask = async (connection: Connection, kind: (typeof KINDS)[number]): Promise<void> => {
    const request = kind === "stream" ? streamed : kind === "left in a stream" ? paced : whole
    const answered = new Promise<Answer>((resolve) => connection.send(request, resolve))
    if (kind === "left at once" || kind === "left in a stream") {
      count.left++
      if (kind === "left at once") await new Promise((resolve) => setImmediate(resolve))
      else await setTimeout(Math.random() * LEAVES_WITHIN_MS)
      connection.close()
      await answered
      return
    }
    const { ok, status } = await answered
    if (!ok) {
      count.failures++
      failedWith[status] = (failedWith[status] ?? 0) + 1
    } else if (kind === "stream") count.streamed++
    else count.good++
  }

  const client = async (): Promise<void> => {
    let connection = new Connection(port)
    for (let i = next++; i < requests; i = next++) {
      if (connection.closed) connection = new Connection(port)
      await ask(connection, KINDS[i % KINDS.length] ?? "whole")
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  return { ...count, failedWith }
}

/** Opens so many streams of one piece, some at a time, and returns them once each has its piece. */
export const holdStreams = async (
  port: number,
  address: Address,
  streams: number,
): Promise<ReadonlyArray<Connection>> => {
  const request = stream(address, 1, "held")
  const held: Array<Connection> = []
  const AT_ONCE = 200
  while (held.length < streams) {
    const some = Array.from({ length: Math.min(AT_ONCE, streams - held.length) }, () => {
      const connection = new Connection(port, 4_096)
      connection.send(request, () => {})
      return connection
    })
    held.push(...some)
    while (some.some((connection) => !connection.closed && connection.markers === 0)) await setTimeout(5)
  }
  return held
}
