import { setImmediate } from "node:timers/promises"
import { judge } from "./judge.ts"
import { inWords, type Tally } from "./report.ts"
import { makeWorld, worldKinds } from "./worlds.ts"

/** What a seed is asked for, and what came of it: plain values, as they go between threads. */
export interface SeedOrder {
  readonly seed: number
  readonly worlds: ReadonlyArray<string>
  readonly twice: boolean
}

export interface SeedResult {
  readonly seed: number
  readonly tallies: ReadonlyArray<Tally>
  /** The first violations of each world, in words. */
  readonly broken: ReadonlyArray<{ readonly world: string; readonly law: string; readonly words: string }>
}

/** Violations of a world that are told. */
const TOLD = 3

/** Runs the worlds of one seed. */
export const judgeSeed = async ({ seed, twice, worlds }: SeedOrder): Promise<SeedResult> => {
  const tallies: Array<Tally> = []
  const broken: Array<SeedResult["broken"][number]> = []
  for (const kind of worldKinds.filter(({ name }) => worlds.includes(name))) {
    // What the readers of streams left for the next turn is let go.
    await setImmediate()
    const world = makeWorld(kind, String(seed))
    const { run, violations } = judge(world, { twice })
    for (const violation of violations.slice(0, TOLD))
      broken.push({ world: kind.name, law: violation.law, words: inWords(world, violation) })
    tallies.push({
      world: kind.name,
      seeds: 1,
      hours: world.endMs / 3_600_000,
      requests: run.sights.length,
      attempts: run.calls.length,
      violations: violations.length,
    })
  }
  return { seed, tallies, broken }
}
