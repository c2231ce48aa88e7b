/**
 * Measures how much more a gateway with two workers gets through than one with a single process, in turns in one run: a closed
 * loop against a mock, with a real PostgreSQL.
 *
 *   node bench/workers.ts [--workers 2] [--rounds 7] [--seconds 4] [--connections 64]
 *
 * On two cores the load, the mock and PostgreSQL need their share of what the workers would use. What is accounted for them:
 * `capacity` is the requests that N cores have time for at the CPU that the gateway took for each, its supervisor's included,
 * beside one core's for the single process.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { createPostgresServer } from "../test/support/postgres-server.ts"
import { createKey, type Gateway, startGateway } from "./gateway.ts"
import { closedLoop } from "./load.ts"
import { cpuSeconds, untilQuiet } from "./proc.ts"
import { stop } from "./processes.ts"
import { chat } from "./requests.ts"
import { shown, spread } from "./statistics.ts"
import { startMock } from "./world.ts"

const { values } = parseArgs({
  options: {
    workers: { type: "string", default: "2" },
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "4" },
    connections: { type: "string", default: "64" },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  console.log("node bench/workers.ts [--workers 2] [--rounds 7] [--seconds 4] [--connections 64]")
  process.exit(0)
}
const workers = Number(values.workers)
const [rounds, seconds, connections] = [values.rounds, values.seconds, values.connections].map(Number)

interface Measured {
  readonly perSecond: number
  readonly cpuUs: number
  /** Of the load, the mock and PostgreSQL. */
  readonly othersUs: number
}

const folder = mkdtempSync(join(tmpdir(), "gateway-workers-"))
const postgres = await createPostgresServer()
await postgres.start()
const mock = await startMock()
const gateways: Array<Gateway> = []
try {
  const measured = new Map<number, Array<Measured>>()
  const keys = new Map<number, string>()
  for (const [i, count] of [1, workers].entries()) {
    const gateway = await startGateway({
      folder: mkdtempSync(join(folder, "g-")),
      mockPort: mock.port,
      databaseUrl: postgres.url,
      env: { WORKERS: String(count) },
    })
    gateways.push(gateway)
    keys.set(i, createKey(gateway))
    measured.set(i, [])
  }
  const total = () => cpuSeconds(process.pid)
  for (let round = -1; round < (rounds ?? 0); round++) {
    for (const [i, gateway] of round % 2 === 0
      ? gateways.entries().toArray()
      : gateways.entries().toArray().toReversed()) {
      await untilQuiet(gateway.pid)
      const request = chat(
        { path: "/v1/chat/completions", headers: { "x-api-key": keys.get(i) ?? "" } },
        1024,
      )
      const before = { gateway: cpuSeconds(gateway.pid), all: total() }
      const {
        failures,
        requests,
        seconds: took,
      } = await closedLoop(gateway.port, request, connections ?? 0, seconds ?? 0)
      await untilQuiet(gateway.pid)
      if (failures > 0) throw new Error(`${failures} requests failed`)
      const gatewayCpu = cpuSeconds(gateway.pid) - before.gateway
      const all = total() - before.all
      if (round < 0) continue
      measured.get(i)?.push({
        perSecond: requests / took,
        cpuUs: (gatewayCpu / requests) * 1e6,
        othersUs: ((all - gatewayCpu) / requests) * 1e6,
      })
    }
  }
  const of = (i: number, field: keyof Measured) => (measured.get(i) ?? []).map((each) => each[field])
  const ratios = of(0, "cpuUs").map((cpu, round) => (workers * cpu) / (of(1, "cpuUs")[round] ?? 0))
  for (const [i, count] of [1, workers].entries()) {
    console.log(
      `${String(count).padStart(3)} workers: ${shown(spread(of(i, "perSecond")), 0)} a second, ` +
        `${shown(spread(of(i, "cpuUs")), 1)} us CPU a request, ${shown(spread(of(i, "othersUs")), 1)} us of others`,
    )
  }
  console.log(`capacity of ${workers} cores: ${shown(spread(ratios), 2)} times one's`)
} finally {
  for (const gateway of gateways) await stop(gateway.child)
  await stop(mock.child)
  await postgres.remove()
  rmSync(folder, { recursive: true, force: true })
}
