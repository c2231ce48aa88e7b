import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Option } from "effect"
import fc from "fast-check"
import { parseDecimal } from "../../src/reconciliation/report-fields.ts"

const read = (text: string): string | null =>
  Option.match(parseDecimal(text), {
    onNone: () => null,
    onSome: (value) => BigDecimal.format(value),
  })

describe("decimals of reports", () => {
  it("are read digit by digit", () => {
    const cases: ReadonlyArray<readonly [string, string]> = [
      ["0.06", "0.06"],
      ["1e-7", "0.0000001"],
      ["1.5e-2", "0.015"],
      ["2E3", "2000"],
      [".5", "0.5"],
      ["-0.25", "-0.25"],
      ["0E-6176", "0"],
      ["0.00003420000000000000000000000000000000", "0.0000342"],
      ["12345678901234567890.1", "12345678901234567890.1"],
    ]
    for (const [text, expected] of cases) assert.strictEqual(read(text), expected, text)
  })

  it("are not guessed", () => {
    for (const text of [
      "",
      ".",
      "abc",
      "$1.50",
      "1,50",
      "1_000",
      "0x10",
      "NaN",
      "Infinity",
      "1e",
      "1e99999",
    ]) {
      assert.isNull(read(text), text)
    }
  })

  it("lose nothing, whatever the digits", () => {
    fc.assert(
      fc.property(fc.bigInt(-(10n ** 40n), 10n ** 40n), fc.nat(20), (value, scale) => {
        const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0")
        const whole = digits.slice(0, digits.length - scale)
        const text = `${value < 0n ? "-" : ""}${whole}${scale === 0 ? "" : `.${digits.slice(digits.length - scale)}`}`
        fc.pre(whole.length <= 30)
        const parsed = Option.getOrThrow(parseDecimal(text))
        assert.isTrue(BigDecimal.equals(parsed, BigDecimal.make(value, scale)), text)
      }),
    )
  })
})
