import { createServer, type Socket } from "node:net"

/**
 * Lets many connections share the one backend of an embedded PostgreSQL over a Unix socket.
 *
 * A backend is one session: its unnamed statement, portal and transaction belong to whoever speaks. So messages are
 * not forwarded as they come. A connection's messages are collected up to a Sync (or a simple query) and run as one
 * unit, and until the backend reports ReadyForQuery "idle" no other connection's unit runs: transactions wait for
 * each other and never mix. A connection that dies or idles inside a transaction is rolled back.
 *
 * Differences from a server: session state (SET, LISTEN, temporary tables) is common to all connections, a cancel
 * request does nothing, and notifications go to every connection (clients drop channels they do not listen on).
 */
interface WireServerOptions {
  readonly path: string
  /** Runs protocol messages to their end and gives what the backend answers. A throw is fatal: see `onFatal`. */
  readonly execute: (messages: Uint8Array) => Uint8Array
  readonly onFatal: (cause: unknown) => void
  /** Milliseconds that a connection may hold the backend inside a transaction without asking anything. */
  readonly transactionIdleMs: number
}

interface WireServer {
  /** Gives connections `graceMs` to leave by themselves, then cuts them. */
  readonly close: (graceMs: number) => Promise<void>
}

interface Connection {
  readonly socket: Socket
  started: boolean
  /** Bytes received that are not yet part of a unit. */
  input: Buffer
  /** Length of the complete messages at the start of `input`, which wait for their Sync. */
  scanned: number
  readonly units: Array<Uint8Array>
  idleTimer: NodeJS.Timeout | undefined
}

const MAX_CONNECTIONS = 100
const MAX_BUFFERED_BYTES = 64 * 1024 * 1024

export async function listen(options: WireServerOptions): Promise<WireServer> {
  const connections = new Set<Connection>()
  /** Connections with a unit to run, in order of arrival; the owner is not among them. */
  const waiting: Array<Connection> = []
  let owner: Connection | undefined
  let dead = false
  let lastLeft = () => {}

  const greeting = Buffer.from(options.execute(startupMessage()))

  const execute = (messages: Uint8Array): Buffer => {
    try {
      const output = Buffer.from(options.execute(messages))
      // After a fault inside the backend the answer just stops; its state cannot be trusted any more.
      if (endsWithSync(messages) && !endsReady(output)) throw new Error("The embedded backend gave no answer")
      return output
    } catch (cause) {
      dead = true
      options.onFatal(cause)
      return Buffer.alloc(0)
    }
  }

  const run = () => {
    while (!dead) {
      const connection = owner ?? waiting.shift()
      if (connection === undefined) return
      clearTimeout(connection.idleTimer)
      const unit = connection.units.shift()
      if (unit === undefined) {
        connection.idleTimer = setTimeout(() => evict(connection), options.transactionIdleMs)
        return
      }
      const output = execute(unit)
      owner = endsReady(output) && output.at(-1) === IDLE_STATUS ? undefined : connection
      deliver(connection, output)
      if (owner === undefined && connection.units.length > 0) waiting.push(connection)
    }
  }

  const deliver = (connection: Connection, output: Buffer) => {
    const notifications = framesOf(output).filter((frame) => frame[0] === Message.notification)
    if (notifications.length === 0) {
      write(connection, output)
      return
    }
    write(connection, Buffer.concat(framesOf(output).filter((frame) => frame[0] !== Message.notification)))
    for (const other of connections) if (other.started) write(other, Buffer.concat(notifications))
  }

  /** Writes, and reads nothing more from a slow reader until it caught up, so that its bytes stay bounded. */
  const write = ({ socket }: Connection, bytes: Buffer) => {
    if (socket.writable && bytes.length > 0 && !socket.write(bytes)) {
      socket.pause()
      socket.once("drain", () => socket.resume())
    }
  }

  const evict = (connection: Connection) => {
    write(connection, errorResponse("FATAL", "25P03", "idle in a transaction for too long"))
    connection.socket.destroy()
  }

  const leave = (connection: Connection) => {
    clearTimeout(connection.idleTimer)
    connections.delete(connection)
    connection.units.length = 0
    const place = waiting.indexOf(connection)
    if (place >= 0) waiting.splice(place, 1)
    if (owner === connection) {
      // The first ROLLBACK is skipped by a backend that waits for a Sync after an error, the second then counts.
      execute(Buffer.concat([simpleQuery("ROLLBACK"), frame(Message.sync), simpleQuery("ROLLBACK")]))
      owner = undefined
      run()
    }
    if (connections.size === 0) lastLeft()
  }

  const receive = (connection: Connection, data: Buffer) => {
    connection.input = connection.input.length === 0 ? data : Buffer.concat([connection.input, data])
    if (connection.input.length > MAX_BUFFERED_BYTES) connection.socket.destroy()
    if (connection.socket.destroyed || !(connection.started || start(connection))) return
    collect(connection)
    if (connection.units.length === 0) return
    if (owner !== connection && !waiting.includes(connection)) waiting.push(connection)
    run()
  }

  /** Reads the untyped messages before the first query; true once the connection may query. */
  const start = (connection: Connection): boolean => {
    while (connection.input.length >= 8) {
      const length = connection.input.readInt32BE(0)
      if (connection.input.length < length) return false
      const code = connection.input.readInt32BE(4)
      connection.input = connection.input.subarray(length)
      if (code === Startup.tls || code === Startup.gss) {
        connection.socket.write("N")
      } else if (code === Startup.version3) {
        connection.started = true
        write(connection, greeting)
        return true
      } else {
        connection.socket.destroy()
        return false
      }
    }
    return false
  }

  const collect = (connection: Connection) => {
    const { input } = connection
    let unitEnd = 0
    while (input.length >= connection.scanned + 5) {
      const type = input[connection.scanned]
      const length = input.readInt32BE(connection.scanned + 1)
      if (type === Message.terminate || length < 4) {
        connection.socket.destroy()
        return
      }
      if (input.length < connection.scanned + 1 + length) break
      connection.scanned += 1 + length
      // Parse, Bind, Describe, Execute and Close wait for the Sync that ends their cycle; the rest needs an answer.
      if (type !== undefined && !EXTENDED_QUERY.has(type)) unitEnd = connection.scanned
    }
    if (unitEnd === 0) return
    connection.units.push(new Uint8Array(input.subarray(0, unitEnd)))
    connection.input = input.subarray(unitEnd)
    connection.scanned -= unitEnd
  }

  const server = createServer((socket) => {
    const connection: Connection = {
      socket,
      started: false,
      input: Buffer.alloc(0),
      scanned: 0,
      units: [],
      idleTimer: undefined,
    }
    connections.add(connection)
    socket.on("data", (data: Buffer) => receive(connection, data))
    socket.on("error", () => socket.destroy())
    socket.on("close", () => leave(connection))
  })
  server.maxConnections = MAX_CONNECTIONS
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(options.path, resolve)
  })

  const allLeft = (withinMs: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs)
      lastLeft = () => {
        clearTimeout(timer)
        resolve()
      }
      if (connections.size === 0) lastLeft()
    })

  return {
    close: async (graceMs) => {
      await allLeft(graceMs)
      for (const { socket } of connections) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const Startup = { version3: 196608, tls: 80877103, gss: 80877104 }

const Message = {
  sync: "S".charCodeAt(0),
  query: "Q".charCodeAt(0),
  terminate: "X".charCodeAt(0),
  notification: "A".charCodeAt(0),
  readyForQuery: "Z".charCodeAt(0),
  error: "E".charCodeAt(0),
}

const EXTENDED_QUERY: ReadonlySet<number> = new Set(Buffer.from("PBDEC"))

function frame(type: number, body: Uint8Array = new Uint8Array()): Buffer {
  const header = Buffer.alloc(5)
  header[0] = type
  header.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([header, body])
}

function simpleQuery(sql: string): Buffer {
  return frame(Message.query, Buffer.from(`${sql}\0`))
}

/** Returns a client's first message; the greeting that follows proves that the server has taken the connection. */
export function startupMessage(): Buffer {
  const body = Buffer.from("user\0postgres\0\0")
  const header = Buffer.alloc(8)
  header.writeInt32BE(body.length + 8, 0)
  header.writeInt32BE(Startup.version3, 4)
  return Buffer.concat([header, body])
}

function errorResponse(severity: string, code: string, message: string): Buffer {
  return frame(Message.error, Buffer.from(`S${severity}\0V${severity}\0C${code}\0M${message}\0\0`))
}

/** Recognizes ReadyForQuery, which ends the answer to a Sync or a simple query; its byte tells of a transaction. */
function endsReady(output: Buffer): boolean {
  return output.length >= 6 && output[output.length - 6] === Message.readyForQuery
}

function endsWithSync(messages: Uint8Array): boolean {
  return messages.length >= 5 && messages[messages.length - 5] === Message.sync && messages.at(-1) === 4
}

const IDLE_STATUS = "I".charCodeAt(0)

function framesOf(output: Buffer): Array<Buffer> {
  const frames: Array<Buffer> = []
  for (let at = 0; at + 5 <= output.length; ) {
    const end = at + 1 + output.readInt32BE(at + 1)
    frames.push(output.subarray(at, end))
    at = end
  }
  return frames
}
