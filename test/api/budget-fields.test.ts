import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import fc from "fast-check"
import { AlertPercents, LimitUsd } from "../../src/api/budget-fields.ts"
import { Tags, TeamName } from "../../src/api/limit-fields.ts"
import { subjectFault } from "../../src/domain/Budget.ts"

const nanoOf = (usd: unknown) => Option.getOrUndefined(Schema.decodeUnknownOption(LimitUsd)(usd))

describe("dollars of a budget", () => {
  it("with up to nine decimals are their nano-dollars, as far as a number tells them apart", () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat().map((nano) => nano % 9_000_000_000_000_001),
        (nano) => {
          const text = `${Math.floor(nano / 1e9)}.${String(nano % 1e9).padStart(9, "0")}`
          const decoded = nanoOf(Number(text))
          assert.isDefined(decoded)
          assert.approximately(decoded ?? 0, nano, nano < 2 ** 51 ? 0 : 1)
          assert.strictEqual(Schema.encodeSync(LimitUsd)(decoded ?? 0), Number(text))
        },
      ),
    )
  })

  it("with more decimals are refused", () => {
    fc.assert(
      fc.property(fc.nat(1_000_000_000), fc.integer({ min: 1, max: 9 }), (nano, tenth) => {
        assert.isUndefined(nanoOf(Number(`${nano}.${tenth}e-9`)))
      }),
    )
  })

  it.each([-1, -1e-9, 9_000_000.000_001, 1e300, Number.NaN, Number.POSITIVE_INFINITY, "5", "", null, true])(
    "are not %j",
    (usd) => {
      assert.isUndefined(nanoOf(usd))
    },
  )

  it("may be none", () => {
    assert.strictEqual(nanoOf(0), 0)
  })
})

describe("percents of alerts", () => {
  it.each([[[]], [[1, 100]], [[50, 50]]])("are %j", (percents) => {
    assert.isTrue(Schema.is(AlertPercents)(percents))
  })

  it.each([[[0]], [[101]], [[0.5]], [["50"]], [[Number.NaN]], [Array.from({ length: 11 }, () => 1)]])(
    "are not %j",
    (percents) => {
      assert.isFalse(Schema.is(AlertPercents)(percents))
    },
  )
})

describe("the name of a team", () => {
  it("stands in a path as it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 70 }), (name) => {
        if (!Schema.is(TeamName)(name)) return
        const { pathname } = new URL(`http://gateway/admin/teams/${name}/x`)
        assert.strictEqual(pathname, `/admin/teams/${name}/x`)
      }),
    )
    for (const name of [
      "",
      ".",
      "..",
      "-a",
      "a/b",
      "a b",
      "a%2e",
      "ä",
      "a\n",
      "x".repeat(65),
      "a,b",
      "a:b",
    ]) {
      assert.isFalse(Schema.is(TeamName)(name), name)
    }
    for (const name of ["a", "9", "Search_2.eu-west", "x".repeat(64)]) {
      assert.isTrue(Schema.is(TeamName)(name), name)
    }
  })
})

describe("tags", () => {
  it("come back from a list with commas and spaces as they were", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary", maxLength: 70 }), { maxLength: 10 }), (tags) => {
        if (!Schema.is(Tags)(tags)) return
        const sent = tags.join(" , ")
        assert.deepStrictEqual(tags.length === 0 ? [] : sent.split(",").map((tag) => tag.trim()), tags)
      }),
    )
  })
})

describe("the subject of a budget", () => {
  it.each([
    ["gateway", ""],
    ["key", "AdaAdaAdaAda"],
    ["team", "search"],
    ["user", "x".repeat(128)],
    ["tag", "prod eu"],
  ] as const)("of scope %s may be %j", (scope, subject) => {
    assert.isUndefined(subjectFault(scope, subject))
  })

  it.each([
    ["gateway", "x", "Expected none: the budget is everybody's."],
    ["key", "", "Expected the id of an API key, the 12 characters after gwk_."],
    ["team", "", "Expected the name of a team."],
    ["user", "", "Expected an end user as requests name it."],
    [
      "user",
      "x".repeat(129),
      "Expected at most 128 characters, no control characters and no spaces around it.",
    ],
    ["user", "a\0", "Expected at most 128 characters, no control characters and no spaces around it."],
    ["user", "\u001b[2J", "Expected at most 128 characters, no control characters and no spaces around it."],
    ["tag", "", "Expected a tag."],
    [
      "tag",
      "a,b",
      "Expected a tag: 1 to 64 characters, no commas, no control characters and no spaces around it.",
    ],
  ] as const)("of scope %s is not %j", (scope, subject, fault) => {
    assert.strictEqual(subjectFault(scope, subject), fault)
  })
})
