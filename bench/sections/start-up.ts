/** From the start of the process to the first 200 of `/readyz`, and what it then holds and uses while nobody asks. */
import type { ChildProcess } from "node:child_process"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { createDatabase } from "../database.ts"
import { startGateway } from "../gateway.ts"
import { cpuSeconds, residentMiB, untilQuiet } from "../proc.ts"
import { SUBJECT_CORE, stop } from "../processes.ts"
import type { Section } from "../report.ts"
import { shown, spread } from "../statistics.ts"
import type { Run } from "./run.ts"

interface Start {
  readonly readyMs: number
  readonly idleMiB: number
  readonly idleShare: number
}

const MS_IDLE = 3_000

const watched = async (child: ChildProcess, readyMs: number): Promise<Start> => {
  const pid = child.pid ?? 0
  try {
    await untilQuiet(pid)
    const before = cpuSeconds(pid)
    await setTimeout(MS_IDLE)
    return {
      readyMs,
      idleMiB: residentMiB(pid),
      idleShare: (cpuSeconds(pid) - before) / (MS_IDLE / 1000),
    }
  } finally {
    await stop(child)
  }
}

const KINDS = [
  "bare `node:http` + `undici`",
  "this gateway, server database, first start",
  "this gateway, server database, later start",
  "this gateway, embedded database, first start",
  "this gateway, embedded database, later start",
] as const
type Kind = (typeof KINDS)[number]

const oneRound = async ({ world, say }: Run, round: number): Promise<ReadonlyMap<Kind, Start>> => {
  const found = new Map<Kind, Start>()
  const startedAt = performance.now()
  const bare = await world.startBare()
  found.set(KINDS[0], await watched(bare, performance.now() - startedAt))
  const databaseUrl = await createDatabase(world.postgresUrl, `bench_start_${round}`)
  for (const [place, url] of [
    ["server", databaseUrl],
    ["embedded", undefined],
  ] as const) {
    const folder = join(world.folder, `start-${round}-${place}`)
    mkdirSync(folder)
    for (const when of ["first", "later"] as const) {
      const gateway = await startGateway({
        folder,
        mockPort: world.mockPort,
        databaseUrl: url,
        core: SUBJECT_CORE,
      })
      const start = await watched(gateway.child, gateway.readyMs)
      found.set(`this gateway, ${place} database, ${when} start`, start)
      say(
        `start-up: round ${round + 1}, ${place}, ${when}: ready in ${Math.round(start.readyMs)} ms, ` +
          `${Math.round(start.idleMiB)} MiB`,
      )
    }
  }
  return found
}

export const startUp = async (run: Run): Promise<Section> => {
  const found: Array<ReadonlyMap<Kind, Start>> = []
  for (let round = 0; round < run.rounds; round++) found.push(await oneRound(run, round))
  const numbers = (kind: Kind, of: (start: Start) => number) =>
    spread(
      found.flatMap((round) => {
        const start = round.get(kind)
        return start === undefined ? [] : [of(start)]
      }),
    )
  return {
    name: "start-up",
    title: "Start-up and idle memory",
    table: {
      columns: ["subject", "ready ms", "idle MiB", "idle % of a core"],
      rows: KINDS.map((kind) => [
        kind,
        shown(
          numbers(kind, ({ readyMs }) => readyMs),
          0,
        ),
        shown(
          numbers(kind, ({ idleMiB }) => idleMiB),
          0,
        ),
        shown(
          numbers(kind, ({ idleShare }) => idleShare * 100),
          1,
        ),
      ]),
    },
    data: found.map((round) => Object.fromEntries(round)),
    charts: [],
    warnings: [],
    faults: [],
  }
}
