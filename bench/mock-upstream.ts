/** An upstream that answers every POST at once with the same chat completion. Plain node:net: as cheap as it gets. */
import { createServer } from "node:net"

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
      pending = pending.subarray(end)
      socket.write(answer)
    }
  })
})
server.listen(Number(process.argv[2]), "127.0.0.1", () => process.stdout.write("ready\n"))
