/** What a request costs by the size of its body. */
import { closedLoop } from "../load.ts"
import { interleaved, type Rounds } from "../measure.ts"
import { bottlenecks, cell, disturbances, faultsOf, ratioCells, raw, type Section } from "../report.ts"
import { chat } from "../requests.ts"
import { DIRECT } from "../subject.ts"
import type { Run } from "./run.ts"

const SIZES = [
  { name: "1 KB", bytes: 1_024, connections: 64 },
  { name: "32 KB", bytes: 32_768, connections: 32 },
  { name: "1 MB", bytes: 1_048_576, connections: 8 },
]

export const bodies = async ({ world, rounds, seconds, say }: Run): Promise<Section> => {
  const measured: Array<readonly [string, Rounds]> = []
  for (const { name, bytes, connections } of SIZES) {
    const what = `bodies of ${name}`
    const result = await interleaved(world, world.subjects, { rounds, say, what }, (subject, warmUp) =>
      closedLoop(
        subject.port,
        chat(subject.address, bytes),
        connections,
        warmUp ? Math.min(2, seconds) : seconds,
      ),
    )
    measured.push([name, result])
  }
  return {
    name: "bodies",
    title: "Bodies: closed loop, requests of three sizes, answers of 1 KB",
    table: {
      columns: ["subject", "body", "req/s", "CPU us/req", "req/s of bare", "CPU of bare"],
      rows: measured.flatMap(([name, result]) =>
        [...result.keys()].map((subject) => [
          subject.title,
          name,
          cell(result, subject, "perSecond"),
          cell(result, subject, "cpuUs"),
          ...(subject.name === DIRECT ? ["", ""] : ratioCells(result, subject)),
        ]),
      ),
    },
    charts: [],
    data: Object.fromEntries(measured.map(([name, result]) => [name, raw(result)])),
    warnings: measured.flatMap(([name, result]) => [
      ...bottlenecks(result, `bodies of ${name}`, DIRECT),
      ...disturbances(result, `bodies of ${name}`),
    ]),
    faults: measured.flatMap(([name, result]) => faultsOf(result, `bodies of ${name}`)),
  }
}
