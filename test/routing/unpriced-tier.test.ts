import { assert, describe, it } from "@effect/vitest"
import { asksUnpricedTier } from "../../src/routing/unpriced-tier.ts"

const price = {
  inputNanoPer1M: 1,
  cachedInputNanoPer1M: 1,
  outputNanoPer1M: 1,
  source: "test",
  asOf: "2026-11-01",
}

describe("a service tier", () => {
  it.each<[unpriced: boolean, tier: unknown]>([
    [true, "priority"],
    [true, "toString"],
    [true, 1],
    [false, "flex"],
    [false, "auto"],
    [false, "default"],
    [false, "standard"],
    [false, null],
    [false, undefined],
  ])("without a price: %s, of %s", (unpriced, tier) => {
    assert.strictEqual(asksUnpricedTier(tier, { ...price, serviceTiers: { flex: 0.5 } }), unpriced)
    assert.isFalse(asksUnpricedTier(tier, price))
    assert.isFalse(asksUnpricedTier(tier, undefined))
  })
})
