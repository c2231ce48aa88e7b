import { createServer, type Server, type Socket } from "node:net"
import { Effect, type Scope } from "effect"

/**
 * Enough of a Redis server to see what the gateway sends and to decide what it gets: RESP3 over loopback. It does
 * not run scripts; the answer to each EVALSHA is the test's.
 */
export interface FakeRedis {
  readonly url: string
  /** Every EVALSHA's arguments after the script's hash. */
  readonly evaluations: Array<ReadonlyArray<string>>
  /** `[remaining, elapsedMs]` for the next evaluations; undefined = never answer. */
  answer: readonly [string, string] | undefined
  readonly stop: Effect.Effect<void>
  readonly start: Effect.Effect<void>
}

export const makeFakeRedis: Effect.Effect<FakeRedis, never, Scope.Scope> = Effect.gen(function* () {
  const sockets = new Set<Socket>()
  const evaluations: Array<ReadonlyArray<string>> = []
  let server: Server | undefined
  let port = 0

  const reply = ([command = "", ...args]: ReadonlyArray<string>): string | undefined => {
    switch (command.toUpperCase()) {
      case "SCRIPT":
        return bulk("0123456789012345678901234567890123456789")
      case "EVALSHA":
        evaluations.push(args.slice(1))
        return fake.answer && `*2\r\n${bulk(fake.answer[0])}${bulk(fake.answer[1])}`
      case "HELLO":
        return "%1\r\n+proto\r\n:3\r\n"
      default:
        return "+OK\r\n"
    }
  }

  const start = Effect.callback<void>((resume) => {
    server = createServer((socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
      socket.on("error", () => socket.destroy())
      let buffered = ""
      socket.on("data", (data) => {
        buffered += data.toString("latin1")
        for (;;) {
          const parsed = parseCommand(buffered)
          if (parsed === undefined) return
          buffered = buffered.slice(parsed.length)
          const answer = reply(parsed.words)
          if (answer !== undefined) socket.write(answer)
        }
      })
    })
    server.listen(port, "127.0.0.1", () => {
      const address = server?.address()
      if (typeof address === "object" && address !== null) port = address.port
      resume(Effect.void)
    })
  })

  const stop = Effect.callback<void>((resume) => {
    for (const socket of sockets) socket.destroy()
    if (server === undefined) return resume(Effect.void)
    server.close(() => resume(Effect.void))
  })

  const fake: FakeRedis = {
    get url() {
      return `redis://127.0.0.1:${port}`
    },
    evaluations,
    answer: ["1", "0"],
    start,
    stop,
  }
  yield* Effect.acquireRelease(start, () => stop)
  return fake
})

const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`

/** One `*n $len word …` command from the start of the text, or undefined while it is incomplete. */
const parseCommand = (text: string): { words: Array<string>; length: number } | undefined => {
  const header = /^\*(\d+)\r\n/.exec(text)
  if (header === null) return undefined
  const words: Array<string> = []
  let at = header[0].length
  for (let i = 0; i < Number(header[1]); i++) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at, at + 24))
    if (size === null) return undefined
    const from = at + size[0].length
    const to = from + Number(size[1])
    if (text.length < to + 2) return undefined
    words.push(text.slice(from, to))
    at = to + 2
  }
  return { words, length: at }
}
