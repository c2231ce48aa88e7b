import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type { Price } from "../../src/catalog/model.ts"
import { jumpsBetween } from "../../src/catalog/price-jumps.ts"

const day = Date.UTC(2026, 11, 1)
const price = (input: number, output: number, more: Partial<Price> = {}): Price => ({
  inputNanoPer1M: input * 1e9,
  cachedInputNanoPer1M: 1e9,
  outputNanoPer1M: output * 1e9,
  source: "s",
  asOf: "2026-11-01",
  ...more,
})

describe("a price that changes", () => {
  it("may double or halve, and no more", () => {
    assert.deepStrictEqual(jumpsBetween(price(2, 4), price(4, 2)), [])
    assert.deepStrictEqual(jumpsBetween(price(2, 4), price(4.000001, 1.9)), [
      "input 2 -> 4.000001 USD",
      "output 4 -> 1.9 USD",
    ])
  })

  it("to nothing or from nothing jumps, unless it was not stated before", () => {
    assert.deepStrictEqual(jumpsBetween(price(1, 1), price(0, 1)), ["input 1 -> 0 USD"])
    assert.deepStrictEqual(jumpsBetween(price(0, 1), price(1, 1)), ["input 0 -> 1 USD"])
    assert.deepStrictEqual(jumpsBetween(price(1, 1), price(1, 1, { webSearchNano: 5 })), [])
    assert.lengthOf(jumpsBetween(price(1, 1, { fileSearchNano: 1 }), price(1, 1, { fileSearchNano: 5 })), 1)
    assert.deepStrictEqual(jumpsBetween(undefined, price(1, 1)), [])
  })

  it("is looked at on every day on which one of both changes", () => {
    const later = { ...price(9, 1, { validFrom: day }), earlier: [price(1, 1)] }
    assert.deepStrictEqual(jumpsBetween(price(1, 1), later), ["input 1 -> 9 USD from 2026-12-01 on"])
    assert.deepStrictEqual(jumpsBetween(later, price(1, 1)), ["input 9 -> 1 USD from 2026-12-01 on"])
    assert.deepStrictEqual(jumpsBetween(later, later), [])
  })

  it("is looked at for prompts of every length", () => {
    const band = (aboveTokens: number, usd: number) => ({ ...price(usd, usd), aboveTokens })
    const old = price(1, 1, { bands: [band(100, 2)] })
    assert.deepStrictEqual(jumpsBetween(old, price(1, 1, { bands: [band(100, 5)] })), [
      "input 2 -> 5 USD above 100 tokens",
      "output 2 -> 5 USD above 100 tokens",
    ])
    assert.deepStrictEqual(jumpsBetween(old, price(1, 1, { bands: [band(50, 2), band(200, 4)] })), [])
    assert.deepStrictEqual(jumpsBetween(price(1, 1), price(1, 1, { bands: [band(200, 4)] })), [
      "input 1 -> 4 USD above 200 tokens",
      "output 1 -> 4 USD above 200 tokens",
    ])
  })

  it("jumps back when it jumps forth", () => {
    const usd = fc.integer({ min: 0, max: 50 })
    fc.assert(
      fc.property(usd, usd, usd, usd, (a, b, c, d) => {
        const [there, back] = [jumpsBetween(price(a, b), price(c, d)), jumpsBetween(price(c, d), price(a, b))]
        assert.strictEqual(there.length, back.length)
        assert.deepStrictEqual(jumpsBetween(price(a, b), price(a, b)), [])
      }),
    )
  })
})
