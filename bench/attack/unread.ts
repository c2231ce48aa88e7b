/** Connections whose client sends a request and never reads a byte of the answer. */
import { connect, type Socket } from "node:net"

export const openUnread = (port: number, request: Buffer, count: number): ReadonlyArray<Socket> =>
  Array.from({ length: count }, () => {
    const socket = connect({ port, host: "127.0.0.1" })
    // Before it is connected: a socket that is not paused then reads ahead.
    socket.pause()
    socket.on("error", () => socket.destroy())
    socket.write(request)
    return socket
  })
