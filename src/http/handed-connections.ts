import type { Server } from "node:http"
import { type AddressInfo, isIPv6 } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { HandoverFromWorker, HandoverToWorker } from "../platform/handover.ts"

/** What `net.Server` has for whoever accepts its connections: how it takes one, by the handle of its socket. */
interface Accepting {
  readonly _handle?: { readonly onconnection?: (status: number, connection: unknown) => void } | null
}

/** The handle of a connection's socket. */
interface Connection {
  readonly close: () => void
}

/**
 * Has a worker's server serve the connections that its supervisor accepts. It listens on a socket that nobody knows, so
 * that to Node it is a server like any other, and takes what it is handed as if it had come from there. When it closes, it
 * leaves to others what it has not taken.
 */
export const takeHandedConnections = (server: Server & Accepting, name: string): void => {
  const listen = server.listen.bind(server)
  const close = server.close.bind(server)
  let address: AddressInfo | undefined
  const say = (message: HandoverFromWorker) => process.send?.(message, undefined, undefined, () => {})

  // Heard as long as the process lives: what was on its way when the server closed comes after that.
  process.on("message", (message: HandoverToWorker, connection: Connection | undefined): void => {
    if (!("handover" in message)) return
    switch (message.handover) {
      case "listening":
        if (message.name !== name) return
        address = {
          address: message.host,
          port: message.port,
          family: isIPv6(message.host) ? "IPv6" : "IPv4",
        }
        listen({ path: unknownPath(name), exclusive: true })
        return
      case "unable": {
        if (message.name !== name) return
        const { code } = message
        server.emit("error", Object.assign(new Error(message.message), { code }))
        return
      }
      case "connection":
        if (message.name !== name) return
        if (!server.listening) {
          // It goes to another worker, and ends for its client only when nobody else holds it.
          connection?.close()
          return
        }
        say({ handover: "took", connection: message.connection })
        // Its client may have left on the way.
        if (connection !== undefined) server._handle?.onconnection?.(0, connection)
    }
  })

  server.address = () => address ?? null
  server.listen = ((options: { readonly host: string; readonly port: number }, listening: () => void) => {
    server.once("listening", listening)
    say({ handover: "listen", name, host: options.host, port: options.port })
    return server
  }) as typeof server.listen
  server.close = (closed) => {
    say({ handover: "leaves", name })
    return close(closed)
  }
}

/** Linux has sockets without a file. */
const unknownPath = (name: string): string => {
  const unique = `llm-gateway-${process.pid}-${name}`
  return process.platform === "linux" ? `\0${unique}` : join(tmpdir(), unique)
}
