import { assert, describe, it } from "@effect/vitest"
import { DateTime, Redacted } from "effect"
import fc from "fast-check"
import { snapshot } from "../../src/audit/snapshot.ts"

const read = (side: object): unknown => JSON.parse(snapshot(side) ?? "null")

describe("one side of a change", () => {
  it("has the names that columns have, and instants as text", () => {
    const side = {
      requestsPerMinute: 5,
      createdAt: DateTime.makeUnsafe("2026-11-23T08:00:00Z"),
      limitNanoUsd: 7n,
      models: null,
    }
    assert.deepStrictEqual(read(side), {
      requests_per_minute: 5,
      created_at: "2026-11-23T08:00:00.000Z",
      limit_nano_usd: "7",
      models: null,
    })
    assert.isNull(snapshot(null))
  })

  it("holds nothing that is redacted, at any depth", () => {
    const secret = Redacted.make("canary")
    assert.notInclude(snapshot({ name: "a", secret, deep: [{ secret }] }) ?? "", "canary")
  })

  it("is what PostgreSQL takes as jsonb, and bounded", () => {
    const text = fc.string({ unit: "binary", maxLength: 200 })
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom("a", "b", "c"), fc.oneof(text, fc.array(text))), (side) => {
        const json = snapshot({ ...side, lone: "\ud800", nul: "\0" }) ?? ""
        assert.isAtMost(json.length, 64 * 1024)
        assert.notInclude(json, "\\u0000")
        assert.notMatch(json, /\\ud[89a-f]/i)
        JSON.parse(json)
      }),
    )
  })

  it("says how long it was when it is too long", () => {
    assert.deepStrictEqual(read({ text: "x".repeat(70_000) }), { omitted_characters: 70_011 })
  })
})
