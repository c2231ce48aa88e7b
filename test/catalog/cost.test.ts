import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { costOf as costAt, expectedCost, mostCost, priceVersion } from "../../src/catalog/cost.ts"
import type { Price, PriceRow } from "../../src/catalog/model.ts"
import { layered, priceAt, priceOf, priceOfLayers, rowsOf } from "../../src/catalog/price-history.ts"
import { NanoUsd } from "../../src/domain/Money.ts"
import { type Billed, makeUsage, type Usage } from "../../src/domain/Usage.ts"

const NOW = Date.UTC(2026, 10, 28, 12)

const costOf = (of: Price | undefined, used: Billed) => costAt(of, used, NOW)

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
    assert.deepInclude(of("priority"), { nanoUsd: null, reason: "unknown_service_tier" })
  })

  it("has a band for long prompts, one for all tokens, and the highest that is passed holds", () => {
    const band = (aboveTokens: number, usd: number) => ({ ...price(usd, usd, usd), aboveTokens })
    const of = { ...price(1, 1, 1), bands: [band(100, 2), band(200, 3)] }
    const at = (inputTokens: number) => (costOf(of, used(inputTokens, 0)).nanoUsd ?? 0) / inputTokens
    assert.deepStrictEqual([1, 100, 101, 200, 201].map(at), [1_000, 1_000, 2_000, 2_000, 3_000])
  })

  it("is unknown when something was used that the row has no price for, and known when it states one", () => {
    const of = (details: object, more: Partial<PriceRow> = {}) =>
      costOf(
        { ...price(1, 1, 1), ...more },
        makeUsage({ inputTokens: 10, outputTokens: 10, cachedTokens: 5, cacheWriteTokens: 5, details }),
      )
    for (const [details, more] of [
      [{ audio_input_tokens: 1 }, { audioInputNanoPer1M: 1e9 }],
      [{ audio_output_tokens: 1 }, { audioOutputNanoPer1M: 1e9 }],
      [{ image_output_tokens: 1 }, { imageOutputNanoPer1M: 1e9 }],
      [{ cache_write_1h_tokens: 1 }, { cacheWrite1hNanoPer1M: 1e9 }],
      [{ web_searches: 1 }, { webSearchNano: 0 }],
      [{ file_searches: 1 }, { fileSearchNano: 0 }],
    ] as const) {
      assert.deepInclude(of(details), { nanoUsd: null, reason: "unpriced_usage" })
      assert.strictEqual(of(details, more).nanoUsd, 20_000)
    }
    // Nothing has a price of calls that nobody can price.
    assert.deepInclude(of({ unpriced_calls: 1 }, { webSearchNano: 0, fileSearchNano: 0, requestNano: 0 }), {
      nanoUsd: null,
      reason: "unpriced_usage",
    })
    // Audio from the cache costs what other audio does, unless it is said.
    const cached = { audio_input_tokens: 5, cached_audio_tokens: 5 }
    assert.strictEqual(of(cached, { audioInputNanoPer1M: 3e9 }).nanoUsd, 30_000)
  })

  it("tells counts that cannot be from counts that were not sent", () => {
    assert.strictEqual(costOf(price(1, 1, 1), "contradictory").reason, "contradictory_usage")
    assert.strictEqual(costOf(price(1, 1, 1), null).reason, "missing_usage")
    assert.strictEqual(costOf(undefined, "contradictory").reason, "unknown_model")
  })

  it("takes no part of a tier from what is paid for a call", () => {
    const of = { ...price(2, 1, 8), requestNano: 7, webSearchNano: 11, serviceTiers: { flex: 0.5 } }
    const usage = { ...used(1_000, 0), serviceTier: "flex", details: { web_searches: 2 } }
    assert.strictEqual(costOf(of, usage).nanoUsd, 1_000_000 + 7 + 22)
  })

  /** Costs 60,000 by itself. */
  const said = (reportedNanoUsd: number) => ({ ...used(10, 5), reportedNanoUsd })
  const own = price(2, 1, 8)

  it.each<[of: Price | undefined, reported: number, cost: number]>([
    [undefined, 1_230_000, 1_230_000],
    [undefined, 0, 0],
    [own, 1_230_000, 60_000],
    [own, 0, 60_000],
    [{ ...own, reported: "any" }, 1_230_000, 1_230_000],
    [{ ...own, reported: "any" }, 0, 0],
    [{ ...own, reported: "above 0" }, 1_230_000, 1_230_000],
    [{ ...own, reported: "above 0" }, 0, 60_000],
  ])("by %j, of which the provider says %s, is %s", (of, reported, cost) => {
    const { nanoUsd, priceVersion, reason } = costOf(of, said(reported))
    assert.deepStrictEqual(
      [nanoUsd, reason, priceVersion === "provider"],
      [NanoUsd.make(cost), null, cost === reported],
    )
  })

  it("is not what the provider says when no such answer can cost as much", () => {
    const believed: Price = { ...own, reported: "any" }
    const flagged = { nanoUsd: null, reason: "implausible_cost", priceVersion: "provider" } as const
    const atMost = 1_000 * 60_000 + 1_000_000_000
    assert.strictEqual(costOf(believed, said(atMost)).nanoUsd, atMost)
    assert.deepInclude(costOf(believed, said(atMost + 1)), flagged)
    // Of a model without a price, or without one for what was used, by the dearest that a row can state.
    const dearest = 15 * 4_000_000 + 1_000_000_000
    for (const of of [undefined, { ...believed, serviceTiers: {} }]) {
      const flex = { ...said(dearest), serviceTier: "flex" }
      assert.strictEqual(costOf(of, flex).nanoUsd, dearest)
      assert.deepInclude(costOf(of, { ...flex, reportedNanoUsd: dearest + 1 }), flagged)
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

/** Whatever the YAML file accepts: up to 4000 USD per million, in up to four bands, and 10 USD for a call. */
const anyNano = fc.oneof(fc.nat(5_000_000_000), fc.integer({ min: 0, max: 4_000_000_000_000 }))
const anyRates = fc.record({
  inputNanoPer1M: anyNano,
  cachedInputNanoPer1M: anyNano,
  cacheWriteNanoPer1M: anyNano,
  cacheWrite1hNanoPer1M: anyNano,
  outputNanoPer1M: anyNano,
  audioInputNanoPer1M: anyNano,
  cachedAudioInputNanoPer1M: anyNano,
  audioOutputNanoPer1M: anyNano,
  imageOutputNanoPer1M: anyNano,
})
type Rates = Omit<NonNullable<PriceRow["bands"]>[number], "aboveTokens">
const anyPrice: fc.Arbitrary<Price> = fc
  .record({
    first: anyRates,
    bands: fc.array(fc.tuple(fc.integer({ min: 1, max: 1_000_000 }), anyRates), { maxLength: 3 }),
    requestNano: fc.nat(10_000_000_000),
    fileSearchNano: fc.nat(10_000_000_000),
    webSearchNano: fc.nat(10_000_000_000),
    flex: fc.nat(4_000_000).map((parts) => parts / 1e6),
  })
  .map(({ first, bands, flex, ...more }) => {
    let above = 0
    const rising = bands.map(([step, rates]) => {
      above += step
      return { aboveTokens: above, ...rates }
    })
    return {
      ...first,
      ...(rising.length > 0 && { bands: rising }),
      ...more,
      serviceTiers: { flex },
      source: "s",
      asOf: "2026-01-01",
    }
  })

/** Whatever `makeUsage` accepts: parts as shares of their wholes. */
const anyUsage: fc.Arbitrary<Usage> = fc
  .record({
    input: fc.oneof(fc.nat(3_000_000), fc.nat(1_000_000_000)),
    output: fc.nat(1_000_000_000),
    shares: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 7, maxLength: 7 }),
    searches: fc.nat(10_000),
    detailed: fc.boolean(),
  })
  .map(({ input, output, shares, searches, detailed }) => {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0] = shares
    const cachedTokens = Math.floor(input * a)
    const cacheWriteTokens = Math.floor((input - cachedTokens) * b)
    const cachedAudio = Math.floor(cachedTokens * c)
    const audioOutput = Math.floor(output * f)
    const usage = makeUsage({
      inputTokens: input,
      outputTokens: output,
      cachedTokens,
      cacheWriteTokens,
      details: detailed
        ? {
            audio_input_tokens: cachedAudio + Math.floor((input - cachedTokens - cacheWriteTokens) * d),
            cached_audio_tokens: cachedAudio,
            cache_write_1h_tokens: Math.floor(cacheWriteTokens * e),
            audio_output_tokens: audioOutput,
            image_output_tokens: Math.floor((output - audioOutput) * g),
            web_searches: searches,
            file_searches: Math.floor(searches / 2),
          }
        : undefined,
    })
    assert(usage !== null)
    return usage
  })

const cost = (of: Price, used: Usage): number => {
  const { nanoUsd } = costOf(of, used)
  assert(nanoUsd !== null)
  return nanoUsd
}

/** The bill, line by line: how many at which price, each token on one line. In parts of 10^-12 nano-dollars. */
const exact = (of: Price, used: Usage): bigint => {
  const rates: Rates = of.bands?.filter(({ aboveTokens }) => used.inputTokens > aboveTokens).at(-1) ?? of
  const details = used.details ?? {}
  const audio = details.audio_input_tokens ?? 0
  const cachedAudio = details.cached_audio_tokens ?? 0
  const hour = details.cache_write_1h_tokens ?? 0
  const audioOut = details.audio_output_tokens ?? 0
  const images = details.image_output_tokens ?? 0
  const lines: ReadonlyArray<readonly [number, number | undefined]> = [
    [
      used.inputTokens - used.cachedTokens - used.cacheWriteTokens - (audio - cachedAudio),
      rates.inputNanoPer1M,
    ],
    [used.cachedTokens - cachedAudio, rates.cachedInputNanoPer1M],
    [audio - cachedAudio, rates.audioInputNanoPer1M],
    [cachedAudio, rates.cachedAudioInputNanoPer1M],
    [used.cacheWriteTokens - hour, rates.cacheWriteNanoPer1M],
    [hour, rates.cacheWrite1hNanoPer1M],
    [used.outputTokens - audioOut - images, rates.outputNanoPer1M],
    [audioOut, rates.audioOutputNanoPer1M],
    [images, rates.imageOutputNanoPer1M],
  ]
  const tokens = lines.reduce((sum, [count, nano = Number.NaN]) => sum + BigInt(count) * BigInt(nano), 0n)
  const factor =
    used.serviceTier === "flex" ? BigInt(Math.round((of.serviceTiers?.flex ?? 1) * 1e6)) : 1_000_000n
  const calls =
    BigInt(of.requestNano ?? 0) +
    BigInt(details.web_searches ?? 0) * BigInt(of.webSearchNano ?? 0) +
    BigInt(details.file_searches ?? 0) * BigInt(of.fileSearchNano ?? 0)
  return tokens * factor + calls * 10n ** 12n
}

describe("for any price and any usage that can get in", () => {
  it("the cost is the exact sum of the bill's lines, rounded half up, and a safe integer", () => {
    fc.assert(
      fc.property(anyPrice, anyUsage, fc.boolean(), (of, used, flex) => {
        const usage = flex ? { ...used, serviceTier: "flex" } : used
        const whole = exact(of, usage)
        // A tier of more than one is the operator's own, and may leave what is safe.
        fc.pre(whole < 9n * 10n ** 27n)
        const found = cost(of, usage)
        assert(Number.isSafeInteger(found) && found >= 0)
        const error = BigInt(found) * 10n ** 12n - whole
        assert(error > -(10n ** 12n) / 2n && error <= 10n ** 12n / 2n, `off by ${error}`)
      }),
    )
  })

  it("more of anything never costs less where every band is dearer than the one below", () => {
    const rising = anyPrice.map((of): Price => {
      let least: Rates = of
      const bands = of.bands?.map(({ aboveTokens, ...rates }) => {
        const names = Object.keys(rates) as ReadonlyArray<keyof typeof rates>
        const below = least
        least = Object.fromEntries(
          names.map((name) => [name, Math.max(rates[name] ?? 0, below[name] ?? 0)]),
        ) as unknown as Rates
        return { aboveTokens, ...least }
      })
      return { ...of, ...(bands !== undefined && { bands }) }
    })
    fc.assert(
      fc.property(rising, anyUsage, fc.nat(1_000_000), (of, used, more) => {
        const base = cost(of, used)
        assert(cost(of, { ...used, inputTokens: used.inputTokens + more }) >= base)
        assert(cost(of, { ...used, outputTokens: used.outputTokens + more }) >= base)
        const { web_searches = 0 } = used.details ?? {}
        const searched = { ...used, details: { ...used.details, web_searches: web_searches + 1 } }
        assert(cost(of, searched) >= base)
      }),
    )
  })

  it("cached tokens never cost more than others where caching is cheaper", () => {
    fc.assert(
      fc.property(anyPrice, anyUsage, ({ bands: _, ...of }, { details: __, ...used }) => {
        const cheap = { ...of, cachedInputNanoPer1M: Math.min(of.inputNanoPer1M, of.cachedInputNanoPer1M) }
        assert(cost(cheap, used) <= cost(cheap, { ...used, cachedTokens: 0 }))
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

  it("the expectation equals the bill of the same tokens, but for those written to a cache, to a nano-dollar", () => {
    fc.assert(
      fc.property(anyPrice, anyUsage, (of, used) => {
        const expected = expectedCost(of, used.inputTokens, used.cachedTokens, used.outputTokens)
        const { details: _, ...plain } = used
        const billed = cost(of, { ...plain, cacheWriteTokens: 0 })
        assert(Math.abs(expected - billed) <= 1 + billed * 1e-12)
        const reserved = mostCost(of, {
          ...plain,
          hasAudio: false,
          isForAnHour: false,
          serviceTiers: [],
        })
        assert(Math.ceil(reserved) >= billed, "what is reserved of a budget is rounded up")
      }),
    )
  })

  it("what is reserved is not below the bill where a number cannot hold the sum", () => {
    const of = { ...price(0, 0, 0), inputNanoPer1M: 3_999_999_985_051, outputNanoPer1M: 1_531_226_575_245 }
    const call = { inputTokens: 746_442_837, outputTokens: 999_847_315 }
    const none = { hasAudio: false, isForAnHour: false, serviceTiers: [] }
    assert.isAtLeast(
      Math.ceil(mostCost(of, { ...call, ...none })),
      cost(of, { ...call, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 }),
    )
  })

  it("nothing that an answer may turn out to be costs more than the most that was reckoned with", () => {
    fc.assert(
      fc.property(
        anyPrice,
        anyUsage,
        fc.nat(10),
        fc.nat(10),
        fc.boolean(),
        fc.boolean(),
        (of, used, moreInput, moreOutput, asksFlex, isFlex) => {
          const { file_searches: _, web_searches: __, ...details } = used.details ?? {}
          const most = mostCost(of, {
            inputTokens: used.inputTokens + moreInput,
            outputTokens: used.outputTokens + moreOutput,
            hasAudio: details.audio_input_tokens !== undefined,
            isForAnHour: details.cache_write_1h_tokens !== undefined,
            serviceTiers: asksFlex ? ["flex"] : [],
          })
          const billed = cost(of, { ...used, details, ...(asksFlex && isFlex && { serviceTier: "flex" }) })
          assert(Math.ceil(most) >= billed, `${most} of ${billed}`)
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

describe("a price that changes", () => {
  const december = Date.UTC(2026, 11, 1)
  const old = { ...price(1, 1, 1), asOf: "2026-01-01" }
  const next: Price = { ...price(3, 3, 3), validFrom: december, earlier: [old] }

  it("is that of the day (UTC) on which the request started, to the millisecond", () => {
    assert.strictEqual(costAt(next, used(1, 0), december - 1).nanoUsd, 1_000)
    assert.strictEqual(costAt(next, used(1, 0), december).nanoUsd, 3_000)
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
    assert.isUndefined(priceAt(from, december - 1))
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

  const list = priceOf([
    old,
    { ...price(2, 2, 2), validFrom: december - 5 },
    { ...price(4, 4, 4), validFrom: december + 5 },
  ])
  const three = { ...price(3, 3, 3), validFrom: december }
  const inputs = (rows: ReadonlyArray<PriceRow>) => rows.map(({ inputNanoPer1M }) => inputNanoPer1M / 1e9)

  it("laid over another leaves of it what held before", () => {
    const of = (file: Price | undefined, update?: Price) =>
      inputs(rowsOf(priceOfLayers({ file, update, "built-in": list })))
    assert.deepStrictEqual(of(three), [3, 2, 1])
    assert.deepStrictEqual(of(price(3, 3, 3)), [3])
    assert.deepStrictEqual(of(undefined), [4, 2, 1])
    assert.deepStrictEqual(of(three, { ...price(5, 5, 5), validFrom: december - 1 }), [3, 5, 2, 1])
    assert.deepStrictEqual(of(three, { ...price(5, 5, 5), validFrom: december + 1 }), [3, 2, 1])
    assert.isUndefined(priceOfLayers({}))
  })

  it("tells of each row until when it holds, or which layer holds in its stead", () => {
    const rows = layered({ update: three, "built-in": list })
    assert.deepStrictEqual(
      rows.map(({ layer, row, until, overriddenBy }) => [layer, ...inputs([row]), until, overriddenBy]),
      [
        ["update", 3, undefined, undefined],
        ["built-in", 4, undefined, "update"],
        ["built-in", 2, december, undefined],
        ["built-in", 1, december - 5, undefined],
      ],
    )
  })
})
