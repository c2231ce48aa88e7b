import { assert } from "@effect/vitest"
import { describe, it } from "vitest"
import { scaled } from "../support/slowness.ts"
import { strike, strikeBackwards } from "./disasters.ts"
import { summary, type Torture, torture } from "./torture.ts"

/**
 * Gateways and their PostgreSQL under load, killed with -9 again and again: nothing delivered is without its row. Another
 * seed each time, unless TORTURE_SEED repeats one; `bench/torture.ts` is the same for as long as one likes.
 */
const seed = Number(process.env.TORTURE_SEED ?? Date.now() % 1_000_000)

const run = async (options: Omit<Torture, "say">) => {
  const said = [`seed ${options.seed}`]
  const startedAt = performance.now()
  const say = (what: string) => said.push(`${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${what}`)
  const verdict = await torture({ ...options, say })
  console.log(`torture, journal: ${options.journal}, seed ${options.seed}: ${summary(verdict)}`)
  return { verdict, story: said.join("\n") }
}

describe("gateways that are killed with their database at any moment", () => {
  it("lose no row, invent none, and count every call and every nano-dollar", {
    timeout: scaled(240_000),
  }, async () => {
    const { verdict, story } = await run({
      seed,
      replicas: 2,
      clients: 24,
      journal: "file",
      strike: (scene) => strike(scene, 0),
    })
    assert.deepStrictEqual(verdict.violations, [], story)
    assert.deepStrictEqual(verdict.exitCodes, [0, 0], story)
    assert.deepStrictEqual(verdict.leftInJournal, [], story)
    const delivered = verdict.sends.filter(({ ending }) => ending === "delivered").length
    assert.isAbove(delivered, 100, story)
    assert.isTrue(
      verdict.books.attempts.some(({ outcome }) => outcome === "lost"),
      story,
    )
  })

  it("lose rows that are only in memory, and calls under way, which this test notices", async () => {
    const { verdict, story } = await run({
      seed: 1,
      replicas: 1,
      clients: 24,
      journal: "memory",
      strike: strikeBackwards,
    })
    const lost = (what: RegExp) => verdict.violations.filter((violation) => what.test(violation)).length
    assert.isAbove(lost(/^ask \d+ \(\w+, 200 delivered, .* has no row$/), 0, story)
    assert.isAbove(lost(/^p\d counted 1 calls of ask \d+, its attempts are: $/), 0, story)
  })
})
