/**
 * Asks a gateway a million times, a fifth of it streams and a fifth cut off by the client, and holds what is then left
 * (memory, descriptors, timers) against what was there after the warm-up; then holds ten thousand streams on which
 * nothing happens. Ends with 1 when something grew by more than a tenth, or an answer or a row is missing.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { parseArgs } from "node:util"
import { createPostgresServer } from "../test/support/postgres-server.ts"
import { openFilesLimit } from "../test/support/process-watch.ts"
import { createKey, ledgerRows, startGateway } from "./gateway.ts"
import { machine, machineLine } from "./machine.ts"
import { OTHERS_CORE, pin, SUBJECT_CORE, stop } from "./processes.ts"
import { markdown } from "./report.ts"
import { holdStreams, soakLoad } from "./soak-load.ts"
import { type Held, makeProbe, probeArgs } from "./soak-probe.ts"
import { spread } from "./statistics.ts"
import { startMock } from "./world.ts"

const usage = "node bench/soak.ts [--requests 1000000] [--idle-streams 10000]"
const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "1000000" },
    "idle-streams": { type: "string", default: "10000" },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  console.log(usage)
  process.exit(0)
}
const requests = Number(values.requests)
const wanted = Number(values["idle-streams"])
if (!(requests >= 1_000) || !(wanted >= 0)) {
  console.error(`${usage}\n--requests must be at least 1000`)
  process.exit(1)
}

const STEPS = 10
/** The ends of thousands of streams are records that have to be written. */
const MS_TO_SETTLE = 15_000
const WARM_UP = Math.min(50_000, Math.round(requests / 5))
const settings =
  "limits: { requests_per_minute: 1000000, max_in_flight: 50000, max_event_loop_delay_ms: 60000 }\ntimeouts: { body_ms: 3600000 }\n"

const startedAt = performance.now()
const say = (line: string): void =>
  console.error(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(5)} s  ${line}`)

/** What may be there more than after the warm-up: a tenth, and of countable things at least two. */
const LIMITS = [
  { name: "resident MiB", of: (held: Held) => held.residentMiB, least: 0 },
  { name: "descriptors", of: (held: Held) => held.descriptors, least: 2 },
  { name: "timers", of: (held: Held) => held.timers, least: 2 },
] as const
const LOOKS = 3

/** Compares the median of the last three looks with that of the first three: one alone depends on when V8 gives back. */
const grown = (looks: ReadonlyArray<Held>): ReadonlyArray<string> =>
  LIMITS.flatMap(({ name, of, least }) => {
    const from = spread(looks.slice(0, LOOKS).map(of)).median
    const to = spread(looks.slice(-LOOKS).map(of)).median
    return to - from <= Math.max(least, from * 0.1)
      ? []
      : [`${name} at the end: ${to.toFixed(0)}, after the warm-up ${from.toFixed(0)}`]
  })

const run = async (folder: string): Promise<ReadonlyArray<string>> => {
  const faults: Array<string> = []
  const rows: Array<ReadonlyArray<string>> = []
  const note = (what: string, held: Held): Held => {
    const line = [what, held.residentMiB, held.heapMiB, held.descriptors, held.timers].map((cell) =>
      typeof cell === "number" ? cell.toFixed(0) : cell,
    )
    rows.push(line)
    say(`${what}: ${line[1]} MiB resident, ${line[2]} MiB heap, ${line[3]} descriptors, ${line[4]} timers`)
    return held
  }
  const postgres = await createPostgresServer()
  const mock = await startMock(OTHERS_CORE)
  const probe = makeProbe()
  try {
    await postgres.start()
    const gateway = await startGateway({
      folder,
      mockPort: mock.port,
      databaseUrl: postgres.url,
      core: SUBJECT_CORE,
      settings,
      nodeArgs: probeArgs,
      onStderr: probe.onStderr,
    })
    try {
      const look = () => probe.look(gateway.pid)
      const address = { path: "/v1/chat/completions", headers: { "x-api-key": createKey(gateway) } }
      const count = ledgerRows(gateway)
      let [answered, left] = [0, 0]
      const soak = async (share: number): Promise<void> => {
        const soaked = await soakLoad(gateway.port, address, share)
        answered += soaked.good + soaked.streamed
        left += soaked.left
        if (soaked.failures > 0) {
          const statuses = JSON.stringify(soaked.failedWith)
          faults.push(`${soaked.failures} requests that nobody left have failed, by status: ${statuses}`)
        }
      }
      note("after the start", await look())
      await soak(WARM_UP)
      const looks = [note(`after ${WARM_UP.toLocaleString("en")} to warm up`, await look())]
      for (let step = 1; step <= STEPS; step++) {
        await soak(Math.round(requests / STEPS))
        const what = `after ${Math.round((requests * step) / STEPS).toLocaleString("en")} more`
        looks.push(note(what, await look()))
      }
      faults.push(...grown(looks))
      const logged = await count()
      if (logged < answered || logged > answered + left) {
        faults.push(
          `${answered} answers, ${left} left by their client, and ${logged} good rows in the ledger`,
        )
      }

      const room = Math.floor((openFilesLimit(gateway.pid) - 500) / 2)
      const streams = Math.min(wanted, room)
      if (streams < wanted) say(`only ${streams} streams: a process may open ${room * 2 + 500} files here`)
      if (streams > 0) {
        const before = await look()
        const held = await holdStreams(gateway.port, address, streams)
        const during = note(`holding ${streams.toLocaleString("en")} idle streams`, await look())
        const alive = held.filter((connection) => !connection.closed && connection.markers > 0).length
        if (alive < streams) faults.push(`${streams - alive} of ${streams} idle streams were cut`)
        for (const connection of held) connection.close()
        const bytes = (of: (held: Held) => number) =>
          Math.round(((of(during) - of(before)) * 2 ** 20) / streams).toLocaleString("en")
        say("closing them")
        note("after them", await look())
        await setTimeout(MS_TO_SETTLE)
        const after = note(`${MS_TO_SETTLE / 1_000} s later`, await look())
        if (after.descriptors > before.descriptors * 1.1 + 2) {
          faults.push(`${after.descriptors} descriptors after idle streams, ${before.descriptors} before`)
        }
        console.log(
          `bytes per idle stream: ${bytes((each) => each.residentMiB)} resident, ${bytes((each) => each.heapMiB)} of heap and buffers\n`,
        )
      }
    } finally {
      await stop(gateway.child)
    }
  } finally {
    await stop(mock.child)
    await postgres.remove()
  }
  console.log(markdown({ columns: ["", "resident MiB", "heap MiB", "descriptors", "timers"], rows }))
  return faults
}

pin(process.pid, OTHERS_CORE)
console.log(`${machineLine(machine())}; ${requests.toLocaleString("en")} requests\n`)
const folder = mkdtempSync(join(tmpdir(), "llm-gateway-soak-"))
try {
  const faults = await run(folder)
  console.log(faults.length === 0 ? "\nNothing grew and nothing is missing." : `\n${faults.join("\n")}`)
  process.exitCode = faults.length === 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
