import { createServer, type Server, type Socket } from "node:net"
import { Clock, Effect, type Scope } from "effect"
import type { Ask } from "../../src/limits/limit-store.ts"
import { ModelStore } from "./model-store.ts"

/**
 * Enough of a Redis server for rate limits, and for what happens to one: RESP3 over loopback. It does not run scripts:
 * `ModelStore` says in TypeScript what the one script of the gateway says in Lua, and `stores.test.ts` compares
 * them. Its clock is the test's.
 */
export interface FakeRedis {
  readonly url: string
  /** Every EVALSHA's arguments after the script's hash, as they came. */
  readonly evaluations: Array<ReadonlyArray<string>>
  readonly connections: () => number
  /** Cuts connections and takes no others; what is stored stays. */
  readonly stop: Effect.Effect<void>
  readonly start: Effect.Effect<void>
  /** Forgets everything, as FLUSHALL and a restart without persistence do. */
  readonly empty: Effect.Effect<void>
  /** Reads and answers nothing, as a stopped process does; what was sent meanwhile is executed by `resume`. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

export const makeFakeRedis: Effect.Effect<FakeRedis, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const sockets = new Set<Socket>()
  const evaluations: Array<ReadonlyArray<string>> = []
  const stored = new ModelStore()
  let unanswered: Array<() => void> | undefined
  let server: Server | undefined
  let port = 0

  const reply = ([command = "", ...args]: ReadonlyArray<string>): string => {
    switch (command.toUpperCase()) {
      case "SCRIPT":
        return bulk("0123456789012345678901234567890123456789")
      case "EVALSHA": {
        const [, , , holder = "", expected, replicas, asks = "[]"] = args
        const answer = stored.exchange(
          {
            holder,
            expectedMs: Number(expected),
            replicas: Number(replicas),
            sweeps: false,
            asks: JSON.parse(asks) as ReadonlyArray<Ask>,
          },
          clock.currentTimeMillisUnsafe(),
        )
        return list([
          list([bulk(String(answer.nowMs)), bulk(String(answer.replicas))]),
          ...[...answer.answers.values()].map(({ asked, epoch, granted, used }) =>
            list([granted, used, asked, epoch].map((number) => bulk(String(number)))),
          ),
        ])
      }
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
          if (parsed.words[0] === "EVALSHA") evaluations.push(parsed.words.slice(2))
          const answer = () => socket.write(reply(parsed.words))
          if (unanswered === undefined) answer()
          else unanswered.push(answer)
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

  yield* Effect.acquireRelease(start, () => stop)
  return {
    get url() {
      return `redis://127.0.0.1:${port}`
    },
    evaluations,
    connections: () => sockets.size,
    start,
    stop,
    empty: Effect.sync(() => stored.empty()),
    pause: Effect.sync(() => {
      unanswered = []
    }),
    resume: Effect.sync(() => {
      const sent = unanswered ?? []
      unanswered = undefined
      for (const answer of sent) answer()
    }),
  }
})

const list = (items: ReadonlyArray<string>) => `*${items.length}\r\n${items.join("")}`

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
