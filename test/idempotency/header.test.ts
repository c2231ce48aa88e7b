import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { parseIdempotencyKey } from "../../src/idempotency/header.ts"

const visible = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code))
const key = fc.string({ unit: visible, minLength: 1, maxLength: 255 })
const bareKey = key.filter((value) => !value.startsWith('"'))
const quote = (value: string) => `"${value.replace(/["\\]/g, "\\$&")}"`
const spaces = fc.string({ unit: fc.constantFrom(" ", "\t"), maxLength: 3 })

const refusal = (...values: ReadonlyArray<string>): string => {
  const result = parseIdempotencyKey(values)
  assert.isTrue(Result.isFailure(result), JSON.stringify(values))
  return Result.isFailure(result) ? result.failure.message : ""
}

describe("parseIdempotencyKey", () => {
  it("means no key when the header is absent", () => {
    assert.deepStrictEqual(parseIdempotencyKey([]), Result.succeed(undefined))
  })

  it("gives any visible ASCII back from a quoted string, with whitespace around it ignored", () => {
    fc.assert(
      fc.property(key, spaces, spaces, (value, before, after) => {
        assert.deepStrictEqual(parseIdempotencyKey([before + quote(value) + after]), Result.succeed(value))
      }),
    )
  })

  it("takes a bare value for the same key as the quoted one", () => {
    fc.assert(
      fc.property(bareKey, spaces, (value, around) => {
        assert.deepStrictEqual(parseIdempotencyKey([around + value + around]), Result.succeed(value))
        assert.deepStrictEqual(parseIdempotencyKey([value]), parseIdempotencyKey([quote(value)]))
      }),
    )
  })

  it("counts 1 to 255 characters after unquoting", () => {
    const longest = '"'.repeat(255)
    assert.deepStrictEqual(parseIdempotencyKey([quote(longest)]), Result.succeed(longest))
    for (const value of ["", '""', "  ", "a".repeat(256), quote("a".repeat(256))]) {
      assert.match(refusal(value), /1 to 255 characters/)
    }
  })

  it("refuses every character that is not visible ASCII, bare or quoted", () => {
    const other = fc
      .string({ unit: "binary", minLength: 1, maxLength: 1 })
      .filter((c) => !/^[\x21-\x7e]$/.test(c))
    fc.assert(
      fc.property(bareKey, other, bareKey, (before, character, after) => {
        const value = before + character + after
        assert.match(refusal(value), /visible ASCII/)
        refusal(quote(value))
      }),
    )
  })

  it("refuses a header that was sent twice, as lines or already joined, even with one value", () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        assert.match(refusal(a, b), /more than once/)
        assert.match(refusal(a, a), /more than once/)
        refusal(`${quote(a)}, ${quote(b)}`)
        refusal(`${quote(a)},${quote(b)}`)
        refusal(`x${a}, ${b}`)
      }),
    )
  })

  it.each([['"'], ['"abc'], ['"a"b"'], ['"a\\b"'], ['"abc\\"'], ['"abc";q=1'], ['"abc"x']])(
    "refuses the malformed quoted string %s",
    (value) => {
      assert.match(refusal(value), /double quotes/)
    },
  )

  it("never repeats the value in its message", () => {
    assert.notInclude(refusal("secret-canary é"), "canary")
    assert.notInclude(refusal('"secret-canary'), "canary")
  })

  it("answers any input with a key of visible ASCII or a refusal", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 2 }), (values) => {
        const result = parseIdempotencyKey(values)
        if (Result.isSuccess(result)) assert.match(result.success ?? "", /^[\x21-\x7e]{1,255}$/)
      }),
    )
  })
})
