import { createServer, type Server, type Socket } from "node:net"
import { codeOf } from "../../platform/error-code.ts"
import { getOrInsert } from "../../platform/get-or-insert.ts"
import type { HandoverFromWorker, HandoverToWorker } from "../../platform/handover.ts"

/** Connections that a worker was given and has not taken: with as many it is busy, and others come first. */
const MAX_UNTAKEN = 32

/** Connections that wait for a worker; above it a client is sent away. */
const MAX_WAITING = 4_096

/** Private parts of Node's sockets: what can be sent to another process, and how long the kernel's queue is. */
interface Handled {
  readonly _handle?: { readonly listen?: (queue: number) => number } | null
}

type Listen = Extract<HandoverFromWorker, { readonly handover: "listen" }>

/** A connection that no worker has taken yet. */
interface Handed {
  readonly port: Port
  readonly socket: Socket & Handled
}

/** An address, and the workers that serve it. */
interface Port {
  readonly name: string
  readonly server: Server & Handled
  /** In turn: the first is next. */
  readonly takers: Array<number>
  readonly waiting: Array<Socket & Handled>
  readonly opened: Promise<HandoverToWorker>
}

/**
 * Accepts the connections of all workers, and hands each to one of them: in turn, but for those who do not take what they
 * were given. What a worker had not taken when it left or died goes to the next, and the port stays open as long as this
 * does.
 */
export class Acceptor {
  readonly #send: (worker: number, message: HandoverToWorker, handle?: unknown) => void
  readonly #served: () => void
  readonly #ports = new Map<string, Port>()
  /** By number of the connection, for each worker. */
  readonly #untaken = new Map<number, Map<number, Handed>>()
  #connections = 0

  /** `served` hears of each worker that begins to take connections. */
  constructor(
    send: (worker: number, message: HandoverToWorker, handle?: unknown) => void,
    served: () => void,
  ) {
    this.#send = send
    this.#served = served
  }

  hear(worker: number, message: HandoverFromWorker): void {
    switch (message.handover) {
      case "took":
        this.#took(worker, message.connection)
        return
      case "leaves":
        this.#leave(worker, message.name)
        return
      case "listen":
        this.#listen(worker, message)
    }
  }

  /** Hears of a worker's end. */
  leave(worker: number): void {
    for (const name of this.#ports.keys()) this.#leave(worker, name)
    this.#untaken.delete(worker)
  }

  /** Lets nobody into the queue of connections any more: closing it would reset who is in it. */
  closeTheQueue(): void {
    for (const { server } of this.#ports.values()) server._handle?.listen?.(0)
  }

  close(): void {
    for (const { server, waiting } of this.#ports.values()) {
      server.close()
      destroyAll(waiting)
    }
  }

  #listen(worker: number, { host, name, port: number }: Listen): void {
    const port = getOrInsert(this.#ports, name, () => this.#open(name, host, number))
    void port.opened.then((answer) => {
      this.#send(worker, answer)
      if (answer.handover !== "listening") return
      port.takers.push(worker)
      this.#served()
      this.#handOut(port)
    })
  }

  #leave(worker: number, name: string): void {
    const port = this.#ports.get(name)
    if (port === undefined) return
    const at = port.takers.indexOf(worker)
    if (at >= 0) port.takers.splice(at, 1)
    const untaken = this.#untaken.get(worker) ?? new Map<number, Handed>()
    const own = [...untaken].filter(([, handed]) => handed.port === port)
    for (const [connection] of own) untaken.delete(connection)
    port.waiting.unshift(...own.map(([, { socket }]) => socket))
    this.#handOut(port)
    // Nobody comes any more to one that is closed.
    if (port.takers.length === 0 && !port.server.listening) destroyAll(port.waiting)
  }

  #open(name: string, host: string, number: number): Port {
    const server: Server & Handled = createServer({
      pauseOnConnect: true,
      noDelay: true,
      allowHalfOpen: true,
    })
    const opened = new Promise<HandoverToWorker>((resolve) => {
      server.once("error", (error) =>
        resolve({ handover: "unable", name, code: codeOf(error), message: error.message }),
      )
      server.listen({ host, port: number, exclusive: true }, () => {
        const address = server.address()
        if (address === null || typeof address === "string") return
        resolve({ handover: "listening", name, host: address.address, port: address.port })
      })
    })
    const port: Port = { name, server, takers: [], waiting: [], opened }
    server.on("connection", (socket: Socket & Handled) => {
      // The client has nobody to tell it yet.
      socket.on("error", () => {})
      if (port.waiting.length >= MAX_WAITING) socket.destroy()
      else port.waiting.push(socket)
      this.#handOut(port)
    })
    return port
  }

  #handOut(port: Port): void {
    while (port.waiting.length > 0) {
      const at = port.takers.findIndex((worker) => (this.#untaken.get(worker)?.size ?? 0) < MAX_UNTAKEN)
      const [worker] = at < 0 ? [] : port.takers.splice(at, 1)
      if (worker === undefined) return
      port.takers.push(worker)
      const socket = port.waiting.shift()
      if (socket?._handle == null) continue
      this.#connections += 1
      const connection = this.#connections
      getOrInsert(this.#untaken, worker, () => new Map<number, Handed>()).set(connection, { port, socket })
      this.#send(worker, { handover: "connection", name: port.name, connection }, socket._handle)
    }
  }

  #took(worker: number, connection: number): void {
    const untaken = this.#untaken.get(worker)
    const handed = untaken?.get(connection)
    if (untaken === undefined || handed === undefined) return
    untaken.delete(connection)
    // The worker has one of its own.
    handed.socket.destroy()
    this.#handOut(handed.port)
  }
}

const destroyAll = (sockets: ReadonlyArray<Socket>): void => {
  for (const socket of sockets) socket.destroy()
}
