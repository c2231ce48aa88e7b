import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http"
import { scaled } from "./slowness.ts"

/** One event as a client sees it: the WHATWG rules, written apart from the gateway's own reading of them. */
interface ClientEvent {
  readonly type: string
  readonly data: string
}

export const parseEvents = (text: string): ReadonlyArray<ClientEvent> => {
  const blocks = text.replace(/\r\n?/g, "\n").split(/\n\n+/)
  // What no blank line ends is no event.
  return blocks.slice(0, -1).flatMap((block) => {
    const fields = block.split("\n").map((line) => /^([^:]*):? ?(.*)$/s.exec(line) ?? [])
    const data = fields.filter(([, name]) => name === "data").map(([, , value]) => value ?? "")
    const type = fields.findLast(([, name]) => name === "event")?.[2]
    return data.length === 0 ? [] : [{ type: type || "message", data: data.join("\n") }]
  })
}

type Ending =
  | "end" // the body ended as HTTP says
  | "cut" // the connection broke
  | "left" // by `leave`

export interface StreamRequest {
  readonly url: string
  readonly path: string
  readonly key: string
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Default: a connection of its own. */
  readonly agent?: Agent
  /** Keep nothing but the number of bytes. */
  readonly countOnly?: boolean
}

/**
 * A client of an inference route that reads, stops reading and leaves when it is told to. Bytes are kept as they
 * came.
 */
export class StreamClient {
  /** Rejects when there never was a response. */
  readonly head: Promise<IncomingMessage>
  /** Never rejects. */
  readonly ended: Promise<Ending>
  bytes = 0
  status = 0
  headers: IncomingHttpHeaders = {}
  ending: Ending | undefined
  readonly #request: ReturnType<typeof request>
  readonly #chunks: Array<Buffer> = []
  readonly #watchers = new Set<() => void>()
  #response: IncomingMessage | undefined

  constructor({ url, path, key, body, headers = {}, agent, countOnly = false }: StreamRequest) {
    const text = typeof body === "string" ? body : JSON.stringify(body)
    this.#request = request(`${url}${path}`, {
      method: "POST",
      agent: agent ?? new Agent(),
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
        "x-api-key": key,
        ...headers,
      },
    })
    const { promise, resolve } = Promise.withResolvers<Ending>()
    this.ended = promise
    const end = (ending: Ending) => {
      this.ending ??= ending
      resolve(this.ending)
      this.#changed()
    }
    this.head = new Promise((resolve, reject) => {
      this.#request.on("error", (error) => {
        end("cut")
        reject(error)
      })
      this.#request.on("response", (response) => {
        this.#response = response
        this.status = response.statusCode ?? 0
        this.headers = response.headers
        response.on("data", (chunk: Buffer) => {
          this.bytes += chunk.length
          if (!countOnly) this.#chunks.push(chunk)
          this.#changed()
        })
        response.on("error", () => end("cut"))
        response.on("end", () => end(response.complete ? "end" : "cut"))
        response.on("close", () => end("cut"))
        resolve(response)
        this.#changed()
      })
    })
    // Whoever does not ask for the head has `ended`.
    this.head.catch(() => {})
    this.#request.end(text)
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString()
  }

  get events(): ReadonlyArray<ClientEvent> {
    return parseEvents(this.text)
  }

  get requestId(): string {
    return String(this.headers["x-request-id"])
  }

  /** Whether the response is a stream of events and not an answer in one piece. */
  get streamed(): boolean {
    return String(this.headers["content-type"]).startsWith("text/event-stream")
  }

  /** Stops taking anything from the connection. */
  pause(): void {
    this.#response?.pause()
  }

  resume(): void {
    this.#response?.resume()
  }

  /** Without a word, as a crashed client. */
  leave(): void {
    this.ending ??= "left"
    this.#request.destroy()
  }

  /** Resolves as soon as the condition holds; rejects when it does not in time. */
  async until(condition: (client: StreamClient) => boolean, timeoutMs = 2000): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const check = () => condition(this) && resolve()
    const timer = setTimeout(
      () =>
        reject(new Error(`not within ${scaled(timeoutMs)} ms: ${condition}\n${this.status} ${this.text}`)),
      scaled(timeoutMs),
    )
    this.#watchers.add(check)
    check()
    await promise.finally(() => {
      clearTimeout(timer)
      this.#watchers.delete(check)
    })
  }

  #changed(): void {
    for (const check of this.#watchers) check()
  }
}
