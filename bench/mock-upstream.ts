/**
 * An upstream that answers every POST at once with the same chat completion, or streams it when asked to: one event a
 * turn of its loop, as fast as that goes. Plain node:net: as cheap as it gets.
 */
import { createServer, type Socket } from "node:net"

const body = JSON.stringify({
  id: "chatcmpl-bench",
  object: "chat.completion",
  created: 1_700_000_000,
  model: "bench-model",
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: "Paris is the capital of France. ".repeat(6).trim() },
      finish_reason: "stop",
    },
  ],
  usage: { prompt_tokens: 12, completion_tokens: 42, total_tokens: 54 },
})
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
)

const chunk = (fields: object): string =>
  `data: ${JSON.stringify({ id: "chatcmpl-bench", object: "chat.completion.chunk", created: 1_700_000_000, model: "bench-model", system_fingerprint: "fp_bench", ...fields })}\n\n`
const delta = (content: object, finish_reason: string | null = null): string =>
  chunk({ choices: [{ index: 0, delta: content, logprobs: null, finish_reason }], usage: null })

const PIECES = 50
const events = [
  delta({ role: "assistant", content: "" }),
  ...Array.from({ length: PIECES }, () => delta({ content: " capital" })),
  delta({}, "stop"),
  chunk({ choices: [], usage: { prompt_tokens: 12, completion_tokens: PIECES, total_tokens: 12 + PIECES } }),
  "data: [DONE]\n\n",
].map((event) => Buffer.from(`${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`))
const streamHead = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
)
const streamEnd = Buffer.from("0\r\n\r\n")

const stream = (socket: Socket): void => {
  socket.write(streamHead)
  let sent = 0
  const next = (): void => {
    const event = events[sent++]
    if (event === undefined) return void socket.write(streamEnd)
    socket.write(event)
    setImmediate(next)
  }
  next()
}

const server = createServer({ noDelay: true }, (socket) => {
  let pending: Buffer = Buffer.alloc(0)
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    for (;;) {
      const headEnd = pending.indexOf("\r\n\r\n")
      if (headEnd < 0) return
      const length = /content-length: (\d+)/i.exec(pending.toString("latin1", 0, headEnd))?.[1]
      const end = headEnd + 4 + Number(length ?? 0)
      if (pending.length < end) return
      const streamed = pending.subarray(headEnd, end).includes('"stream":true')
      pending = pending.subarray(end)
      if (streamed) stream(socket)
      else socket.write(answer)
    }
  })
})
server.listen(Number(process.argv[2]), "127.0.0.1", () => process.stdout.write("ready\n"))
