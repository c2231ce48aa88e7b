/** The yardstick: node:http and undici, JSON parsed and written both ways (a stream piped as it is), and nothing else. */
import { createServer, type ServerResponse } from "node:http"
import { Pool } from "undici"

const [port, upstreamPort] = process.argv.slice(2)
const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, { connections: 256, pipelining: 1 })

const server = createServer((request, response) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", async (): Promise<unknown> => {
    const asked = JSON.parse(Buffer.concat(chunks).toString())
    if (asked.stream === true) return pipe(asked, response)
    const { prompt } = asked
    const upstream = await pool.request({
      path: "/v1/chat/completions",
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer bench" },
      body: JSON.stringify({ model: "bench-model", messages: [{ role: "user", content: prompt }] }),
    })
    const completion = JSON.parse(await upstream.body.text())
    const body = JSON.stringify({
      output: completion.choices[0].message.content,
      model: completion.model,
      usage: completion.usage,
    })
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
    return response.end(body)
  })
})
const pipe = (asked: unknown, response: ServerResponse): Promise<unknown> =>
  pool.stream(
    {
      path: "/v1/chat/completions",
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer bench" },
      body: JSON.stringify(asked),
    },
    () => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      return response
    },
  )

server.listen(Number(port), "127.0.0.1", () => process.stdout.write("ready\n"))
