import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { decimalUsd } from "../../src/domain/Money.ts"

describe("dollars as decimals", () => {
  it("are plain, whole or with as many places as there is something in", () => {
    const said = [0, 1, 10, 999_999_999, 1_000_000_000, 1_500_000_000, 20_000_000_000, 123_000_000_456]
    assert.deepStrictEqual(said.map(decimalUsd), [
      ...["0", "0.000000001", "0.00000001", "0.999999999"],
      ...["1", "1.5", "20", "123.000000456"],
    ])
  })

  it("say every amount to the nano-dollar", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (nanoUsd) => {
        const said = decimalUsd(nanoUsd)
        assert.match(said, /^(0|[1-9]\d*)(\.\d{0,8}[1-9])?$/)
        const [dollars = "", below = ""] = said.split(".")
        assert.strictEqual(BigInt(dollars + below.padEnd(9, "0")), BigInt(nanoUsd))
      }),
    )
  })
})
