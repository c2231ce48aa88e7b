/** 300 strangers ask for the page at `/docs`, which needs no key, and never read it. */
import { setTimeout } from "node:timers/promises"
import type { Attack } from "./arena.ts"
import { openUnread } from "./unread.ts"

const CONNECTIONS = 300
const request = Buffer.from("GET /docs HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")

export const docsUnread = (): Attack => ({
  run: async ({ gateway, seconds, affordable }) => {
    const sockets = openUnread(gateway().port, request, affordable(CONNECTIONS, 1))
    await setTimeout(seconds * 1000)
    for (const socket of sockets) socket.destroy()
    return { sent: sockets.length, statuses: {} }
  },
})
