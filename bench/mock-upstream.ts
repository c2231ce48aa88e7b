/**
 * An upstream that answers every POST at once, or streams its answer when asked to: `max_tokens` pieces, one a turn of
 * its loop or one each 20 ms, by model. Plain node:net and answers encoded beforehand: it must cost far less than what
 * is measured. `GET /count` says how many POSTs it has received and how many of its streams ended early.
 */
import { createServer, type Socket } from "node:net"
import * as answers from "./answers.ts"

let received = 0
let cut = 0

const DEFAULT_PIECES = 50

const streamAtOnce = (socket: Socket, form: answers.Form, pieces: number): void => {
  let sent = 0
  const next = (): void => {
    if (socket.destroyed) return void cut++
    if (sent++ < pieces) {
      socket.write(form.piece)
      setImmediate(next)
    } else socket.write(form.closing(pieces))
  }
  next()
}

const streamPaced = (socket: Socket, form: answers.Form, pieces: number): void => {
  let sent = 0
  const timer = setInterval(() => {
    if (socket.destroyed) {
      cut++
      return clearInterval(timer)
    }
    if (sent++ < pieces) return void socket.write(form.piece)
    clearInterval(timer)
    socket.write(form.closing(pieces))
  }, answers.MS_BETWEEN_PACED)
}

const stream = (socket: Socket, form: answers.Form, body: string): void => {
  const pieces = Number(/"max_tokens": ?(\d+)/.exec(body)?.[1] ?? DEFAULT_PIECES)
  if (body.includes(answers.BURST_MODEL)) {
    const all = Array.from({ length: pieces }, () => form.piece)
    socket.write(Buffer.concat([answers.streamHead, form.opening, ...all, form.closing(pieces)]))
    return
  }
  socket.write(Buffer.concat([answers.streamHead, form.opening]))
  if (body.includes(answers.HELD_MODEL)) socket.write(form.piece)
  else if (body.includes(answers.PACED_MODEL)) streamPaced(socket, form, pieces)
  else streamAtOnce(socket, form, pieces)
}

const count = (): string => {
  const body = JSON.stringify({ received, cut })
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}

/** Bodies above it are not read, only counted: no stream is asked for with so many bytes. */
const MAX_READ = 65_536
const EMPTY = Buffer.alloc(0)

const server = createServer({ noDelay: true }, (socket) => {
  /** What of a request arrived before it was whole. */
  let pending: Buffer = EMPTY
  /** Bytes still to come of a body that is not read. */
  let skipping = 0

  const answered = (body: Buffer, form: answers.Form): void => {
    received++
    if (body.includes('"stream":true')) stream(socket, form, body.toString("latin1"))
    else socket.write(form.answer)
  }

  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk: Buffer) => {
    if (skipping > 0) {
      skipping -= chunk.length
      if (skipping <= 0) answered(EMPTY, answers.chatForm)
      return
    }
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    const headEnd = pending.indexOf("\r\n\r\n")
    if (headEnd < 0) return
    const head = pending.toString("latin1", 0, headEnd)
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
    const end = headEnd + 4 + length
    if (pending.length >= end) {
      const body = pending.subarray(headEnd + 4, end)
      pending = EMPTY
      if (head.startsWith("GET")) socket.write(count())
      else answered(body, head.startsWith("POST /v1/messages") ? answers.messagesForm : answers.chatForm)
    } else if (length > MAX_READ) {
      skipping = end - pending.length
      pending = EMPTY
    }
  })
})
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 }, () =>
  process.stdout.write("ready\n"),
)
