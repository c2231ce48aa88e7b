import { setImmediate } from "node:timers/promises"
import { assert, describe, it } from "vitest"
import { FairTurns } from "../../src/http/FairTurns.ts"

const setup = (perTurn: number) => {
  const turns = new FairTurns(perTurn)
  const begun: Array<string> = []
  const come = (party: string, name = party) => turns.take(party, () => void begun.push(name))
  return { begun, come, turns }
}

describe("fair turns", () => {
  it("begin at once what fits into a turn, and the rest in the next ones", async () => {
    const { begun, come } = setup(2)
    for (const name of ["1", "2", "3", "4", "5"]) assert.isTrue(come("a", name))
    assert.deepStrictEqual(begun, ["1", "2"])
    await setImmediate()
    assert.deepStrictEqual(begun, ["1", "2", "3", "4"])
    await setImmediate()
    assert.deepStrictEqual(begun, ["1", "2", "3", "4", "5"])
    await setImmediate()
    come("a", "6")
    assert.strictEqual(begun.at(-1), "6")
  })

  it("give each party one at a time, however many another has", async () => {
    const { begun, come } = setup(2)
    for (let i = 0; i < 1_000; i++) come("crowd")
    come("bystander")
    come("bystander")
    await setImmediate()
    assert.deepStrictEqual(begun, ["crowd", "crowd", "crowd", "bystander"])
    await setImmediate()
    assert.deepStrictEqual(begun.slice(4), ["crowd", "bystander"])
  })

  it("let nobody pass who comes while others wait", async () => {
    const { begun, come } = setup(1)
    come("a", "1")
    come("a", "2")
    await setImmediate()
    come("b", "3")
    assert.deepStrictEqual(begun, ["1", "2"])
    await setImmediate()
    assert.deepStrictEqual(begun, ["1", "2", "3"])
  })

  it("let one party wait with so many, and others still wait beside it", () => {
    const { come } = setup(1)
    let taken = 0
    while (come("crowd")) taken += 1
    assert.isAbove(taken, 1_000)
    assert.isBelow(taken, 10_000)
    assert.isTrue(come("bystander"))
  })

  it("remember no parties that are gone while others wait", async () => {
    const { come, turns } = setup(50)
    for (let i = 0; i < 100; i++) come(`party ${i}`)
    for (let i = 100; i < 5_000; i++) {
      come(`party ${i}`)
      if (i % 50 === 0) await setImmediate()
    }
    assert.isBelow(turns.size, 1_200)
  })

  it("begin everybody's, be they many", async () => {
    const { begun, come } = setup(1_000)
    for (let i = 0; i < 5_000; i++) come(`party ${i}`)
    for (let turn = 0; turn < 6; turn++) await setImmediate()
    assert.lengthOf(begun, 5_000)
    come("again")
    assert.lengthOf(begun, 5_001)
  })
})
