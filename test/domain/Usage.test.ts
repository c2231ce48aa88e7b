import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { billed, makeUsage } from "../../src/domain/Usage.ts"

const totals = { inputTokens: 100, outputTokens: 50, cachedTokens: 40, cacheWriteTokens: 20 }
const detailsOf = (details: object, changes: object = {}) =>
  makeUsage({ ...totals, ...changes, details })?.details

describe("details of a usage", () => {
  it("are those above zero", () => {
    assert.isUndefined(detailsOf({ audio_input_tokens: 0, web_searches: null }))
    assert.deepStrictEqual(detailsOf({ audio_input_tokens: 5, audio_output_tokens: 0, web_searches: 2 }), {
      audio_input_tokens: 5,
      web_searches: 2,
    })
  })

  it("put as little audio into the cache as the counts allow, where nobody says how much was there", () => {
    assert.deepStrictEqual(detailsOf({ audio_input_tokens: 40 }), { audio_input_tokens: 40 })
    assert.deepStrictEqual(detailsOf({ audio_input_tokens: 45 }), {
      audio_input_tokens: 45,
      cached_audio_tokens: 5,
    })
    assert.deepStrictEqual(detailsOf({ audio_input_tokens: 45, cached_audio_tokens: 30 }), {
      audio_input_tokens: 45,
      cached_audio_tokens: 30,
    })
  })

  it.each<[name: string, details: object]>([
    ["more audio than input", { audio_input_tokens: 101 }],
    ["more cached audio than audio", { audio_input_tokens: 3, cached_audio_tokens: 4 }],
    ["more cached audio than was cached", { audio_input_tokens: 60, cached_audio_tokens: 41 }],
    ["more audio beside the cache than there is", { audio_input_tokens: 60, cached_audio_tokens: 10 }],
    ["audio that was written to the cache", { audio_input_tokens: 81 }],
    ["more kept for an hour than was written", { cache_write_1h_tokens: 21 }],
    ["more audio and images than output", { audio_output_tokens: 26, image_output_tokens: 25 }],
    ["a negative count", { web_searches: -1 }],
    ["half a count", { audio_output_tokens: 0.5 }],
    ["a text", { image_output_tokens: "3" }],
    ["more searches than anybody makes", { web_searches: 10_001 }],
    ["more calls than anybody makes", { unpriced_calls: 10_001 }],
  ])("that have %s make the usage unknown", (_name, details) => {
    assert.isNull(makeUsage({ ...totals, details }))
  })

  it("never have more of a part than the whole, whatever comes in", () => {
    const count = fc.oneof(fc.nat(60), fc.constantFrom(-1, 0.5, null, undefined, "1"))
    const raw = fc.record({
      audio_input_tokens: count,
      cached_audio_tokens: count,
      cache_write_1h_tokens: count,
      audio_output_tokens: count,
      image_output_tokens: count,
      web_searches: count,
      file_searches: count,
      unpriced_calls: count,
    })
    fc.assert(
      fc.property(raw, (details) => {
        const found = detailsOf(details)
        if (found === undefined) return
        const { audio_input_tokens: audio = 0, cached_audio_tokens: cached = 0 } = found
        for (const each of Object.values(found)) assert(Number.isSafeInteger(each) && each > 0)
        assert(cached <= Math.min(audio, totals.cachedTokens))
        assert(audio - cached <= totals.inputTokens - totals.cachedTokens - totals.cacheWriteTokens)
        assert((found.cache_write_1h_tokens ?? 0) <= totals.cacheWriteTokens)
        assert((found.audio_output_tokens ?? 0) + (found.image_output_tokens ?? 0) <= totals.outputTokens)
      }),
    )
  })
})

describe("a total", () => {
  it("is the sum of its parts, or makes the usage unknown", () => {
    for (const totalTokens of [149, 151, 0, "150", 150.5])
      assert.isNull(makeUsage({ ...totals, totalTokens }))
    for (const totalTokens of [150, undefined, null]) assert.isNotNull(makeUsage({ ...totals, totalTokens }))
  })
})

describe("a usage that is not there", () => {
  it("is contradictory where counts were sent, and else missing", () => {
    const usage = makeUsage(totals)
    assert.strictEqual(billed(usage, { prompt_tokens: 100 }), usage)
    assert.strictEqual(billed(null, { prompt_tokens: 1, completion_tokens: -1 }), "contradictory")
    for (const raw of [null, undefined, {}, { prompt_tokens: null }, "100", 100])
      assert.isNull(billed(null, raw))
  })
})
