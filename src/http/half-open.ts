import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"

const COMMENT = ":\n\n"

/** The answer to the first probe shows with the second: whoever has stopped reading does not see a reset come. */
const SECOND_PROBE_MS = 100
const PROBE_EVERY_MS = 1_000

/**
 * A client may end its side of the connection after the request and still wait for the answer; on the wire this
 * looks exactly like a client that went away. Node would give up on both. Here the request goes on, and the client
 * is sent something harmless now and again: one that is gone resets the connection, the next write fails, and that
 * interrupts the request.
 */
export const serveHalfOpen = (server: Server): void => {
  // Not in the documentation, nor in the types: without it Node closes its own side too.
  Object.assign(server, { httpAllowHalfOpen: true })
  const current = new WeakMap<Socket, ServerResponse>()
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    current.set(request.socket, response)
  })
  server.on("connection", (socket) => {
    socket.on("end", () => {
      const response = current.get(socket)
      if (response !== undefined && !response.writableEnded) keepProbing(response)
    })
  })
}

const keepProbing = (response: ServerResponse): void => {
  let timer: NodeJS.Timeout | undefined
  const next = (afterMs: number): void => {
    probe(response)
    timer = setTimeout(() => next(PROBE_EVERY_MS), afterMs)
  }
  response.once("close", () => clearTimeout(timer))
  next(SECOND_PROBE_MS)
}

const probe = (response: ServerResponse): void => {
  if (!response.headersSent) response.writeProcessing()
  // With its head out and its end to come it is a stream of events: everything else is written in one piece.
  else if (!response.writableEnded) response.write(COMMENT)
}
