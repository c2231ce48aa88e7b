import { tell } from "./history.ts"
import { type Violation, violationsOf } from "./laws.ts"
import { type Changes, type Run, run } from "./run.ts"
import type { World } from "./World.ts"
import { worldKinds } from "./worlds.ts"

/** Laws that compare two runs. */
export const comparisons = [
  {
    name: "monotonic",
    says: "What is decided, and when, is the same whatever steps the wall clocks make",
  },
  {
    name: "determinism",
    says: "The same seed makes the same history, to the letter",
  },
] as const

interface Judged {
  readonly run: Run
  readonly violations: ReadonlyArray<Violation>
}

/** Runs a world and holds it to all laws; to the last one only when asked, as that takes a second run. */
export const judge = (
  world: World,
  { changes, twice = false }: { readonly changes?: Changes | undefined; readonly twice?: boolean } = {},
): Judged => {
  const first = run(world, changes)
  const expects = worldKinds.find(({ name }) => name === world.name)?.expects
  const violations = [...violationsOf(first, expects)]
  const differing = (law: string, other: World) => {
    const [one, two] = [decisions(first), decisions(run(other, changes))]
    const line = one.findIndex((line, i) => line !== two[i])
    if (line >= 0 || one.length !== two.length)
      violations.push({
        law,
        visit: undefined,
        what: `"${one[line]}" in one run is "${two[line]}" in the other`,
      })
  }
  const calm = world.events.filter(({ kind }) => kind !== "step")
  if (calm.length < world.events.length) differing("monotonic", { ...world, events: calm })
  if (twice) differing("determinism", world)
  return { run: first, violations }
}

/** A history without what the wall clock is set to. */
const decisions = (run: Run): ReadonlyArray<string> =>
  tell({ ...run, world: { ...run.world, events: run.world.events.filter(({ kind }) => kind !== "step") } })
