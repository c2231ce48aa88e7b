/** One key of one request a minute opens more requests than there are slots, sends half a body of each and waits. */
import { setTimeout } from "node:timers/promises"
import { Connection } from "../connection.ts"
import { chat } from "../requests.ts"
import type { Attack } from "./arena.ts"
import { chatAs } from "./keys.ts"

const CONNECTIONS = 1_005

export const halfBodies = (): Attack => ({
  run: async ({ gateway, seconds, affordable, key }) => {
    const whole = chat(chatAs(await key(1)), 20_000)
    const half = { ...whole, bytes: whole.bytes.subarray(0, whole.bytes.length / 2) }
    const statuses: Record<number, number> = {}
    const connections = Array.from({ length: affordable(CONNECTIONS, 1) }, () => {
      const connection = new Connection(gateway().port, 4_096)
      connection.send(half, ({ status }) => {
        statuses[status] = (statuses[status] ?? 0) + 1
      })
      return connection
    })
    await setTimeout(seconds * 1000)
    const answered = { ...statuses }
    for (const connection of connections) connection.close()
    return { sent: connections.length, statuses: answered }
  },
})
