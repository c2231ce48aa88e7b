/** `npm run simulate`: runs worlds of many seeds under virtual time, and tells which of them break a law. */
import { setImmediate } from "node:timers/promises"
import { parseArgs } from "node:util"
import { tell } from "./history.ts"
import { judge } from "./judge.ts"
import { inWords, type Tally, table } from "./report.ts"
import { shrink } from "./shrink.ts"
import { makeWorld, worldKinds } from "./worlds.ts"

const HELP = `Usage: npm run simulate -- [options]

Runs the gateway's story in worlds full of trouble, under virtual time, and holds what happened to the laws that
docs/simulation.md lists.

  --seeds N       seeds of each world, default 20
  --from S        the first seed, a whole number, default 1
  --world NAME    only this one
  --twice         runs each world twice, and compares; otherwise every tenth seed
  --shrink        reduces the first violation to the events that it needs, and prints what happens then
  --list          names the worlds
  --help

A violation names its seed, its world and the law. The same again, and no more:
  npm run simulate -- --world NAME --from SEED --seeds 1 --shrink

Exit code: 0 when all laws held, 1 when one was broken, 2 on wrong usage.
`

/** Violations of a world that are printed. */
const PRINTED = 3

const usage = (message: string): never => {
  process.stderr.write(`${message}\n\n${HELP}`)
  process.exit(2)
}

const parseCommandLine = () =>
  parseArgs({
    options: {
      seeds: { type: "string", default: "20" },
      from: { type: "string", default: "1" },
      world: { type: "string" },
      twice: { type: "boolean", default: false },
      shrink: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  }).values

const readOptions = () => {
  try {
    return parseCommandLine()
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

const whole = (name: string, text: string): number =>
  /^\d{1,9}$/.test(text) ? Number(text) : usage(`--${name} is a whole number.`)

const options = readOptions()
if (options.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
if (options.list) {
  process.stdout.write(`${worldKinds.map(({ name, says }) => `${name}: ${says}`).join("\n")}\n`)
  process.exit(0)
}
const from = whole("from", options.from)
const count = whole("seeds", options.seeds)
const kinds = worldKinds.filter(({ name }) => options.world === undefined || name === options.world)
if (kinds.length === 0) usage(`There is no world "${options.world}"; --list names them.`)

const tallies = kinds.map(
  ({ name }): Tally => ({
    world: name,
    seeds: 0,
    hours: 0,
    requests: 0,
    attempts: 0,
    violations: 0,
  }),
)
const startedAt = performance.now()
let toShrink: { world: ReturnType<typeof makeWorld>; law: string } | undefined
for (let seed = from; seed < from + count; seed++) {
  for (const [i, kind] of kinds.entries()) {
    // What the readers of streams left for the next turn is let go.
    await setImmediate()
    const world = makeWorld(kind, String(seed))
    const { run, violations } = judge(world, { twice: options.twice || seed % 10 === 0 })
    for (const violation of violations.slice(0, PRINTED))
      process.stdout.write(`${inWords(world, violation)}\n`)
    const [first] = violations
    if (first !== undefined) toShrink ??= { world, law: first.law }
    const tally = tallies[i]
    if (tally === undefined) continue
    tally.seeds += 1
    tally.hours += world.endMs / 3_600_000
    tally.requests += run.sights.length
    tally.attempts += run.calls.length
    tally.violations += violations.length
  }
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  process.stderr.write(`\rseed ${seed} of ${from + count - 1}, ${seconds} s `)
}
process.stderr.write("\n")

if (toShrink !== undefined && options.shrink) {
  const { law, world } = toShrink
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

process.stdout.write(`${table(tallies)}\n`)
process.exitCode = tallies.some(({ violations }) => violations > 0) ? 1 : 0
