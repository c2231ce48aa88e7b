import { once } from "node:events"
import { type CloseEvent, type MessageEvent, WebSocket } from "undici"

export type SocketEvent = Readonly<Record<string, unknown>> & { readonly type: string }

/** Ends of what one request is answered with. */
const LAST: ReadonlySet<string> = new Set([
  "response.completed",
  "response.incomplete",
  "response.failed",
  "error",
])

/** A client of `/v1/responses` by WebSocket, which knows the messages and nothing of what they mean. */
export class SocketClient {
  readonly closed: Promise<CloseEvent>
  readonly #socket: WebSocket
  readonly #events: Array<SocketEvent> = []
  #wake = () => {}

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener("message", ({ data }: MessageEvent) => {
      this.#events.push(JSON.parse(String(data)))
      this.#wake()
    })
    this.closed = new Promise((resolve) => {
      socket.addEventListener("close", (event) => {
        resolve(event)
        this.#wake()
      })
    })
  }

  static async open(
    baseUrl: string,
    key: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<SocketClient> {
    const socket = new WebSocket(`${baseUrl.replace(/^http/, "ws")}/responses`, {
      headers: { authorization: `Bearer ${key}`, ...headers },
    })
    const client = new SocketClient(socket)
    await once(socket, "open")
    return client
  }

  send(message: object | string | Uint8Array<ArrayBuffer>): void {
    const isText = typeof message === "string" || message instanceof Uint8Array
    this.#socket.send(isText ? message : JSON.stringify(message))
  }

  /** Returns the events up to the next end of an answer. */
  async answer(): Promise<Array<SocketEvent>> {
    for (;;) {
      const end = this.#events.findIndex(({ type }) => LAST.has(type))
      if (end !== -1) return this.#events.splice(0, end + 1)
      if (this.#socket.readyState >= WebSocket.CLOSING) throw new Error("closed without an answer")
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Sends a request and returns the events of its answer. */
  ask(request: object): Promise<Array<SocketEvent>> {
    this.send({ type: "response.create", ...request })
    return this.answer()
  }

  close(): Promise<CloseEvent> {
    this.#socket.close()
    return this.closed
  }
}
