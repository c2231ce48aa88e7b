import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Writable } from "node:stream"
import { LinkedSet } from "../platform/LinkedSet.ts"
import { remembered } from "../platform/remembered.ts"
import { FairTurns } from "./FairTurns.ts"

/** A request that was answered before its end may end for so long; its client is reading the answer meanwhile. */
const REST_OF_REQUEST_MS = 10_000

/**
 * A server that closes lets go of a connection when it has been idle for so long: whoever has just sent a request on it
 * could not tell whether that was read. Clients in full swing learn of the closing from their next answer.
 */
const IDLE_AT_CLOSE_MS = 3_000

/** A connection that another protocol has, or was refused, and that ended here may be ended by its client for so long. */
const ENDED_MS = 5_000

/** Clients that left before their answer's end, of whom this many are seen off in one turn of the event loop. */
const DEPARTURES_PER_TURN = 8

/** Parts of the time that a client may stall in which its connection is looked at. */
const LOOKS = 10

/**
 * Watches a server's connections. `onClosed` hears of every exchange once: after its response, or when its client left.
 *
 * A client that takes nothing of an answer for `stalledMs` is cut off: it would hold its request's place, and the
 * provider or a duplicate's stream behind it, for as long as it likes. So is one that does not end a request that was
 * answered already.
 */
export const watchConnections = (
  server: Server,
  stalledMs: number,
  onClosed: (request: IncomingMessage, response: ServerResponse, startedAt: number) => void,
): void => {
  const connections = new LinkedSet<Connection>()
  const departures = new FairTurns(DEPARTURES_PER_TURN)
  let closing = false

  const watch = (request: IncomingMessage, response: ServerResponse): void => {
    const startedAt = performance.now()
    const connection = connectionOf(request.socket)
    connection.answers += 1
    if (closing) response.shouldKeepAlive = false
    response.once("close", () => {
      connection.answers -= 1
      if (!request.complete) connection.unfinished = { request, since: performance.now() }
      onClosed(request, response, startedAt)
    })
  }

  const connectionOf = remembered((socket: Socket): Connection => {
    const connection = new Connection(socket)
    const link = connections.add(connection)
    socket.once("close", () => connections.delete(link))
    departInTurn(connection, departures)
    return connection
  })
  server.on("connection", connectionOf)
  server.on("request", watch)
  // Node tells of a request with `Expect: 100-continue` by this event only.
  server.on("checkContinue", watch)
  // Another protocol from here on, which ends with the connection.
  server.on("upgrade", ({ socket }) => {
    const connection = connectionOf(socket)
    connection.answers += 1
    connection.isUpgraded = true
  })

  // Node calls it when it closes, for all that have no request: also for those whose request is on its way. Not before
  // the port is closed is a client told that an answer is its connection's last, for it would come again at once.
  server.closeIdleConnections = () => {
    closing = true
  }

  const timer = setInterval(
    () => {
      const now = performance.now()
      connections.forEach((connection) => {
        if (
          connection.stalledMs(now) >= stalledMs ||
          connection.restMs(now) >= REST_OF_REQUEST_MS ||
          connection.endedMs(now) >= ENDED_MS ||
          connection.idleMs(now, closing) >= IDLE_AT_CLOSE_MS
        )
          connection.socket.destroy()
      })
    },
    Math.min(stalledMs / LOOKS, 250),
  )
  server.once("close", () => clearInterval(timer))
}

/**
 * Lets a socket tell of its end in its turn when it has an answer under way, which is then stopped and recorded: a thousand
 * clients that leave at once would have all others wait for that.
 */
const departInTurn = (connection: Connection, departures: FairTurns): void => {
  const { socket } = connection
  const emit = socket.emit.bind(socket)
  socket.emit = (...event: Parameters<Socket["emit"]>): boolean => {
    const waits =
      event[0] === "close" && connection.answers > 0 && departures.take("", () => void emit(...event))
    return waits || emit(...event)
  }
}

class Connection {
  readonly socket: Socket
  /** Answers that are not out yet. */
  answers = 0
  /** Another protocol has it, or was refused. */
  isUpgraded = false
  unfinished: { readonly request: IncomingMessage; readonly since: number } | undefined
  readonly #progress = new Standstill()
  readonly #read = new Standstill()
  readonly #ended = new Standstill()

  constructor(socket: Socket) {
    this.socket = socket
  }

  /** Milliseconds for which the client has taken nothing of what waits for it. */
  stalledMs(now: number): number {
    const waits = this.answers > 0 && this.socket.writableLength > 0
    return this.#progress.lastsMs(waits ? progressOf(this.socket) : undefined, now)
  }

  /** Milliseconds since the server began to close for which nobody has asked anything on it. */
  idleMs(now: number, closing: boolean): number {
    return this.#read.lastsMs(closing && this.answers === 0 ? this.socket.bytesRead : undefined, now)
  }

  /**
   * Milliseconds since another protocol ended here. Nobody reads what was sent behind a refused one, and so nobody would see the
   * connection's end behind it.
   */
  endedMs(now: number): number {
    return this.#ended.lastsMs(this.isUpgraded && this.socket.writableFinished ? 0 : undefined, now)
  }

  /** Milliseconds for which the rest of a request that was answered has been missing. */
  restMs(now: number): number {
    if (this.unfinished === undefined) return 0
    if (!this.unfinished.request.complete) return now - this.unfinished.since
    this.unfinished = undefined
    return 0
  }
}

/** Measures for how long a number has stayed what it is. */
class Standstill {
  #value: number | undefined
  #since = 0

  /** Milliseconds since the value was first seen; 0 for undefined, which is no standstill. */
  lastsMs(value: number | undefined, now: number): number {
    if (value === undefined || value !== this.#value) this.#since = now
    this.#value = value
    return now - this.#since
  }
}

/**
 * Returns a number that changes only when a socket's client takes something: what was written completely, less what is
 * left of the write under way. The socket's own timer is no help, for every event of a stream sets it back.
 */
const progressOf = (
  socket: Socket & { readonly _handle?: { readonly writeQueueSize?: number } | null },
): number => socket.bytesWritten - socket.writableLength - (socket._handle?.writeQueueSize ?? 0)

/** Runs `action` once, when the response is over: sent to its end, or given up. */
export const whenClosed = (response: Writable, action: () => void): void => {
  if (response.destroyed) action()
  else response.once("close", action)
}
