import { assert, describe, it } from "@effect/vitest"
import { unpricedTier } from "../../src/routing/unpriced-tier.ts"

const price = {
  inputNanoPer1M: 1,
  cachedInputNanoPer1M: 1,
  outputNanoPer1M: 1,
  source: "test",
  asOf: "2026-11-01",
}

describe("a service tier", () => {
  it.each<[unpriced: string | undefined, request: Record<string, unknown>]>([
    ["service_tier", { service_tier: "priority" }],
    ["service_tier", { service_tier: "toString" }],
    ["service_tier", { service_tier: 1 }],
    [undefined, { service_tier: "flex" }],
    [undefined, { service_tier: "auto" }],
    [undefined, { service_tier: "default" }],
    [undefined, { service_tier: "standard" }],
    [undefined, { service_tier: "standard_only" }],
    [undefined, { service_tier: "" }],
    [undefined, { service_tier: null, speed: null, inference_geo: null }],
    [undefined, {}],
    ["speed", { speed: "fast" }],
    ["speed", { speed: ["fast"] }],
    [undefined, { speed: "standard" }],
    [undefined, { inference_geo: "us" }],
    [undefined, { inference_geo: "global" }],
    ["speed", { speed: "fast", inference_geo: "us" }],
  ])("without a price is %s, of %j", (field, request) => {
    assert.strictEqual(unpricedTier(request, { ...price, serviceTiers: { flex: 0.5, us: 1.1 } }), field)
    assert.isUndefined(unpricedTier(request, undefined))
  })

  it("has no price where the price names none", () => {
    assert.strictEqual(unpricedTier({ service_tier: "flex" }, price), "service_tier")
    assert.isUndefined(unpricedTier({ service_tier: "auto" }, price))
  })

  it("with a price is one that is named as an answer names it", () => {
    const known = { ...price, serviceTiers: { "fast-us": 6.6 } }
    assert.isUndefined(unpricedTier({ speed: "fast", inference_geo: "us" }, known))
    assert.strictEqual(unpricedTier({ speed: "fast" }, known), "speed")
  })
})
