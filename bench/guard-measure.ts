/**
 * What a request costs in figures that a busy machine does not change: bytes that the gateway's main thread allocates,
 * and reads and writes that the process asks of the kernel. V8's optimising compilers are off, for when they come in
 * decides what is allocated at all; so the figures are higher than in production, and comparable only with each other.
 */
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import { type Answer, Connection, type Request } from "./connection.ts"
import { createKey, startGateway } from "./gateway.ts"
import { readsAndWrites } from "./proc.ts"
import { stop } from "./processes.ts"
import { chat, stream } from "./requests.ts"
import { startMock } from "./world.ts"

interface Cost {
  readonly bytes: number
  readonly reads: number
  readonly writes: number
}

/** One whole answer of 1 KB, and one streamed in 20 pieces that arrive at once. */
export interface Costs {
  readonly whole: Cost
  readonly stream: Cost
}

const probe = pathToFileURL(join(import.meta.dirname, "allocation-probe.ts")).href
const NODE_ARGS = ["--no-opt", "--no-maglev", `--import=${probe}`]

const PIECES = 20
const WARM_UP = 800
const BATCHES = 20
/** So few that also on a slow machine some batches end between two of the ledger's, which leave by the clock. */
const BATCH = 60

const ask = (connection: Connection, request: Request): Promise<Answer> =>
  new Promise((resolve, reject) =>
    connection.send(request, (answer) =>
      answer.ok ? resolve(answer) : reject(new Error(`the gateway answered ${answer.status}`)),
    ),
  )

const repeat = async (times: number, act: () => Promise<unknown>): Promise<void> => {
  for (let i = 0; i < times; i++) await act()
}

interface Meter {
  readonly bytes: number
  readonly reads: number
  readonly writes: number
  readonly ms: number
}

const IDLE_MS = 1_000

/** Bytes that the process allocates in each millisecond in which nobody asks anything. */
const idleBytes = async (look: () => Promise<Meter>): Promise<number> => {
  const before = await look()
  await setTimeout(IDLE_MS)
  const after = await look()
  return (after.bytes - before.bytes) / (after.ms - before.ms)
}

/**
 * Sends requests one after the other. What the process does by the clock would make them look dearer the slower the
 * machine is: its allocations are taken off, and of the rest the least batch counts, for it only adds.
 */
const costOf = async (look: () => Promise<Meter>, act: () => Promise<unknown>): Promise<Cost> => {
  await repeat(WARM_UP, act)
  const idle = await idleBytes(look)
  const batches: Array<Cost> = []
  for (let batch = 0; batch < BATCHES; batch++) {
    const before = await look()
    await repeat(BATCH, act)
    const after = await look()
    batches.push({
      bytes: (after.bytes - before.bytes - idle * (after.ms - before.ms)) / BATCH,
      reads: (after.reads - before.reads) / BATCH,
      writes: (after.writes - before.writes) / BATCH,
    })
  }
  const least = (name: keyof Cost): number => Math.min(...batches.map((batch) => batch[name]))
  return { bytes: Math.round(least("bytes")), reads: least("reads"), writes: least("writes") }
}

/** Starts a gateway on an empty folder and a database, and returns what requests cost it. */
export const measureCosts = async (folder: string, databaseUrl: string): Promise<Costs> => {
  const mock = await startMock()
  let allocatedArrived: ((bytes: number) => void) | undefined
  let said = ""
  const onStderr = (text: string): void => {
    said += text
    const found = /allocated (\d+)\n/.exec(said)
    if (found === null) return
    said = ""
    allocatedArrived?.(Number(found[1]))
  }
  try {
    const gateway = await startGateway({
      ...{ folder, mockPort: mock.port, databaseUrl, nodeArgs: NODE_ARGS, onStderr },
    })
    try {
      const allocated = () =>
        new Promise<number>((resolve) => {
          allocatedArrived = resolve
          process.kill(gateway.pid, "SIGUSR2")
        })
      const look = async (): Promise<Meter> => ({
        bytes: await allocated(),
        ...readsAndWrites(gateway.pid),
        ms: performance.now(),
      })
      const address = { path: "/v1/chat/completions", headers: { "x-api-key": createKey(gateway) } }
      const connection = new Connection(gateway.port)
      const cost = (request: Request) => costOf(look, () => ask(connection, request))
      const costs = {
        whole: await cost(chat(address, 1_024)),
        stream: await cost(stream(address, PIECES, "in one piece")),
      }
      connection.close()
      return costs
    } finally {
      await stop(gateway.child)
    }
  } finally {
    await stop(mock.child)
  }
}
