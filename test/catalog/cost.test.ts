import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { costOf as costAt, expectedCost, priceVersion } from "../../src/catalog/cost.ts"
import type { Price, PriceRow } from "../../src/catalog/model.ts"
import { laidOver, priceAt, priceOf, rowsOf } from "../../src/catalog/price-history.ts"
import { NanoUsd } from "../../src/domain/Money.ts"
import { makeUsage, type Usage } from "../../src/domain/Usage.ts"

const NOW = Date.UTC(2026, 10, 28, 12)

const costOf = (of: Price | undefined, used: Usage | null) => costAt(of, used, NOW)

/** USD per million -> nano-dollars per million. */
const price = (input: number, cached: number, output: number): Price => ({
  inputNanoPer1M: input * 1e9,
  cachedInputNanoPer1M: cached * 1e9,
  outputNanoPer1M: output * 1e9,
  source: "contract",
  asOf: "2026-11-01",
})

const usage = (
  inputTokens: number,
  outputTokens: number,
  cachedTokens = 0,
  reasoningTokens = 0,
): Usage | null =>
  makeUsage({ inputTokens, outputTokens, cachedTokens, cacheWriteTokens: 0, reasoningTokens })

const used = (inputTokens: number, outputTokens: number): Usage => {
  const counted = usage(inputTokens, outputTokens)
  assert(counted !== null)
  return counted
}

describe("the cost of one answer", () => {
  it("is tokens times price", () => {
    // 1000 x 0.75 $ + 200 x 4.5 $, per million
    assert.strictEqual(costOf(price(0.75, 0.075, 4.5), usage(1_000, 200)).nanoUsd, 750_000 + 900_000)
  })

  it("cached tokens are part of the input and cost their own price, once", () => {
    assert.strictEqual(costOf(price(2, 0.5, 8), usage(1_000, 0, 400)).nanoUsd, 600 * 2_000 + 400 * 500)
    assert.strictEqual(costOf(price(2, 0.5, 8), usage(1_000, 0, 1_000)).nanoUsd, 500_000)
  })

  it("reasoning tokens are part of the output and are not billed on top", () => {
    // A Gemini answer with 10 candidate and 90 thought tokens: its protocol reports 100 output tokens.
    assert.strictEqual(costOf(price(1, 1, 4), usage(0, 100, 0, 90)).nanoUsd, 400_000)
  })

  it("half a nano-dollar rounds up, less rounds down", () => {
    const half: Price = { ...price(0, 0, 0), inputNanoPer1M: 500_000 }
    assert.strictEqual(costOf(half, usage(1, 0)).nanoUsd, 1)
    assert.strictEqual(costOf({ ...half, inputNanoPer1M: 499_999 }, usage(1, 0)).nanoUsd, 0)
  })

  it("is null with a reason when the model has no price or the provider sent no usage", () => {
    assert.deepStrictEqual(costOf(undefined, usage(1, 1)), {
      nanoUsd: null,
      reason: "unknown_model",
      priceVersion: null,
    })
    assert.deepStrictEqual(costOf(price(1, 1, 1), null), {
      nanoUsd: null,
      reason: "missing_usage",
      priceVersion: "contract@2026-11-01",
    })
    assert.strictEqual(costOf(undefined, null).reason, "unknown_model")
  })

  it("is a part of it for another service tier, and unknown for one that the row does not know", () => {
    const of = (serviceTier: string, serviceTiers?: Price["serviceTiers"]) =>
      costOf(
        { ...price(2, 1, 8), ...(serviceTiers && { serviceTiers }) },
        { ...used(1_000, 500), serviceTier },
      )
    const whole = costOf(price(2, 1, 8), usage(1_000, 500)).nanoUsd ?? 0
    assert.strictEqual(of("flex", { flex: 0.5 }).nanoUsd, whole / 2)
    assert.strictEqual(of("priority", { flex: 0.5, priority: 1.75 }).nanoUsd, whole * 1.75)
    assert.deepInclude(of("priority", { flex: 0.5 }), { nanoUsd: null, reason: "unknown_service_tier" })
    for (const name of ["constructor", "toString", "__proto__"]) {
      assert.deepInclude(of(name, { flex: 0.5 }), { nanoUsd: null, reason: "unknown_service_tier" })
    }
    assert.strictEqual(of("priority").nanoUsd, whole)
  })

  it("is what the provider says, if it says so, for models with a price and without", () => {
    const said = { ...used(10, 5), reportedNanoUsd: 1_230_000 }
    for (const of of [price(2, 1, 8), undefined]) {
      assert.deepStrictEqual(costOf(of, said), {
        nanoUsd: NanoUsd.make(1_230_000),
        reason: null,
        priceVersion: "provider",
      })
    }
  })

  it("of a free model is a known 0, of a used one never", () => {
    assert.deepStrictEqual(costOf(price(0, 0, 0), usage(5, 5)), {
      nanoUsd: NanoUsd.make(0),
      reason: null,
      priceVersion: priceVersion(price(0, 0, 0)),
    })
  })
})

/** Whatever the YAML file accepts: up to 4000 USD per million. */
const anyNano = fc.oneof(fc.nat(5_000_000_000), fc.integer({ min: 0, max: 4_000_000_000_000 }))
const anyPrice: fc.Arbitrary<Price> = fc.record({
  inputNanoPer1M: anyNano,
  cachedInputNanoPer1M: anyNano,
  cacheWriteNanoPer1M: anyNano,
  outputNanoPer1M: anyNano,
  source: fc.constant("s"),
  asOf: fc.constant("2026-01-01"),
})
/** Whatever `makeUsage` accepts. */
const anyUsage: fc.Arbitrary<Usage> = fc
  .tuple(fc.nat(1_000_000_000), fc.nat(1_000_000_000), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([inputTokens, outputTokens, share]) => ({
    inputTokens,
    outputTokens,
    cachedTokens: Math.floor(inputTokens * share),
    cacheWriteTokens: Math.floor((inputTokens - Math.floor(inputTokens * share)) * share),
    reasoningTokens: 0,
  }))

const cost = (of: Price, used: Usage): number => {
  const { nanoUsd } = costOf(of, used)
  assert(nanoUsd !== null)
  return nanoUsd
}

describe("for any price and any usage that can get in", () => {
  it("the cost is a safe integer, never negative and never NaN, equal to exact arithmetic", () => {
    fc.assert(
      fc.property(anyPrice, anyUsage, (of, used) => {
        const found = cost(of, used)
        assert(Number.isSafeInteger(found) && found >= 0)
        const sum = (parts: ReadonlyArray<readonly [number, number]>) =>
          parts.reduce((total, [tokens, nano]) => total + BigInt(tokens) * BigInt(nano), 0n)
        const millionths = sum([
          [used.inputTokens, of.inputNanoPer1M],
          [used.cachedTokens, of.cachedInputNanoPer1M],
          [used.cacheWriteTokens, of.cacheWriteNanoPer1M ?? 0],
          [used.outputTokens, of.outputNanoPer1M],
        ])
        const special = BigInt(used.cachedTokens + used.cacheWriteTokens)
        const exact = millionths - special * BigInt(of.inputNanoPer1M)
        const error = BigInt(found) * 1_000_000n - exact
        assert(error > -500_000n && error <= 500_000n, `off by ${error} millionths`)
      }),
    )
  })

  it("the highest price on the largest usage still fits", () => {
    const most = {
      inputTokens: 1e9,
      outputTokens: 1e9,
      cachedTokens: 0,
      cacheWriteTokens: 0,
      reasoningTokens: 0,
    }
    assert.strictEqual(cost(price(4_000, 4_000, 4_000), most), 8e15)
  })

  it("more tokens never cost less, and cached ones never more where caching is cheaper", () => {
    fc.assert(
      fc.property(anyPrice, anyUsage, fc.nat(1_000_000), (of, used, more) => {
        const base = cost(of, used)
        assert(cost(of, { ...used, inputTokens: used.inputTokens + more }) >= base)
        assert(cost(of, { ...used, outputTokens: used.outputTokens + more }) >= base)
        const cheap = { ...of, cachedInputNanoPer1M: Math.min(of.inputNanoPer1M, of.cachedInputNanoPer1M) }
        assert(cost(cheap, used) <= cost(cheap, { ...used, cachedTokens: 0 }))
      }),
    )
  })

  it("the expectation equals the bill of the same tokens, uncached, to a nano-dollar", () => {
    fc.assert(
      fc.property(anyPrice, anyUsage, (of, used) => {
        const expected = expectedCost(of, used.inputTokens, used.outputTokens, NOW) ?? Number.NaN
        const billed = cost(of, { ...used, cachedTokens: 0, cacheWriteTokens: 0 })
        assert(Math.abs(expected - billed) <= 1 + billed * 1e-12)
      }),
    )
    assert.isUndefined(expectedCost(undefined, 1, 1, NOW))
  })
})

describe("a price that changes", () => {
  const december = Date.UTC(2026, 11, 1)
  const old = { ...price(1, 1, 1), asOf: "2026-01-01" }
  const next: Price = { ...price(3, 3, 3), validFrom: december, earlier: [old] }

  it("is that of the day (UTC) on which the request started, to the millisecond", () => {
    assert.strictEqual(costAt(next, used(1, 0), december - 1).nanoUsd, 1_000)
    assert.strictEqual(costAt(next, used(1, 0), december).nanoUsd, 3_000)
    assert.strictEqual(expectedCost(next, 1, 0, december - 1), 1_000)
    assert.strictEqual(expectedCost(next, 1, 0, december), 3_000)
  })

  it("names the row it came from", () => {
    assert.strictEqual(costAt(next, used(1, 0), december - 1).priceVersion, "contract@2026-01-01")
    assert.strictEqual(costAt(next, used(1, 0), december).priceVersion, "contract@2026-11-01 from 2026-12-01")
  })

  it("is unknown before its first day", () => {
    const from: Price = { ...price(3, 3, 3), validFrom: december }
    assert.deepStrictEqual(costAt(from, used(1, 0), december - 1), {
      nanoUsd: null,
      reason: "unknown_model",
      priceVersion: null,
    })
    assert.isUndefined(expectedCost(from, 1, 0, december - 1))
  })

  it("is at any moment the row with the latest first day that has come, in whatever order rows are given", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.option(fc.nat(20), { nil: undefined }), { minLength: 1 }),
        fc.integer({ min: -1, max: 21 }),
        (days, at) => {
          const rows = days.map(
            (validFrom): PriceRow => ({ ...price(1, 1, 1), ...(validFrom !== undefined && { validFrom }) }),
          )
          const come = days.filter((day) => day === undefined || day <= at)
          const latest = Math.max(...come.map((day) => day ?? -1))
          const found = priceAt(priceOf(rows), at)
          assert.strictEqual(found === undefined, come.length === 0)
          if (found !== undefined) assert.strictEqual(found.validFrom ?? -1, latest)
        },
      ),
    )
  })

  it("laid over another leaves of it what held before", () => {
    const list = priceOf([
      old,
      { ...price(2, 2, 2), validFrom: december - 5 },
      { ...price(4, 4, 4), validFrom: december + 5 },
    ])
    const inputs = (of: Price | undefined) => rowsOf(of).map(({ inputNanoPer1M }) => inputNanoPer1M / 1e9)
    assert.deepStrictEqual(inputs(laidOver({ ...price(3, 3, 3), validFrom: december }, list)), [3, 2, 1])
    assert.deepStrictEqual(inputs(laidOver(price(3, 3, 3), list)), [3])
    assert.deepStrictEqual(inputs(laidOver(undefined, list)), [4, 2, 1])
    assert.deepStrictEqual(inputs(laidOver(list, undefined)), [4, 2, 1])
    assert.isUndefined(laidOver(undefined, undefined))
  })
})
