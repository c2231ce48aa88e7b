/** A closed-loop HTTP/1.1 client on raw sockets: it must cost far less than what it measures. */
import { connect } from "node:net"

export interface LoadResult {
  readonly requests: number
  readonly failures: number
  readonly seconds: number
}

/** Sends the same request over `connections` keep-alive sockets for `seconds`; counts whatever is not a 200. */
export const load = (
  port: number,
  request: Buffer,
  connections: number,
  seconds: number,
): Promise<LoadResult> =>
  new Promise((resolve, reject) => {
    const startedAt = performance.now()
    const endAt = startedAt + seconds * 1000
    let requests = 0
    let failures = 0
    let open = connections

    const oneConnection = () => {
      const socket = connect(port, "127.0.0.1")
      socket.setNoDelay(true)
      let received: Buffer = Buffer.alloc(0)
      socket.on("error", reject)
      socket.on("connect", () => socket.write(request))
      socket.on("data", (chunk: Buffer) => {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
        const headEnd = received.indexOf("\r\n\r\n")
        if (headEnd < 0) return
        const head = received.toString("latin1", 0, headEnd)
        const end = headEnd + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
        if (received.length < end) return
        received = received.subarray(end)
        requests++
        if (!head.startsWith("HTTP/1.1 200")) failures++
        if (performance.now() < endAt) socket.write(request)
        else {
          socket.destroy()
          open--
          if (open === 0) resolve({ requests, failures, seconds: (performance.now() - startedAt) / 1000 })
        }
      })
    }
    for (let i = 0; i < connections; i++) oneConnection()
  })

export interface StreamLoadResult extends LoadResult {
  /** Events with data, `[DONE]` included. */
  readonly events: number
}

/** The same with streamed answers: each must end with `[DONE]`. */
export const loadStreams = (
  port: number,
  request: Buffer,
  connections: number,
  seconds: number,
): Promise<StreamLoadResult> =>
  new Promise((resolve, reject) => {
    const startedAt = performance.now()
    const endAt = startedAt + seconds * 1000
    let requests = 0
    let failures = 0
    let events = 0
    let open = connections

    const oneConnection = () => {
      const socket = connect(port, "127.0.0.1")
      socket.setNoDelay(true)
      let received = ""
      socket.setEncoding("latin1")
      socket.on("error", reject)
      socket.on("connect", () => socket.write(request))
      socket.on("data", (text: string) => {
        received += text
        if (!received.endsWith("0\r\n\r\n")) return
        requests++
        events += received.split("data: ").length - 1
        if (!received.startsWith("HTTP/1.1 200") || !received.includes("data: [DONE]")) failures++
        received = ""
        if (performance.now() < endAt) return void socket.write(request)
        socket.destroy()
        open--
        if (open > 0) return
        resolve({ requests, failures, events, seconds: (performance.now() - startedAt) / 1000 })
      })
    }
    for (let i = 0; i < connections; i++) oneConnection()
  })

export const post = (path: string, headers: Record<string, string>, body: string): Buffer =>
  Buffer.from(
    [
      `POST ${path} HTTP/1.1`,
      "host: 127.0.0.1",
      "content-type: application/json",
      `content-length: ${Buffer.byteLength(body)}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      "",
      body,
    ].join("\r\n"),
  )
