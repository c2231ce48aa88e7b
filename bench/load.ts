/** Load on one port: as many requests as connections allow, or so many a second whatever happens to the ones before. */
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { type Answer, Connection, type Request } from "./connection.ts"

export interface Load {
  readonly requests: number
  readonly failures: number
  /** Statuses of failures, 0 for a connection that was cut; an answer that was 200 but not whole is among them. */
  readonly failedWith: Readonly<Record<number, number>>
  /** Markers that arrived and that were expected. */
  readonly markers: number
  readonly expectedMarkers: number
  readonly seconds: number
  /** Milliseconds to the end of each good answer, and to its first marker, from when it was sent or due. */
  readonly latencies: ReadonlyArray<number>
  readonly firstMarkers: ReadonlyArray<number>
}

const makeTally = (request: Request) => {
  const startedAt = performance.now()
  const failedWith: Record<number, number> = {}
  const latencies: Array<number> = []
  const firstMarkers: Array<number> = []
  let requests = 0
  let failures = 0
  let markers = 0
  return {
    add(answer: Answer, from: number): void {
      requests++
      markers += answer.markers
      if (answer.ok) {
        latencies.push(answer.endedAt - from)
        firstMarkers.push(answer.firstAt - from)
        return
      }
      failures++
      failedWith[answer.status] = (failedWith[answer.status] ?? 0) + 1
    },
    result: (): Load => ({
      requests,
      failures,
      failedWith,
      markers,
      expectedMarkers: requests * request.markers,
      seconds: (performance.now() - startedAt) / 1000,
      latencies,
      firstMarkers,
    }),
  }
}

/** Milliseconds before a connection that was refused or cut is tried again, so that a dead subject is no busy loop. */
const AGAIN_MS = 50

/** Milliseconds after the end of a load for what was not answered yet; then it is cut. */
const HANGS_MS = 30_000

/** Sends the same request again and again over keep-alive connections for so many seconds; latency from the send. */
export const closedLoop = (
  port: number,
  request: Request,
  connections: number,
  seconds: number,
  hangsMs = HANGS_MS,
): Promise<Load> =>
  new Promise((resolve) => {
    const tally = makeTally(request)
    const endAt = performance.now() + seconds * 1000
    const open = new Set<Connection>()
    const giveUp = setTimeout(
      () => {
        for (const connection of open) connection.close()
      },
      seconds * 1000 + hangsMs,
    )
    let running = connections
    const run = (connection: Connection): void => {
      const sentAt = performance.now()
      open.add(connection)
      if (sentAt >= endAt) {
        connection.close()
        open.delete(connection)
        running--
        if (running > 0) return
        clearTimeout(giveUp)
        resolve(tally.result())
        return
      }
      connection.send(request, (answer) => {
        tally.add(answer, sentAt)
        if (!connection.closed) return run(connection)
        open.delete(connection)
        setTimeout(() => run(new Connection(port)), AGAIN_MS)
      })
    }
    for (let i = 0; i < connections; i++) run(new Connection(port))
  })

/**
 * Sends `rate` requests a second at even distances for so many seconds, on an idle connection or a new one. Latency
 * counts from when a request was due: a subject that stands still does not stop the clock. The beat comes from a
 * thread that sleeps on a futex, for timers of the event loop are whole milliseconds.
 */
export const openLoop = async (
  port: number,
  request: Request,
  rate: number,
  seconds: number,
  /** `next` makes each request anew, of the kind of the one that was given. */
  { next = () => request, hangsMs = HANGS_MS }: { next?: () => Request; hangsMs?: number } = {},
): Promise<Load> => {
  const tally = makeTally(request)
  const total = Math.round(rate * seconds)
  const idle: Array<Connection> = []
  const waiting = new Set<Connection>()
  const beat = new Worker(new URL("./beat.ts", import.meta.url), { workerData: { rate, total } })
  const sharedClockAhead = Number(process.hrtime.bigint()) / 1e6 - performance.now()
  beat.on("message", (dueOnSharedClock: number) => {
    const dueAt = dueOnSharedClock - sharedClockAhead
    let connection = idle.pop()
    while (connection?.closed === true) connection = idle.pop()
    const used = connection ?? new Connection(port)
    waiting.add(used)
    used.send(next(), (answer) => {
      waiting.delete(used)
      if (!used.closed) idle.push(used)
      tally.add(answer, dueAt)
    })
  })
  await once(beat, "exit")
  const giveUpAt = performance.now() + hangsMs
  while (waiting.size > 0 && performance.now() < giveUpAt) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  for (const connection of [...waiting, ...idle]) connection.close()
  return tally.result()
}

/** Opens streams one after the other over a second, and the next on the same connection when one ends. */
export const steadyStreams = async (
  port: number,
  request: Request,
  streams: number,
  rounds: number,
): Promise<Load> => {
  const tally = makeTally(request)
  const one = async (index: number): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, (index * 1000) / streams))
    const connection = new Connection(port)
    for (let round = 0; round < rounds && !connection.closed; round++) {
      const sentAt = performance.now()
      await new Promise<void>((resolve) =>
        connection.send(request, (answer) => {
          tally.add(answer, sentAt)
          resolve()
        }),
      )
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: streams }, (_, index) => one(index)))
  return tally.result()
}
