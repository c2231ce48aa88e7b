import { createServer, type Server, type Socket } from "node:net"
import { Clock, Effect, type Scope } from "effect"

/**
 * Enough of a Redis server for rate limits, and for what happens to one: RESP3 over loopback. It does not run scripts:
 * `takeShared` says here in TypeScript what the one script of the gateway says in Lua, and `bucket-script.test.ts` compares
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
  let stored = emptyStore()
  let unanswered: Array<() => void> | undefined
  let server: Server | undefined
  let port = 0

  const reply = ([command = "", ...args]: ReadonlyArray<string>): string => {
    switch (command.toUpperCase()) {
      case "SCRIPT":
        return bulk("0123456789012345678901234567890123456789")
      case "EVALSHA": {
        const [given, used, asked, replicas] = takeShared(
          stored,
          args.slice(2),
          clock.currentTimeMillisUnsafe(),
        )
        return `*4\r\n:${given}\r\n${bulk(used)}:${asked}\r\n:${replicas}\r\n`
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
    empty: Effect.sync(() => {
      stored = emptyStore()
    }),
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

interface Store {
  readonly buckets: Map<string, { readonly used: number; readonly atMs: number; readonly asked: number }>
  readonly replicas: Map<string, number>
}

export const emptyStore = (): Store => ({ buckets: new Map(), replicas: new Map() })

/** The gateway's script: takes a token from the bucket that the arguments of an EVALSHA name. */
export const takeShared = (
  { buckets, replicas }: Store,
  [key = "", , limitText, refillText, usedAtLeastText, windowText, replica = ""]: ReadonlyArray<string>,
  nowMs: number,
): readonly [given: number, used: string, asked: number, replicas: number] => {
  const limit = Number(limitText)
  const windowMs = Number(windowText)
  const last = buckets.get(key)
  const bucket = last === undefined || nowMs - last.atMs >= windowMs ? undefined : last
  const refilled = bucket === undefined ? 0 : Math.max(0, nowMs - bucket.atMs) / Number(refillText)
  const before = Math.max(0, (bucket?.used ?? 0) - refilled, Math.min(Number(usedAtLeastText), limit))
  const given = before + 1 <= limit + 1e-9 ? 1 : 0
  const asked = (bucket?.asked ?? 0) + 1
  buckets.set(key, { used: before + given, atMs: nowMs, asked })
  if (replica !== "") {
    replicas.set(replica, nowMs)
    for (const [name, signMs] of replicas) if (signMs <= nowMs - windowMs) replicas.delete(name)
  }
  return [given, String(before + given), asked, replicas.size]
}

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
