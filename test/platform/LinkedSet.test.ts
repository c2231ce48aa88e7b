import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { type Link, LinkedSet } from "../../src/platform/LinkedSet.ts"

const valuesOf = <A>(set: LinkedSet<A>): ReadonlyArray<A> => {
  const values: Array<A> = []
  set.forEach((value) => {
    values.push(value)
  })
  return values
}

describe("a linked set", () => {
  it("is what an array would be, in whatever order its values come and go", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 100 }), (steps) => {
        const set = new LinkedSet<number>()
        const links = new Map<number, Link<number>>()
        let expected: ReadonlyArray<number> = []
        for (const value of steps) {
          const link = links.get(value)
          assert.strictEqual(link !== undefined && set.has(link), expected.includes(value))
          if (link !== undefined && set.delete(link)) {
            expected = expected.filter((each) => each !== value)
          } else {
            links.set(value, set.add(value))
            expected = [...expected, value]
          }
          assert.deepStrictEqual(valuesOf(set), expected)
          assert.strictEqual(set.size, expected.length)
          assert.strictEqual(set.oldest?.value, expected[0])
        }
      }),
    )
  })

  it("lets those leave that are visited", () => {
    const set = new LinkedSet<number>()
    for (const value of [1, 2, 3, 4]) set.add(value)
    set.forEach((value, link) => {
      if (value !== 2) set.delete(link)
    })
    assert.deepStrictEqual(valuesOf(set), [2])
  })

  it("has nothing to do with the links of another one, or of one that left", () => {
    const set = new LinkedSet<number>()
    const other = new LinkedSet<number>()
    const link = set.add(1)
    assert.isFalse(other.has(link) || other.delete(link))
    assert.isTrue(set.delete(link))
    assert.isFalse(set.has(link) || set.delete(link))
  })

  it("forgets all of them, which may come again", () => {
    const set = new LinkedSet<number>()
    const links = [1, 2, 3].map((value) => set.add(value))
    set.clear()
    assert.deepStrictEqual([set.size, set.oldest, links.some((link) => set.has(link))], [0, undefined, false])
    set.add(4)
    assert.deepStrictEqual(valuesOf(set), [4])
  })

  it("has nothing live long that came and went, as a set would", () => {
    setFlagsFromString("--expose-gc")
    const collect: () => void = runInNewContext("gc")
    const oldBytes = () =>
      getHeapSpaceStatistics().find(({ space_name }) => space_name === "old_space")?.space_used_size ?? 0
    const set = new LinkedSet<unknown>()
    set.add("stays")
    const inFlight: Array<Link<unknown>> = []
    // From here on the set itself is old.
    collect()
    const before = oldBytes()
    for (let i = 0; i < 20_000; i++) {
      inFlight.push(set.add(Array.from({ length: 100 }, (_, at) => ({ at }))))
      const left = inFlight.length > 16 ? inFlight.shift() : undefined
      if (left !== undefined) set.delete(left)
    }
    // Of 64 MB at the least. A set kept half of it, until the next full collection.
    assert.isBelow(oldBytes() - before, 8 * 1024 * 1024)
  })
})
