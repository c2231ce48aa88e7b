/**
 * The yardstick: node:http and undici, the JSON of requests and answers parsed and written again, streams piped as
 * they are, and nothing else.
 */
import { createServer, type ServerResponse } from "node:http"
import { Pool } from "undici"

const [port, upstreamPort] = process.argv.slice(2)
const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, {
  connections: 1024,
  pipelining: 1,
  headersTimeout: 0,
  bodyTimeout: 0,
})

const upstreamRequest = (asked: unknown) =>
  ({
    path: "/v1/chat/completions",
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer bench" },
    body: JSON.stringify(asked),
  }) as const

const answer = async (asked: unknown, response: ServerResponse): Promise<void> => {
  const upstream = await pool.request(upstreamRequest(asked))
  const body = JSON.stringify(JSON.parse(await upstream.body.text()))
  response.writeHead(upstream.statusCode, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  })
  response.end(body)
}

const pipe = (asked: unknown, response: ServerResponse): Promise<unknown> =>
  pool.stream(upstreamRequest(asked), ({ statusCode }) => {
    response.writeHead(statusCode, { "content-type": "text/event-stream" })
    return response
  })

const server = createServer((request, response) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    const asked: { readonly stream?: boolean } = JSON.parse(Buffer.concat(chunks).toString())
    const done = asked.stream === true ? pipe(asked, response) : answer(asked, response)
    done.catch(() => response.destroy())
  })
})

server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 }, () => process.stdout.write("ready\n"))
