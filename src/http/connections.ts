import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"

const COMMENT = ":\n\n"

/**
 * Most answers are out before the first probe. What a client answers to that shows with the second: whoever has stopped
 * reading does not see a reset come.
 */
const FIRST_PROBES_MS = [100, 200]
const PROBE_EVERY_MS = 1_000

/**
 * What the server does about connections whose client does not behave as one that asks, waits and reads.
 *
 * - A client may end its side after the request and still wait for the answer; on the wire this looks exactly like a
 *   client that went away. Node would give up on both. Here the request goes on, and the client is sent something
 *   harmless now and again: one that is gone resets the connection, the next write fails, and that interrupts the
 *   request.
 * - A client that takes nothing of an answer for `stalledMs` is cut off: it would hold its request's slot, and the
 *   provider or a duplicate's stream behind it, for as long as it likes.
 */
export const watchConnections = (server: Server, stalledMs: number): void => {
  // Not in the documentation, nor in the types: without it Node closes its own side of a half-open connection too.
  Object.assign(server, { httpAllowHalfOpen: true })
  /** Answers that are not out yet, in the order of their requests. */
  const waiting = new WeakMap<Socket, Set<ServerResponse>>()

  server.on("connection", (socket) => {
    const responses = new Set<ServerResponse>()
    waiting.set(socket, responses)
    socket.on("end", () => keepProbing(socket, responses))
  })
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    const responses = waiting.get(socket)
    responses?.add(response)
    response.once("close", () => responses?.delete(response))
  })

  // Of the socket's inactivity: with an answer still to be made that is nobody's fault but the provider's.
  server.setTimeout(stalledMs)
  server.on("timeout", (socket) => {
    if (socket.writableLength > 0 || waiting.get(socket)?.size === 0) socket.destroy()
  })
}

const keepProbing = (socket: Socket, responses: ReadonlySet<ServerResponse>): void => {
  const probeFirst = () => {
    for (const response of responses) {
      probe(response)
      break
    }
  }
  const timers = FIRST_PROBES_MS.map((ms) => setTimeout(probeFirst, ms))
  const interval = setInterval(probeFirst, PROBE_EVERY_MS)
  socket.once("close", () => {
    for (const timer of timers) clearTimeout(timer)
    clearInterval(interval)
  })
}

/** A head that is out is followed by its body at once, unless that is a stream. HTTP/1.0 knows no interim responses. */
const probe = (response: ServerResponse): void => {
  if (response.headersSent) {
    if (!response.writableEnded) response.write(COMMENT)
  } else if (response.req.httpVersionMinor > 0) response.writeProcessing()
}
