import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { scaled } from "./slowness.ts"

/** A client that sends bytes as they are, for requests that no HTTP client would write. */
export class RawHttp {
  static async connect(url: string): Promise<RawHttp> {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    await once(socket, "connect")
    return new RawHttp(socket)
  }

  /** All bytes so far. */
  received = ""
  /** Whether the other side ended or reset the connection. */
  closed = false
  readonly socket: Socket
  readonly #watchers = new Set<() => void>()

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding("latin1")
    socket.on("data", (text: string) => {
      this.received += text
      this.#changed()
    })
    const end = () => {
      this.closed = true
      this.#changed()
    }
    // A reset is an end like any other here.
    socket.on("error", end)
    socket.on("end", end)
    socket.on("close", end)
  }

  send(bytes: string): void {
    this.socket.write(bytes, "latin1")
  }

  /** Final statuses in the order they came; interim (1xx) ones are left out. */
  get statuses(): ReadonlyArray<number> {
    return [...this.received.matchAll(/HTTP\/1\.1 (\d{3})/g)]
      .map((match) => Number(match[1]))
      .filter((status) => status >= 200)
  }

  async until(condition: (connection: RawHttp) => boolean, timeoutMs = 2000): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const check = () => condition(this) && resolve()
    const timer = setTimeout(
      () => reject(new Error(`not within ${scaled(timeoutMs)} ms: ${condition}\nreceived: ${this.received}`)),
      scaled(timeoutMs),
    )
    this.#watchers.add(check)
    check()
    await promise.finally(() => {
      clearTimeout(timer)
      this.#watchers.delete(check)
    })
  }

  destroy(): void {
    this.socket.destroy()
  }

  #changed(): void {
    for (const check of this.#watchers) check()
  }
}
