import { calcPrice, type TieredPrices } from "@pydantic/genai-prices"
import { assert, describe, it } from "vitest"
import { geminiModels, openaiModels, openaiResponsesModels } from "../../src/catalog/builtin-models.ts"
import { costOf } from "../../src/catalog/cost.ts"
import type { Price } from "../../src/catalog/model.ts"
import { fromUsd } from "../../src/domain/Money.ts"

/** The built-in prices beside a price data set that others maintain. */

/** Rows that differ, each with its reason. */
const reasons: Readonly<Record<string, string>> = {
  "gemini-flash-latest": "an alias of Google's that the data set does not have",
}

const vendors = [
  ["openai", [...openaiModels, ...openaiResponsesModels]],
  ["google", geminiModels],
] as const

const rows = vendors.flatMap(([providerId, models]) =>
  models.map(({ name, price }) => ({ providerId, name, price })),
)

const theirs = (
  providerId: string,
  name: string,
): Record<string, number | TieredPrices | undefined> | undefined =>
  calcPrice({ input_tokens: 1, output_tokens: 1 }, name, {
    providerId,
    timestamp: new Date("2026-11-28T00:00:00Z"),
  })?.model_price

const base = (price: number | TieredPrices | undefined): number | undefined =>
  typeof price === "object" ? price.base : price

const long = (price: number | TieredPrices | undefined): number | undefined =>
  typeof price === "object" ? price.tiers[0]?.price : price

const nano = (usd: number | undefined): number | undefined => (usd === undefined ? undefined : fromUsd(usd))

const ratesOf = (
  of: Record<string, number | TieredPrices | undefined>,
  band: (price: number | TieredPrices | undefined) => number | undefined,
) => ({
  inputNanoPer1M: nano(band(of.input_mtok)),
  cachedInputNanoPer1M: nano(band(of.cache_read_mtok) ?? band(of.input_mtok)),
  cacheWriteNanoPer1M: nano(band(of.cache_write_mtok)),
  outputNanoPer1M: nano(band(of.output_mtok) ?? 0),
})

const ours = (rates: Omit<Price, "source" | "asOf" | "longContext" | "serviceTiers">) => ({
  inputNanoPer1M: rates.inputNanoPer1M,
  cachedInputNanoPer1M: rates.cachedInputNanoPer1M,
  cacheWriteNanoPer1M: rates.cacheWriteNanoPer1M,
  outputNanoPer1M: rates.outputNanoPer1M,
})

describe("the built-in price", () => {
  it.each(rows)("of $name is the maintained one", ({ providerId, name, price }) => {
    assert(price !== undefined)
    const other = theirs(providerId, name)
    if (reasons[name] !== undefined) {
      assert.isUndefined(other, "the reason no longer holds")
      return
    }
    assert(other !== undefined)
    assert.deepStrictEqual(ours(price), ratesOf(other, base))
    const tiered = typeof other.input_mtok === "object" ? other.input_mtok : undefined
    assert.strictEqual(price.longContext !== undefined, tiered !== undefined)
    if (price.longContext === undefined || tiered === undefined) return
    assert.lengthOf(tiered.tiers, 1)
    // The data set has 271,999 for some of OpenAI's models and 272,000 for others; OpenAI says "more than 272K" of all.
    assert.include([-1, 0], (tiered.tiers[0]?.start ?? 0) - price.longContext.aboveTokens)
    assert.deepStrictEqual(
      ours({ ...price.longContext, cachedInputNanoPer1M: price.longContext.cachedInputNanoPer1M ?? 0 }),
      ratesOf(other, long),
    )
  })

  it("is the invoice's", () => {
    const usd = (name: string, usage: Partial<Parameters<typeof costOf>[1] & object>) => {
      const price = rows.find((row) => row.name === name)?.price
      const none = {
        inputTokens: 0,
        outputTokens: 0,
        cachedTokens: 0,
        cacheWriteTokens: 0,
        reasoningTokens: 0,
      }
      return (costOf(price, { ...none, ...usage }).nanoUsd ?? Number.NaN) / 1e9
    }
    const terra = "gpt-5.6-terra"
    assert.strictEqual(
      usd(terra, { inputTokens: 9_080, cacheWriteTokens: 9_077, outputTokens: 100 }),
      0.0238985,
    )
    assert.strictEqual(usd(terra, { inputTokens: 300_000, outputTokens: 1_000 }), 1.218)
    assert.strictEqual(usd("gpt-6-astra", { inputTokens: 300_000, cacheWriteTokens: 300_000 }), 7.5)
    assert.strictEqual(usd(terra, { inputTokens: 300_000, outputTokens: 1_000, serviceTier: "flex" }), 0.609)
    assert.strictEqual(usd("gemini-2.5-pro", { inputTokens: 200_000 }), 0.25)
    assert.strictEqual(usd("gemini-2.5-pro", { inputTokens: 200_001 }), 0.5000025)
  })
})
