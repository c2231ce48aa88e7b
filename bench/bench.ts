/** `npm run bench`: one run of all comparisons, as a table, and as numbers and a picture when asked for. */
import { writeFileSync } from "node:fs"
import { type Machine, machine, machineLine } from "./machine.ts"
import { type Options, readOptions, type SectionName, usage } from "./options.ts"
import { hasProc } from "./proc.ts"
import { type Section, sectionText } from "./report.ts"
import { bodies } from "./sections/bodies.ts"
import { latency } from "./sections/latency.ts"
import type { Run } from "./sections/run.ts"
import { startUp } from "./sections/start-up.ts"
import { streams } from "./sections/streams.ts"
import { throughput } from "./sections/throughput.ts"
import { svg } from "./svg.ts"
import { makeWorld } from "./world.ts"

const sections: Readonly<Record<SectionName, (run: Run) => Promise<Section>>> = {
  throughput,
  latency,
  bodies,
  streams,
  "start-up": startUp,
}

const startedAt = performance.now()
const say = (line: string): void =>
  console.error(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(5)} s  ${line}`)

/** Returns why all numbers of this machine are to be believed less. */
const doubts = (here: Machine, pinned: boolean): ReadonlyArray<string> => [
  ...(pinned ? [] : ["`taskset` is missing: nothing is pinned, and load and subject share cores"]),
  ...(here.cores < 2 ? ["one core: load and subject share it"] : []),
  ...(here.loadBefore < 0.3
    ? []
    : [`load average ${here.loadBefore.toFixed(2)} before the run: the machine was not idle`]),
]

const run = async (options: Options): Promise<ReadonlyArray<Section>> => {
  const here = machine()
  const world = await makeWorld({ peers: options.peers, say })
  try {
    console.log(
      `${machineLine(here)}; ${options.rounds} rounds of ${options.seconds} s: median (least to most)\n`,
    )
    for (const doubt of doubts(here, world.pinned)) console.log(`- Warning: ${doubt}`)
    const done: Array<Section> = []
    for (const name of options.only) {
      const { rounds, seconds } = options
      const section = await sections[name]({ world, rounds, seconds, say })
      console.log(`\n${sectionText(section)}`)
      done.push(section)
    }
    if (options.json !== undefined) {
      writeFileSync(options.json, `${JSON.stringify({ machine: here, options, sections: done }, null, 2)}\n`)
    }
    const charts = done.flatMap((section) => section.charts)
    if (options.svg !== undefined && charts.length > 0) {
      writeFileSync(options.svg, svg(charts, here, options.rounds))
    }
    return done
  } finally {
    await world.close()
  }
}

try {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) console.log(usage)
  else if (!hasProc) throw new Error("CPU and memory are read from /proc, which only Linux has")
  else process.exitCode = (await run(options)).some(({ faults }) => faults.length > 0) ? 1 : 0
} catch (cause) {
  console.error(cause instanceof Error ? cause.message : cause)
  process.exitCode = 1
}
