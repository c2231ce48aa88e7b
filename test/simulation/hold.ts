import { assert, it } from "vitest"
import { seeds } from "../support/seeds.ts"
import { judge } from "./judge.ts"
import { inWords } from "./report.ts"
import { makeWorld, type WorldKind, worldKinds } from "./worlds.ts"

/** Seeds of each world in every run of the tests; the command `npm run simulate` takes as many as there is time for. */
const SEEDS = seeds(Array.from({ length: 3 }, (_, i) => String(i + 1)))

/** Tests that worlds of such kinds keep all laws. */
export const holds = (isMeant: (kind: WorldKind) => boolean): void => {
  const kinds = worldKinds.filter(isMeant)
  it.each(kinds.flatMap(({ name }) => SEEDS.map((seed) => [name, seed] as const)))(
    "%s keeps the laws (seed %s)",
    (name, seed) => {
      const kind = kinds.find((kind) => kind.name === name)
      if (kind === undefined) throw new Error("no such world")
      const world = makeWorld(kind, seed)
      const { run, violations } = judge(world, { twice: seed === SEEDS[0] })
      assert.deepStrictEqual(
        violations.map((violation) => inWords(world, violation)),
        [],
      )
      // The story is not an idle one.
      assert.isAbove(run.calls.length, 20)
      assert.isAbove(run.rows.size, 20)
    },
  )
}
