import { calcPrice, type TieredPrices } from "@pydantic/genai-prices"
import { assert, describe, it } from "vitest"
import {
  anthropicModels,
  geminiModels,
  openaiModels,
  openaiResponsesModels,
} from "../../src/catalog/builtin-models.ts"
import { costOf } from "../../src/catalog/cost.ts"
import type { Price, PriceRow } from "../../src/catalog/model.ts"
import { priceAt, rowsOf } from "../../src/catalog/price-history.ts"
import { presets } from "../../src/catalog/vendors.ts"
import { fromUsd } from "../../src/domain/Money.ts"

/** The built-in prices beside a price data set that others maintain. */

/** Rows that differ, each with its reason. */
const reasons: Readonly<Record<string, string>> = {
  "google/gemini-flash-latest": "an alias of Google's that the data set does not have",
  "mistral/mistral-embed": "it puts nothing out, which the data set has a price for",
  "together/openai/gpt-oss-120b": "the data set has only old models of Together's",
  "together/meta-llama/Llama-3.3-70B-Instruct-Turbo": "the data set has only old prices of Together's",
  "together/deepseek-ai/DeepSeek-V4-Flash-0731": "the data set has only old models of Together's",
  "deepseek/deepseek-flash": "a name of September 2026 that the data set does not have yet",
  "anthropic/claude-haiku-5-5": "a model of October 2026 that the data set does not have yet",
}

/** DeepSeek's are the data set's of the peak hours, since a row knows none. */
const PEAK_MS = 2 * 3_600_000

/** Prices of before this day, which were higher for long prompts: no request of the gateway is as old. */
const since: Readonly<Record<string, number>> = {
  "claude-opus-4-6": Date.UTC(2026, 2, 13),
  "claude-sonnet-4-6": Date.UTC(2026, 2, 13),
}

/** What the data set has not heard of: cached input of Sonnet 5.5 costs half since 2026-10-07; LiteLLM's list has it. */
const isHalved = (name: string, at: number): boolean =>
  name === "claude-sonnet-5-5" && at >= Date.UTC(2026, 9, 7)

const vendors = [
  ["openai", [...openaiModels, ...openaiResponsesModels]],
  ["google", geminiModels],
  ["anthropic", anthropicModels],
  ...presets.flatMap(({ models, name, pricesOf }) =>
    // Azure and Vertex AI have OpenAI's and Google's own rows.
    pricesOf === undefined || name === "azure" || name === "vertex" ? [] : [[pricesOf, models] as const],
  ),
] as const

/** Days around those from which some price holds, in either list, and one long before and long after. */
const days = (providerId: string, name: string, price: Price | undefined): ReadonlyArray<number> => {
  const model = calcPrice({ input_tokens: 1 }, name, { providerId })?.model
  const theirs = Array.isArray(model?.prices)
    ? model.prices.flatMap(({ constraint }) =>
        constraint?.type === "start_date" ? Date.parse(constraint.start_date) : [],
      )
    : []
  const changes = [...theirs, ...rowsOf(price).flatMap(({ validFrom }) => validFrom ?? [])]
  return [
    Date.UTC(2024, 0),
    ...changes.flatMap((at) => [at - 1, at]),
    Date.UTC(2026, 10, 28),
    Date.UTC(2030, 0),
  ]
}

const rows = vendors.flatMap(([providerId, models]) =>
  models.flatMap(({ name, price }) =>
    [...new Set(days(providerId, name, price).filter((at) => at >= (since[name] ?? 0)))].map((at) => ({
      providerId,
      name,
      history: price,
      price: priceAt(price, at),
      at,
      day: new Date(at).toISOString().slice(0, 10),
    })),
  ),
)

const theirs = (
  providerId: string,
  name: string,
  at: number,
): Record<string, number | TieredPrices | undefined> | undefined =>
  calcPrice({ input_tokens: 1, output_tokens: 1 }, name, {
    providerId,
    timestamp: new Date(providerId === "deepseek" && at >= Date.UTC(2026, 7, 17) ? at + PEAK_MS : at),
  })?.model_price

const base = (price: number | TieredPrices | undefined): number | undefined =>
  typeof price === "object" ? price.base : price

const long = (price: number | TieredPrices | undefined): number | undefined =>
  typeof price === "object" ? price.tiers[0]?.price : price

const nano = (usd: number | undefined): number | undefined => (usd === undefined ? undefined : fromUsd(usd))

const ratesOf = (
  of: Record<string, number | TieredPrices | undefined>,
  band: (price: number | TieredPrices | undefined) => number | undefined,
  hears: boolean,
) => ({
  inputNanoPer1M: nano(band(of.input_mtok)),
  cachedInputNanoPer1M: nano(band(of.cache_read_mtok) ?? band(of.input_mtok)),
  cacheWriteNanoPer1M: nano(band(of.cache_write_mtok)),
  cacheWrite1hNanoPer1M: nano(band(of.cache_write_1h_mtok)),
  outputNanoPer1M: nano(band(of.output_mtok) ?? 0),
  // Gemini hears; without a price of its own, audio costs what text does.
  ...(hears && {
    audioInputNanoPer1M: nano(band(of.input_audio_mtok) ?? band(of.input_mtok)),
    cachedAudioInputNanoPer1M: nano(band(of.cache_audio_read_mtok) ?? band(of.cache_read_mtok)),
  }),
})

/** What is charged for calls, for a thousand of them there. */
const callsOf = (of: Record<string, number | TieredPrices | undefined>) => {
  const each = (price: number | TieredPrices | undefined) => nano(base(price) && (base(price) ?? 0) / 1_000)
  return {
    requestNano: each(of.requests_kcount),
    webSearchNano: each(of.web_searches_kcount),
    fileSearchNano: each(of.storage_searches_kcount),
  }
}

const ourCalls = ({ fileSearchNano, requestNano, webSearchNano }: PriceRow) => ({
  requestNano,
  webSearchNano,
  fileSearchNano,
})

const ours = (rates: Omit<PriceRow, "source" | "asOf" | "bands" | "serviceTiers" | "validFrom">) => ({
  inputNanoPer1M: rates.inputNanoPer1M,
  cachedInputNanoPer1M: rates.cachedInputNanoPer1M,
  cacheWriteNanoPer1M: rates.cacheWriteNanoPer1M,
  cacheWrite1hNanoPer1M: rates.cacheWrite1hNanoPer1M,
  outputNanoPer1M: rates.outputNanoPer1M,
  ...(rates.audioInputNanoPer1M !== undefined && {
    audioInputNanoPer1M: rates.audioInputNanoPer1M,
    cachedAudioInputNanoPer1M: rates.cachedAudioInputNanoPer1M,
  }),
})

describe("the built-in price", () => {
  it.each(rows)("of $name on $day is the maintained one", ({ providerId, name, price, at }) => {
    assert(price !== undefined)
    const other = theirs(providerId, name, at)
    if (reasons[`${providerId}/${name}`] !== undefined) {
      if (other !== undefined) assert.notDeepEqual(ours(price), ratesOf(other, base, false), "no longer so")
      return
    }
    assert(other !== undefined)
    const hears = providerId === "google" && price.outputNanoPer1M > 0
    const rates = ratesOf(other, base, hears)
    if (isHalved(name, at)) {
      assert.strictEqual(price.cachedInputNanoPer1M * 2, rates.cachedInputNanoPer1M)
      rates.cachedInputNanoPer1M = price.cachedInputNanoPer1M
    }
    assert.deepStrictEqual(ours(price), rates)
    assert.deepStrictEqual(ourCalls(price), callsOf(other))
    const tiered = typeof other.input_mtok === "object" ? other.input_mtok : undefined
    const [band, ...more] = price.bands ?? []
    assert.deepStrictEqual([more.length, band !== undefined], [0, tiered !== undefined])
    if (band === undefined || tiered === undefined) return
    assert.lengthOf(tiered.tiers, 1)
    // The data set has 271,999 for some of OpenAI's models and 272,000 for others; OpenAI says "more than 272K" of all.
    assert.include([-1, 0], (tiered.tiers[0]?.start ?? 0) - band.aboveTokens)
    assert.deepStrictEqual(
      ours({ ...band, cachedInputNanoPer1M: band.cachedInputNanoPer1M ?? 0 }),
      ratesOf(other, long, hears),
    )
  })

  it("is the invoice's", () => {
    const usd = (name: string, usage: Partial<Parameters<typeof costOf>[1] & object>) => {
      const price = rows.find((row) => row.name === name)?.history
      const none = {
        inputTokens: 0,
        outputTokens: 0,
        cachedTokens: 0,
        cacheWriteTokens: 0,
        reasoningTokens: 0,
      }
      return (costOf(price, { ...none, ...usage }, Date.UTC(2026, 10, 28)).nanoUsd ?? Number.NaN) / 1e9
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
    const claude = { inputTokens: 10_000, cachedTokens: 4_000, cacheWriteTokens: 5_000, outputTokens: 100 }
    assert.strictEqual(usd("claude-haiku-4-5", claude), 0.00815)
    assert.strictEqual(
      usd("claude-haiku-4-5", { ...claude, details: { cache_write_1h_tokens: 5_000, web_searches: 2 } }),
      0.0319,
    )
    assert.strictEqual(usd("claude-opus-5-5", { inputTokens: 1_000, serviceTier: "us" }), 0.0044)
    assert.isNaN(usd("claude-opus-5-5", { inputTokens: 1_000, serviceTier: "fast" }))
    assert.strictEqual(usd("claude-haiku-5-5", { inputTokens: 100_001 }), 0.0500005)
  })
})
