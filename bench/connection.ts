/** A keep-alive HTTP/1.1 connection on a raw socket, one request at a time: it must cost far less than what it measures. */
import { connect, type Socket } from "node:net"
import { MARKER } from "./answers.ts"
import { ChunkedBody } from "./chunked-body.ts"

export interface Answer {
  readonly status: number
  /** 200, whole, with every marker that was expected, and a stream with its last event. */
  readonly ok: boolean
  /** Markers that arrived. */
  readonly markers: number
  /** `performance.now()` when the first marker arrived, and when the end did. */
  readonly firstAt: number
  readonly endedAt: number
}

/** Bytes of a request, and what its answer must be. */
export interface Request {
  readonly bytes: Buffer
  readonly markers: number
  readonly stream: boolean
}

/** Characters that hold the end of a stream, its last event included, and more than a marker. */
const TAIL = 32
const LAST_EVENT = /\[DONE\]|"message_stop"/

const BUFFER_BYTES = 65_536
const NO_ANSWER = { status: 0, ok: false, markers: 0, firstAt: 0 } as const

export class Connection {
  readonly #socket: Socket
  #done: ((answer: Answer) => void) | undefined
  #expected: Request | undefined
  #head = ""
  #status = 0
  /** Bytes still to come of a body of known length. */
  #left = 0
  #chunked: ChunkedBody | undefined
  #tail = ""
  #markers = 0
  #firstAt = 0
  #closed = false

  constructor(port: number, bufferBytes = BUFFER_BYTES) {
    const buffer = Buffer.allocUnsafeSlow(bufferBytes)
    this.#socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer,
        callback: (length) => {
          this.#read(buffer.toString("latin1", 0, length))
          return true
        },
      },
    })
    this.#socket.on("error", () => this.close())
    this.#socket.on("close", () => this.close())
  }

  /** True once it can be used no more: closed by either side. */
  get closed(): boolean {
    return this.#closed
  }

  /** Markers that have arrived of the current or the last answer. */
  get markers(): number {
    return this.#markers
  }

  /** Sends a request; `done` is called once, with status 0 when the connection ended before the answer did. */
  send(request: Request, done: (answer: Answer) => void): void {
    this.#done = done
    this.#expected = request
    this.#head = ""
    this.#status = 0
    this.#tail = ""
    this.#markers = 0
    this.#firstAt = 0
    this.#socket.write(request.bytes)
  }

  /** Ends it at once, as a client that lost its patience does. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.destroy()
    const done = this.#done
    this.#done = undefined
    done?.({ ...NO_ANSWER, status: this.#status, markers: this.#markers, endedAt: performance.now() })
  }

  #read(text: string): void {
    if (this.#done === undefined) return
    let body = text
    if (this.#status === 0) {
      const head = this.#head + text
      const end = head.indexOf("\r\n\r\n")
      if (end < 0) {
        this.#head = head
        return
      }
      this.#status = Number(head.slice(9, 12))
      const length = /^content-length: (\d+)/im.exec(head.slice(0, end))?.[1]
      this.#left = Number(length ?? 0)
      this.#chunked = length === undefined ? new ChunkedBody() : undefined
      body = head.slice(end + 4)
    }
    this.#left -= body.length
    this.#countMarkers(this.#chunked?.read(body) ?? body)
    if (this.#chunked?.ended ?? this.#left <= 0) this.#end()
  }

  /** Counts, across the edges of what was read at once; keeps as much as a marker or an end may have begun with. */
  #countMarkers(body: string): void {
    const text = this.#tail + body
    let at = text.indexOf(MARKER, Math.max(0, this.#tail.length - MARKER.length + 1))
    if (at >= 0 && this.#firstAt === 0) this.#firstAt = performance.now()
    while (at >= 0) {
      this.#markers++
      at = text.indexOf(MARKER, at + MARKER.length)
    }
    this.#tail = text.slice(-TAIL)
  }

  #end(): void {
    const done = this.#done
    this.#done = undefined
    const ended = this.#expected?.stream === false || LAST_EVENT.test(this.#tail)
    done?.({
      status: this.#status,
      ok: ended && this.#status === 200 && this.#markers === this.#expected?.markers,
      markers: this.#markers,
      firstAt: this.#firstAt,
      endedAt: performance.now(),
    })
  }
}
