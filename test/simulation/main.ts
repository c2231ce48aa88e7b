/** `npm run simulate`: runs worlds of many seeds under virtual time, and tells which of them break a law. */
import { once } from "node:events"
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import { readCommandLine } from "../support/command-line.ts"
import { tell } from "./history.ts"
import { judge } from "./judge.ts"
import type { SeedOrder, SeedResult } from "./judge-seed.ts"
import { inWords, noTally, sumOf, table } from "./report.ts"
import { shrink } from "./shrink.ts"
import { makeWorld, worldKinds } from "./worlds.ts"

const HELP = `Usage: npm run simulate -- [options]

Runs the gateway's story in worlds full of trouble, under virtual time, and holds what happened to the laws that
docs/simulation.md lists.

  --seeds N       seeds of each world, default 20
  --from S        the first seed, a whole number, default 1
  --world NAME    only this one
  --jobs N        threads, default as many as there are cores
  --twice         runs each world twice, and compares; otherwise every tenth seed
  --shrink        reduces the first violation to the events that it needs, and prints what happens then
  --list          names the worlds
  --help

A violation names its seed, its world and the law. The same again, and no more:
  npm run simulate -- --world NAME --from SEED --seeds 1 --shrink

Exit code: 0 when all laws held, 1 when one was broken, 2 on wrong usage.
`

const { options, usage, whole } = readCommandLine(HELP, {
  seeds: { type: "string", default: "20" },
  from: { type: "string", default: "1" },
  world: { type: "string" },
  jobs: { type: "string", default: String(availableParallelism()) },
  twice: { type: "boolean", default: false },
  shrink: { type: "boolean", default: false },
  list: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
})

if (options.list) {
  process.stdout.write(`${worldKinds.map(({ name, says }) => `${name}: ${says}`).join("\n")}\n`)
  process.exit(0)
}
const from = whole("from", options.from)
const count = whole("seeds", options.seeds)
const kinds = worldKinds.filter(({ name }) => options.world === undefined || name === options.world)
if (kinds.length === 0) usage(`There is no world "${options.world}"; --list names them.`)

const worlds = kinds.map(({ name }) => name)
const tallies = new Map(worlds.map((world) => [world, noTally(world)]))
let broken: (SeedResult["broken"][number] & { readonly seed: number }) | undefined
let done = 0
const startedAt = performance.now()

const book = ({ broken: found, seed, tallies: more }: SeedResult): void => {
  for (const tally of more)
    tallies.set(tally.world, sumOf([tallies.get(tally.world) ?? noTally(tally.world), tally]))
  for (const { words } of found) process.stdout.write(`${words}\n`)
  const [first] = found
  // The same one whichever thread comes first.
  if (first !== undefined && (broken === undefined || seed < broken.seed)) broken = { ...first, seed }
  done += 1
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  process.stderr.write(`\r${done} of ${count} seeds, ${seconds} s `)
}

const seeds = Array.from({ length: count }, (_, i) => from + i).values()
await Promise.all(
  Array.from({ length: Math.max(1, Math.min(count, whole("jobs", options.jobs))) }, async () => {
    const worker = new Worker(new URL("./seed-worker.ts", import.meta.url))
    for (const seed of seeds) {
      worker.postMessage({ seed, worlds, twice: options.twice || seed % 10 === 0 } satisfies SeedOrder)
      const [result] = await once(worker, "message")
      book(result)
    }
    await worker.terminate()
  }),
)
process.stderr.write("\n")

if (broken !== undefined && options.shrink) {
  const { law, seed } = broken
  const kind = kinds.find(({ name }) => name === broken?.world)
  if (kind === undefined) throw new Error("no such world")
  const world = makeWorld(kind, String(seed))
  const small = await shrink(world, law, {
    onProgress: (events) => process.stderr.write(`\rshrinks to ${events} events  `),
  })
  process.stderr.write("\n")
  const { run, violations } = judge(small, { twice: law === "determinism" })
  process.stdout.write(
    `\nSeed ${world.seed} of "${world.name}" breaks the law "${law}" with these ${small.events.length} events alone:\n\n`,
  )
  process.stdout.write(`${tell(run).join("\n")}\n\n`)
  for (const violation of violations) process.stdout.write(`${inWords(world, violation)}\n`)
  process.stdout.write("\n")
}

process.stdout.write(`${table([...tallies.values()])}\n`)
process.exitCode = broken === undefined ? 0 : 1
