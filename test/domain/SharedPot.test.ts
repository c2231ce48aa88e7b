import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { SharedPot } from "../../src/domain/SharedPot.ts"

/** Takes one at a time, each key in turn, until nobody gets more. */
const takeAll = (pot: SharedPot, keys: ReadonlyArray<string>): ReadonlyMap<string, number> => {
  const got = new Map(keys.map((key) => [key, 0]))
  for (let more = true; more; ) {
    more = false
    for (const key of keys) {
      if (pot.take(key, 1) !== undefined) continue
      got.set(key, (got.get(key) ?? 0) + 1)
      more = true
    }
  }
  return got
}

describe("a shared pot", () => {
  it("gives one key its share and no more", () => {
    assert.deepStrictEqual([...takeAll(new SharedPot(1_000, 0.75), ["a"]).values()], [750])
    assert.deepStrictEqual([...takeAll(new SharedPot(1_000, 1), ["a"]).values()], [1_000])
    assert.deepStrictEqual([...takeAll(new SharedPot(1, 0.5), ["a"]).values()], [1])
  })

  it("gives several greedy keys the same, and keeps something for the next", () => {
    const pot = new SharedPot(1_000, 0.75)
    const got = [...takeAll(pot, ["a", "b", "c"]).values()]
    assert.deepStrictEqual(got, [300, 300, 300])
    assert.strictEqual(pot.take("newcomer", 100), undefined)
    assert.strictEqual(pot.take("late", 1), "full")
  })

  it("has everything again when everything was given back, in any order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.nat(300), fc.boolean()), { maxLength: 200 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (steps, share) => {
          const pot = new SharedPot(1_000, share)
          const held: Array<readonly [string, number]> = []
          for (const [key, amount, back] of steps) {
            const last = back ? held.pop() : undefined
            if (last !== undefined) pot.giveBack(...last)
            else if (pot.take(key, amount) === undefined) held.push([key, amount])
            assert.strictEqual(
              pot.taken,
              held.reduce((sum, [, each]) => sum + each, 0),
            )
            assert.isAtMost(pot.taken, 1_000)
          }
          for (const each of held) pot.giveBack(...each)
          assert.strictEqual(pot.taken, 0)
          assert.strictEqual(pot.take("new", 1_000), undefined)
        },
      ),
    )
  })
})
