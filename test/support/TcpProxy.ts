import { connect, createServer, type Server, type Socket } from "node:net"

/**
 * What stands between a gateway and its database when that is far away, slow or unreachable. Each chunk is held for
 * `latencyMs` in each direction; they keep their order.
 */
export class TcpProxy {
  static async start(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve))
    return proxy
  }

  latencyMs = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #refuses = false

  private constructor({ host, port }: { readonly host: string; readonly port: number }) {
    this.#server = createServer((client) => {
      if (this.#refuses) {
        client.resetAndDestroy()
        return
      }
      const server = connect(port, host)
      this.#forward(client, server)
      this.#forward(server, client)
    })
  }

  get port(): number {
    const address = this.#server.address()
    return address === null || typeof address === "string" ? 0 : address.port
  }

  /** The same way to the same database, through here. */
  url(databaseUrl: string): string {
    const url = new URL(databaseUrl)
    url.hostname = "127.0.0.1"
    url.port = String(this.port)
    return url.href
  }

  /** Cuts every connection and takes no new one. */
  refuse(): void {
    this.#refuses = true
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  accept(): void {
    this.#refuses = false
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.refuse()
    await closed
  }

  #forward(from: Socket, to: Socket): void {
    this.#sockets.add(from)
    from.setNoDelay()
    const held: Array<{ readonly chunk: Buffer; readonly at: number }> = []
    const release = () => {
      const [next] = held
      if (next === undefined || !to.writable) return
      const ms = next.at - performance.now()
      if (ms > 0) {
        setTimeout(release, ms)
        return
      }
      held.shift()
      to.write(next.chunk)
      release()
    }
    from.on("data", (chunk: Buffer) => {
      held.push({ chunk, at: performance.now() + this.latencyMs })
      if (held.length === 1) release()
    })
    from.on("error", () => {})
    from.on("close", () => {
      this.#sockets.delete(from)
      to.destroy()
    })
  }
}
