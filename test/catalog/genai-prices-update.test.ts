import { assert, describe, it } from "@effect/vitest"
import { calcPrice, findProvider } from "@pydantic/genai-prices"
import { Result } from "effect"
import fc from "fast-check"
import {
  anthropicModels,
  geminiModels,
  openaiModels,
  openaiResponsesModels,
} from "../../src/catalog/builtin-models.ts"
import { costOf } from "../../src/catalog/cost.ts"
import { readGenaiPrices, type WantedModel } from "../../src/catalog/genai-prices.ts"
import type { ModelConfig, PriceRow } from "../../src/catalog/model.ts"
import { priceOf, rowsOf } from "../../src/catalog/price-history.ts"
import { makeUsage } from "../../src/domain/Usage.ts"

/** The data set as its maintainers publish it, read into rows. */

const published: unknown = JSON.parse(
  JSON.stringify([
    findProvider({ providerId: "google" }),
    findProvider({ providerId: "openai" }),
    findProvider({ providerId: "anthropic" }),
  ]),
)

const PRICES_OF = { openai: "openai", gemini: "google", anthropic: "anthropic" } as const

const want =
  (vendor: keyof typeof PRICES_OF) =>
  ({ name, kind, price }: ModelConfig): WantedModel => ({
    vendor,
    pricesOf: PRICES_OF[vendor],
    name,
    kind,
    known: price,
  })

const wanted = [
  ...[...openaiModels, ...openaiResponsesModels].map(want("openai")),
  ...geminiModels.map(want("gemini")),
  ...anthropicModels.map(want("anthropic")),
]

const about = { source: "test", asOf: "2026-11-28" }
const read = (data: unknown, models = wanted) => readGenaiPrices(data, models, about)

/** Models that the data set does not have (yet). */
const MISSING = ["gemini-flash-latest", "claude-haiku-5-5"]
/** Models of which it says something else: too old a price, or one of before there was a gateway. */
const DIFFERENT = ["claude-sonnet-5-5", "claude-opus-4-6", "claude-sonnet-4-6"]

/** One provider's data with one model, and an empty one of the other vendor. */
const data = (prices: unknown, match: unknown = { equals: "m" }) => [
  { id: "openai", models: [{ id: "m", match, prices }] },
  { id: "google", models: [] },
  { id: "anthropic", models: [] },
]
const model: WantedModel = { vendor: "openai", pricesOf: "openai", name: "m", kind: "chat", known: undefined }
const faults = (given: unknown) =>
  Result.match(read(given, [model]), { onFailure: (found) => found, onSuccess: () => [] })
const found = (given: unknown, of: WantedModel = model) => Result.getOrThrow(read(given, [of]))

describe("the published data set", () => {
  const { ignored, inexpressible, missing, prices } = Result.getOrThrow(read(published))
  const rowsFor = ({ vendor, name }: WantedModel) =>
    prices.filter((row) => row.provider === vendor && row.model === name).map(({ price }) => price)

  it("has a row for every built-in model but for an alias, and says nothing that a row cannot", () => {
    assert.deepStrictEqual(missing, ["gemini/gemini-flash-latest", "anthropic/claude-haiku-5-5"])
    assert.deepStrictEqual(inexpressible, [])
    assert.deepStrictEqual([...ignored.keys()], [])
  })

  it.each(wanted.filter(({ name }) => ![...MISSING, ...DIFFERENT].includes(name)))(
    "says of $name what is built in",
    (each) => {
      const comparable = ({ source: _, bands, ...row }: PriceRow) => ({
        ...row,
        ...(bands !== undefined && {
          // The data set has 271,999 for some models.
          bands: bands.map((band) => ({ ...band, aboveTokens: Math.ceil(band.aboveTokens / 1_000) * 1_000 })),
        }),
      })
      // What is unset there costs what other input does.
      const complete = ({ bands, ...row }: PriceRow): PriceRow => ({
        ...row,
        ...(bands !== undefined && {
          bands: bands.map((band) => ({
            ...band,
            cachedInputNanoPer1M: band.cachedInputNanoPer1M ?? band.inputNanoPer1M,
          })),
        }),
      })
      assert.deepStrictEqual(
        rowsOf(priceOf(rowsFor(each)))
          .map(complete)
          .map(comparable),
        rowsOf(each.known).map(comparable),
      )
    },
  )

  it("costs what its own arithmetic says, for any usage on any day, to a nano-dollar and its rounding", () => {
    const day = fc.integer({ min: Date.UTC(2025, 0), max: Date.UTC(2027, 5) })
    fc.assert(
      fc.property(
        fc.constantFrom(...wanted.filter(({ name, kind }) => kind === "chat" && !MISSING.includes(name))),
        day,
        fc.array(fc.nat(400_000), { minLength: 4, maxLength: 4 }),
        ({ vendor, pricesOf, name }, at, [plain = 0, cached = 0, audio = 0, output = 0]) => {
          const hears = vendor === "gemini"
          const input_tokens = plain + cached + (hears ? audio : 0)
          const theirs = calcPrice(
            {
              input_tokens,
              cache_read_tokens: cached,
              output_tokens: output,
              ...(hears && { input_audio_tokens: audio, cache_audio_read_tokens: 0 }),
            },
            name,
            { providerId: hears ? "google" : vendor, timestamp: new Date(at) },
          )
          const price = priceOf(rowsFor({ vendor, pricesOf, name, kind: "chat", known: undefined }))
          const usage = makeUsage({
            inputTokens: input_tokens,
            cachedTokens: cached,
            outputTokens: output,
            details: { audio_input_tokens: hears ? audio : 0 },
          })
          const ours = costOf(price, usage, at).nanoUsd ?? Number.NaN
          assert(Math.abs(ours / 1e9 - (theirs?.total_price ?? Number.NaN)) < 1e-8, name)
        },
      ),
    )
  })
})

describe("a row of the data set", () => {
  it("has every band that any of its prices has", () => {
    const [row] = found(
      data({
        input_mtok: {
          base: 1,
          tiers: [
            { start: 100, price: 2 },
            { start: 200, price: 3 },
          ],
        },
        output_mtok: { base: 5, tiers: [{ start: 150, price: 6 }] },
        cache_read_mtok: 0.5,
      }),
    ).prices
    assert.deepStrictEqual(
      row?.price.bands?.map((band) => [
        band.aboveTokens,
        band.inputNanoPer1M / 1e9,
        (band.cachedInputNanoPer1M ?? 0) / 1e9,
        band.outputNanoPer1M / 1e9,
      ]),
      [
        [100, 2, 0.5, 5],
        [150, 2, 0.5, 6],
        [200, 3, 0.5, 6],
      ],
    )
  })

  it("keeps the service tiers that are known, and knows none of a new model", () => {
    const tiersOf = (of: WantedModel) => found(data({ input_mtok: 1 }), of).prices[0]?.price.serviceTiers
    assert.isUndefined(tiersOf(model))
    assert.deepStrictEqual(tiersOf({ ...model, known: openaiModels[0]?.price }), { flex: 0.5 })
  })

  it("prices calls by the one", () => {
    const prices = {
      input_mtok: 1,
      web_searches_kcount: 10,
      storage_searches_kcount: 2.5,
      requests_kcount: 5,
    }
    const [row] = found(data(prices)).prices
    assert.deepInclude(row?.price, {
      webSearchNano: 10_000_000,
      fileSearchNano: 2_500_000,
      requestNano: 5_000_000,
    })
  })

  it.each<[why: string, prices: unknown]>([
    ["a price of its own in input_image_mtok", { input_mtok: 1, input_image_mtok: 2 }],
    ["no price of input tokens", { audio_hours: 1 }],
    ["bands in requests_kcount", { input_mtok: 1, requests_kcount: { base: 1, tiers: [] } }],
    [
      "prices by the time of day",
      [
        { prices: { input_mtok: 1 } },
        { constraint: { start_time: "00:00Z", end_time: "08:00Z" }, prices: { input_mtok: 2 } },
      ],
    ],
    [
      "prices out of the order of their days",
      [
        { constraint: { start_date: "2026-02-01" }, prices: { input_mtok: 1 } },
        { constraint: { start_date: "2026-01-01" }, prices: { input_mtok: 2 } },
      ],
    ],
  ])("that has %s is left out and named", (why, prices) => {
    const result = found(data(prices))
    assert.deepStrictEqual([result.prices, result.inexpressible], [[], [`openai/m: ${why}`]])
  })

  it("that is not asked for may say what it likes", () => {
    const given = data({ input_mtok: 1, output_video_mtok: 5 }, { equals: "other" })
    assert.deepStrictEqual(found(given), {
      prices: [],
      missing: ["openai/m"],
      inexpressible: [],
      ignored: new Map(),
    })
  })

  it.each<[match: unknown, hits: boolean]>([
    [{ equals: "M" }, true],
    [{ starts_with: "m" }, true],
    [{ ends_with: "x" }, false],
    [{ contains: "M" }, true],
    [{ regex: "^m$" }, true],
    [{ regex: "^M$" }, false],
    [{ or: [{ equals: "x" }, { equals: "m" }] }, true],
    [{ and: [{ contains: "m" }, { equals: "x" }] }, false],
  ])("with the match %j stands for m: %s", (match, hits) => {
    assert.strictEqual(found(data({ input_mtok: 1 }, match)).prices.length, hits ? 1 : 0)
  })
})

describe("a data set that is wrong", () => {
  it.each<[fault: string, given: unknown]>([
    ["is not a list of providers, each with id and models", {}],
    ["is not a list of providers, each with id and models", [{ id: "openai" }]],
    ["has no provider openai", [{ id: "google", models: [] }]],
    ["openai: m: prices.input_mtok must be a number, or base and tiers", data({ input_mtok: "1" })],
    ["openai: m: prices.input_mtok must be a number from 0 to 1000000", data({ input_mtok: -1 })],
    ["openai: m: prices.output_mtok.tiers is missing", data({ input_mtok: 1, output_mtok: { base: 1 } })],
    ["openai: m: prices must be a mapping", data(7)],
    [
      "openai: m: prices[0].prices.input_mtok must be a number, or base and tiers",
      data([{ prices: { input_mtok: null } }]),
    ],
    [
      "openai: m: prices[0].constraint.start_date must be a day as YYYY-MM-DD",
      data([{ constraint: { start_date: "soon" }, prices: { input_mtok: 1 } }]),
    ],
    [
      "openai: m: match must be or, and, equals, starts_with, ends_with, contains or a regex",
      data({ input_mtok: 1 }, { regex: "(" }),
    ],
    [
      "openai/m: input_usd_per_1m must be a price from 0 to 4000 USD with at most 9 decimals",
      data({ input_mtok: 4_001 }),
    ],
    [
      "openai/m: input_usd_per_1m must be a price from 0 to 4000 USD with at most 9 decimals",
      data({ input_mtok: 0.00000000015 }),
    ],
    [
      "openai: models[0]: match is missing",
      [
        { id: "openai", models: [{}] },
        { id: "google", models: [] },
      ],
    ],
  ])("%s", (fault, given) => {
    assert.include(faults(given), fault)
  })
})
