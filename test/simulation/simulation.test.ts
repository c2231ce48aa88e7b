import { assert, describe, it } from "vitest"
import type { Row } from "./Books.ts"
import { tell } from "./history.ts"
import { judge } from "./judge.ts"
import { laws } from "./laws.ts"
import type { Changes } from "./run.ts"
import { run } from "./run.ts"
import { shrink } from "./shrink.ts"
import type { World } from "./World.ts"
import { makeWorld, worldKinds } from "./worlds.ts"

const worldOf = (name: string, seed = "1"): World => {
  const kind = worldKinds.find((kind) => kind.name === name)
  if (kind === undefined) throw new Error(`no world ${name}`)
  return makeWorld(kind, seed)
}

const broken = (world: World, changes?: Changes): ReadonlySet<string> =>
  new Set(judge(world, { changes }).violations.map(({ law }) => law))

describe("a law", () => {
  const world = worldOf("outages")

  it.each<readonly [law: string, what: string, change: (row: Row) => Row | undefined]>([
    ["ledger", "a row that is lost", (row) => (row.attempts.length > 1 ? undefined : row)],
    [
      "ledger",
      "an attempt that is not in the books",
      (row) => (row.attempts.length > 1 ? { ...row, attempts: row.attempts.slice(1) } : row),
    ],
    [
      "ledger",
      "an attempt that is there twice",
      (row) => (row.stream ? { ...row, attempts: [...row.attempts, ...row.attempts] } : row),
    ],
    [
      "money",
      "a nano-dollar too much",
      (row) => ({ ...row, cost_nano_usd: row.cost_nano_usd === null ? null : row.cost_nano_usd + 1 }),
    ],
    [
      "money",
      "an unknown cost that is taken for nothing",
      (row) => ({ ...row, cost_nano_usd: row.cost_nano_usd ?? 0 }),
    ],
    ["no defects", "a defect", (row) => (row.stream ? { ...row, error_code: "internal_error" } : row)],
  ])("%s notices %s", (law, _, row) => {
    assert.notInclude([...broken(world)], law)
    assert.include([...broken(world, { row })], law)
  })

  it("has a name of its own", () => {
    assert.strictEqual(new Set(laws.map(({ name }) => name)).size, laws.length)
  })
})

describe("a world that breaks a law", () => {
  /** Loses the rows of streams that were asked for twice. */
  const changes: Changes = {
    row: (row) => (row.stream && row.attempts.length > 1 ? undefined : row),
  }
  const world = worldOf("outages")

  it("is shrunk to the events that it takes, which break it again", async () => {
    assert.isAbove(world.events.length, 200)
    const small = await shrink(world, "ledger", { changes })
    assert.deepStrictEqual(small.events.map(({ kind }) => kind).toSorted(), ["visit", "weather"])
    assert.include([...broken(small, changes)], "ledger")
    assert.deepStrictEqual([...broken(small)], [])
    const told = tell(run(small, changes)).join("\n")
    assert.match(told, /comes to gateway \d as \w+ for auto: streamed/)
    assert.match(told, /is in trouble for \d+ ms: down/)
    assert.match(told, /ends: connect/)
  })

  it("has the same events without the others", () => {
    const without = {
      ...world,
      events: world.events.filter((event, i) => event.kind !== "visit" || i % 2 === 0),
    }
    const of = (world: World) =>
      new Map(
        run(world).calls.map(({ number: _, visit, ...call }) => [`${visit.id} ${call.target}`, call.pieces]),
      )
    const all = of(world)
    // Whom they are asked of may differ; what is answered there does not.
    for (const [call, pieces] of of(without)) if (all.has(call)) assert.strictEqual(pieces, all.get(call))
  })
})

describe("the same seed", () => {
  it("makes the same history to the letter, and another seed another one", () => {
    const told = (seed: string) => tell(run(worldOf("anything", seed))).join("\n")
    assert.strictEqual(told("again"), told("again"))
    assert.notStrictEqual(told("again"), told("other"))
  })
})
