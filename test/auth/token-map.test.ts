import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { TokenMap } from "../../src/auth/token-map.ts"

describe("token map", () => {
  it("drops the least recently used above its capacity", () => {
    const map = new TokenMap<number>(2)
    map.set("a", "1", 1)
    map.set("b", "2", 2)
    map.get("a")
    map.set("c", "3", 3)
    assert.deepStrictEqual([map.get("a"), map.get("b"), map.get("c")], [1, undefined, 3])
  })

  it("forgets every token of an id and no other", () => {
    const map = new TokenMap<number>(10)
    map.set("a", "1", 1)
    map.set("b", "1", 2)
    map.set("c", "2", 3)
    map.deleteId("1")
    assert.deepStrictEqual([...map.entries()], [["2", 3]])
  })

  it("keeps the values of a forgotten id that are to be kept", () => {
    const map = new TokenMap<number>(10)
    map.set("a", "1", 1)
    map.set("b", "1", 2)
    map.deleteId("1", (value) => value === 2)
    assert.deepStrictEqual([...map.entries()], [["1", 2]])
    map.deleteId("1")
    assert.deepStrictEqual([...map.entries()], [])
  })

  it("its index of ids always equals its entries, which never exceed the capacity", () => {
    const digest = fc.constantFrom("a", "b", "c", "d", "e")
    const id = fc.constantFrom("1", "2", "3")
    const step = fc.oneof(
      fc.tuple(fc.constant("set"), digest, id),
      fc.tuple(fc.constant("delete"), digest, id),
      fc.tuple(fc.constant("deleteId"), digest, id),
      fc.tuple(fc.constant("get"), digest, id),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const map = new TokenMap<string>(3)
        for (const [operation, digest, id] of steps) {
          if (operation === "set") map.set(digest, id, digest)
          if (operation === "delete") map.delete(digest)
          if (operation === "deleteId") map.deleteId(id)
          if (operation === "get") map.get(digest)
          assert.isAtMost(map.size, 3)
        }
        // By the index alone, each id takes its own entries with it and no other.
        for (const id of ["1", "2", "3"]) {
          const others = [...map.entries()].filter(([other]) => other !== id)
          map.deleteId(id)
          assert.deepStrictEqual([...map.entries()], others)
        }
      }),
    )
  })
})
