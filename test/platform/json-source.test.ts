import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { parseExactJson } from "../../src/platform/exact-json.ts"
import { changeMembers, type MemberChange, scanJson, withChanges } from "../../src/platform/json-source.ts"
import { jsonObjectText, jsonValueText } from "../support/json-text.ts"

const limits = { depth: 256, fields: 1_000, innerFields: 1_000, pieces: 100_000 }

const scan = (text: string, depth = 256) => scanJson(Buffer.from(text), { ...limits, depth })
const exceeds = (text: string, depth?: number) => scan(text, depth).excess?.of === "depth"

/** Names and values as the scan cut them out; undefined when it noted none. */
const cut = (text: string) => {
  const bytes = Buffer.from(text)
  return scanJson(bytes, limits).members?.map(({ name, nameStart, nameEnd, valueStart, valueEnd }) => [
    name,
    bytes.toString("utf8", nameStart, nameEnd),
    bytes.toString("utf8", valueStart, valueEnd),
  ])
}

const names = { model: jsonValueText, stream: jsonValueText, max_tokens: jsonValueText }

describe("a scan", () => {
  it("finds the members of an object, and them alone", () => {
    assert.deepStrictEqual(cut(' { "a" : 1.0 ,\n"b":{"a":[{"b":"}"}]},"c":"\\",\\"d\\":1" , "é":null } '), [
      ["a", '"a"', "1.0"],
      ["b", '"b"', '{"a":[{"b":"}"}]}'],
      ["c", '"c"', '"\\",\\"d\\":1"'],
      ["é", '"é"', "null"],
    ])
    assert.deepStrictEqual(cut(" {\n} "), [])
  })

  it.each([
    ["a list", '[{"a":1}]'],
    ["a text", '"{}"'],
    ["a number", "5"],
    ["an escaped name", '{"a":1,"\\u006dodel":2}'],
    ["a name that stands twice", '{"a":1,"b":2,"a":3}'],
    ["a very long name", `{"${"a".repeat(200)}":1}`],
  ])("notes no members of %s", (_what, text) => {
    assert.isUndefined(cut(text))
  })

  it("agrees with JSON.parse on every member of any object", () => {
    let noted = 0
    fc.assert(
      fc.property(jsonObjectText(names), (text) => {
        const members = cut(text)
        if (members === undefined) return
        noted += 1
        const parsed: object = JSON.parse(text)
        assert.deepStrictEqual(members.map(([name]) => name).sort(), Object.keys(parsed).sort())
        const values = new Map(Object.entries(parsed))
        for (const [name = "", , value = ""] of members) {
          assert.deepStrictEqual(JSON.parse(value), values.get(name))
        }
      }),
      { numRuns: 1_000 },
    )
    assert.isAbove(noted, 300)
  })

  it("counts levels as JSON.parse would build them, however the strings look", () => {
    const depth = (value: unknown): number =>
      typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0
    fc.assert(
      fc.property(jsonValueText, (text) => {
        const levels = depth(JSON.parse(text))
        // Of a name that stands twice only the last value is built.
        if (exceeds(text, levels)) assert.isFalse(/^[^{]*$/.test(text))
        else if (levels > 0) assert.isTrue(exceeds(text, levels - 1))
      }),
      { numRuns: 500 },
    )
    assert.isTrue(exceeds("[".repeat(257)))
    assert.isFalse(exceeds("[".repeat(256)))
    assert.isFalse(exceeds(JSON.stringify("[".repeat(1000))))
    assert.isTrue(exceeds(`"\\\\",${"[".repeat(257)}`))
  })

  it("sees every number that JSON.parse rounds, so that none is lost", () => {
    const integer = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n })
    fc.assert(
      fc.property(integer, jsonValueText, (number, other) => {
        const text = `{"a":[${other},\t${number}],"b":${number}}`
        const exact = JSON.stringify(parseExactJson(text))
        assert.strictEqual(JSON.stringify(parseExactJson(text, scan(text).longNumber)), exact)
      }),
      { numRuns: 1_000 },
    )
    assert.isFalse(scan('["9007199254740993", 0.12345678901234567, 123456789012345]').longNumber)
  })

  it("costs its length, however its strings are escaped", () => {
    const cpuMs = (text: string) => {
      const bytes = Buffer.from(text)
      let best = Number.POSITIVE_INFINITY
      for (let i = 0; i < 5; i++) {
        const before = process.cpuUsage()
        scanJson(bytes, limits)
        const { user, system } = process.cpuUsage(before)
        best = Math.min(best, (user + system) / 1000)
      }
      return best
    }
    const size = 1_000_000
    const plain = cpuMs(JSON.stringify(Array(size / 10).fill("1234567")))
    for (const hostile of [
      `{"a":"${'\\"'.repeat(size / 2)}"}`,
      `{"a":"${"\\\\".repeat(size / 2)}"}`,
      `{"a":"${`${"x".repeat(70)}\\"`.repeat(size / 72)}"}`,
      `{"a":"${`${"\\\\".repeat(40)}\\"`.repeat(size / 82)}"}`,
      `{"a":${" ".repeat(size)}}`,
      `{${`"a":1${" ".repeat(size / 10)},`.repeat(10)}}`,
    ]) {
      // Quadratic would be thousands of times as much.
      assert.isBelow(cpuMs(hostile), 20 * plain + 20)
    }
  })
})

describe("changed members", () => {
  const change = (text: string, changes: Readonly<Record<string, MemberChange>>) => {
    const bytes = Buffer.from(text)
    const { members } = scanJson(bytes, limits)
    if (members === undefined) throw new Error("no members")
    return changeMembers({ bytes, members }, Object.entries(changes)).toString()
  }

  it.each<[text: string, changes: Readonly<Record<string, MemberChange>>, expected: string]>([
    ['{"a":1.0, "b" : 2}', {}, '{"a":1.0, "b" : 2}'],
    ['{"a":1.0, "b" : 2}', { b: { value: "3" } }, '{"a":1.0, "b" : 3}'],
    ['{"a":1.0, "b" : 2}', { b: { name: "c" } }, '{"a":1.0, "c" : 2}'],
    ['{"a":1.0, "b" : 2}', { b: { name: "c", value: "3" } }, '{"a":1.0, "c" : 3}'],
    ['{"a":1.0, "b" : 2 }', { c: { value: "3" } }, '{"a":1.0, "b" : 2,"c":3 }'],
    ['{"a":1.0, "b" : 2 , "c":3}', { b: "remove" }, '{"a":1.0 , "c":3}'],
    ['{"a":1.0, "b" : 2 , "c":3}', { a: "remove" }, '{"b" : 2 , "c":3}'],
    ['{"a":1.0, "b" : 2 , "c":3 }', { c: "remove" }, '{"a":1.0, "b" : 2 }'],
    ['{"a":1.0, "b" : 2 , "c":3 }', { a: "remove", b: "remove" }, '{"c":3 }'],
    ['{"a":1.0, "b" : 2 , "c":3 }', { b: "remove", c: "remove" }, '{"a":1.0 }'],
    ['{"a":1, "b":2}', { a: "remove", b: "remove" }, "{}"],
    ['{"a":1, "b":2}', { a: "remove", b: "remove", c: { value: "3" } }, '{"c":3}'],
    [" { } ", { a: { value: "1" }, b: { value: "2" } }, ' {"a":1,"b":2 } '],
    ["{}", { a: "remove", b: { name: "c" } }, "{}"],
    ['{"é":"ü","a":"😀"}', { a: { value: '"ö"' }, é: { name: "ß" } }, '{"ß":"ü","a":"ö"}'],
  ])("%s with %o", (text, changes, expected) => {
    assert.strictEqual(change(text, changes), expected)
  })

  it("are added once, by the same change twice as well", () => {
    const bytes = Buffer.from("{}")
    const twice = ["a", { value: "1" }] as const
    assert.strictEqual(changeMembers({ bytes, members: [] }, [twice, twice]).toString(), '{"a":1}')
  })

  it("are all that changes of any object", () => {
    const changes = fc.dictionary(
      fc.constantFrom("model", "stream", "max_tokens", "toString", "__proto__", "new"),
      fc.oneof(fc.constant("remove" as const), fc.record({ value: jsonValueText })),
    )
    let changed = 0
    fc.assert(
      fc.property(jsonObjectText(names), changes, (text, wanted) => {
        const bytes = Buffer.from(text)
        const { members } = scanJson(bytes, limits)
        if (members === undefined) return
        changed += 1
        const expected = new Map<string, unknown>(Object.entries(JSON.parse(text)))
        for (const [name, each] of Object.entries(wanted)) {
          if (each === "remove") expected.delete(name)
          else expected.set(name, JSON.parse(each.value))
        }
        const result = changeMembers({ bytes, members }, Object.entries(wanted)).toString()
        assert.deepStrictEqual(new Map(Object.entries(JSON.parse(result))), expected)
      }),
      { numRuns: 1_000 },
    )
    assert.isAbove(changed, 300)
  })

  it("may be said before others, which then change what they left", () => {
    const changes = fc.dictionary(
      fc.constantFrom("model", "stream", "max_tokens", "new"),
      fc.oneof(fc.constant("remove" as const), fc.record({ value: jsonValueText })),
    )
    let changed = 0
    fc.assert(
      fc.property(jsonObjectText(names), changes, changes, (text, first, second) => {
        const bytes = Buffer.from(text)
        const { members } = scanJson(bytes, limits)
        if (members === undefined) return
        changed += 1
        const between = change(text, first)
        const asked = withChanges({ bytes, members }, Object.entries(first))
        assert.deepStrictEqual(
          JSON.parse(changeMembers(asked, Object.entries(second)).toString()),
          JSON.parse(change(between, second)),
        )
      }),
      { numRuns: 1_000 },
    )
    assert.isAbove(changed, 300)
  })
})
