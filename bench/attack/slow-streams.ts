/** One key opens streams that say one word and then nothing, until it has every slot; its limit allows as many. */
import { setTimeout } from "node:timers/promises"
import { Connection } from "../connection.ts"
import { stream } from "../requests.ts"
import type { Attack } from "./arena.ts"
import { chatAs } from "./keys.ts"

/** What 600 a minute open in two minutes, in some seconds: streams last for ten minutes. */
const STREAMS = 1_200
const OPENED_EVERY_MS = 10
/** The part of the time in which they are opened; then they are all held. */
const OPENING = 0.6

export const slowStreams = (): Attack => ({
  run: async ({ gateway, seconds, affordable, key }) => {
    const request = stream(chatAs(await key()), 1, "held")
    const statuses: Record<number, number> = {}
    const connections: Array<Connection> = []
    const streams = affordable(STREAMS, 2)
    const endAt = performance.now() + seconds * 1000
    const steps = (seconds * 1000 * OPENING) / OPENED_EVERY_MS
    for (let step = 1; step <= steps && performance.now() < endAt; step++) {
      while (connections.length < (streams * step) / steps) {
        const connection = new Connection(gateway().port, 4_096)
        connections.push(connection)
        connection.send(request, ({ status }) => {
          statuses[status] = (statuses[status] ?? 0) + 1
        })
      }
      await setTimeout(OPENED_EVERY_MS)
    }
    await setTimeout(Math.max(0, endAt - performance.now()))
    for (const connection of connections) connection.close()
    return { sent: connections.length, statuses }
  },
})
