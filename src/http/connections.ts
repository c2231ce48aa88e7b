import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Writable } from "node:stream"

/**
 * Watches a server's connections. `onClosed` hears of every exchange once: after its response, or when its client left.
 *
 * A client that takes nothing of an answer for `stalledMs` is cut off: it would hold its request's slot, and the
 * provider or a duplicate's stream behind it, for as long as it likes.
 */
export const watchConnections = (
  server: Server,
  stalledMs: number,
  onClosed: (request: IncomingMessage, response: ServerResponse, startedAt: number) => void,
): void => {
  /** Number of answers that are not out yet. */
  const pending = new WeakMap<Socket, number>()

  const watch = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request
    const startedAt = performance.now()
    pending.set(socket, (pending.get(socket) ?? 0) + 1)
    response.once("close", () => {
      pending.set(socket, (pending.get(socket) ?? 1) - 1)
      onClosed(request, response, startedAt)
    })
  }
  server.on("request", watch)
  // Node tells of a request with `Expect: 100-continue` by this event only.
  server.on("checkContinue", watch)

  // The socket's inactivity: with an answer still to be made that is the provider's doing and not the client's.
  server.setTimeout(stalledMs)
  server.on("timeout", (socket) => {
    if (socket.writableLength > 0 || (pending.get(socket) ?? 0) === 0) socket.destroy()
  })
}

/** Runs `action` once, when the response is over: sent to its end, or given up. */
export const whenClosed = (response: Writable, action: () => void): void => {
  if (response.destroyed) action()
  else response.once("close", action)
}
