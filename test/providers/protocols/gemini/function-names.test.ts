import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { fromWireName } from "../../../../src/providers/protocols/function-names.ts"
import { toGeminiName } from "../../../../src/providers/protocols/gemini/calls.ts"

/** Google's words for `FunctionDeclaration.name`. */
const TAKEN = /^[A-Za-z_][\w.:-]{0,127}$/

describe("a function's name", () => {
  it.each(["weather", "mcp__server__search", "_x", "a.b:c-d", "fn_x", "fn"])("%s stays as it is", (name) => {
    assert.strictEqual(toGeminiName(name), name)
    assert.strictEqual(fromWireName(name), name)
  })

  it.each([
    ["1st", "fn__1st"],
    ["a/b c", "fn__a__2f__b__20__c"],
    ["-x", "fn____2d__x"],
    ["fn__x", "fn__fn__5f___x"],
    ["größe", "fn__gr__f6____df__e"],
  ])("%s goes out as %s", (name, theirs) => {
    assert.strictEqual(toGeminiName(name), theirs)
    assert.strictEqual(fromWireName(theirs), name)
  })

  const names = fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.string({ unit: fc.constantFrom("_", "f", "n", "5", "2", "/", "-", "1", "😀"), maxLength: 20 }),
    fc.string({ unit: fc.constantFrom("_", "f", "n", "5") }).map((name) => `fn__${name}`),
  )

  it("comes back from what Gemini takes, whatever it is, or does not go out", () => {
    fc.assert(
      fc.property(names, (name) => {
        const theirs = toGeminiName(name)
        if (theirs === undefined) return assert.isAbove(name.length, 14)
        assert.match(theirs, TAKEN)
        assert.strictEqual(fromWireName(theirs), name)
      }),
      { numRuns: 2_000 },
    )
  })

  it("never makes two of one, or one of two", () => {
    fc.assert(
      fc.property(names, names, (a, b) => {
        const [one, other] = [toGeminiName(a), toGeminiName(b)]
        if (a !== b && one !== undefined) assert.notStrictEqual(one, other)
      }),
    )
  })

  it("is read whatever a model makes up", () => {
    fc.assert(fc.property(fc.string(), (name) => assert.isString(fromWireName(`fn__${name}__ffffff__`))))
  })
})
