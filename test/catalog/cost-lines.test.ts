import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { costOf } from "../../src/catalog/cost.ts"
import { costLines } from "../../src/catalog/cost-lines.ts"
import type { PriceRow } from "../../src/catalog/model.ts"
import { makeUsage } from "../../src/domain/Usage.ts"

const nano = fc.integer({ min: 1, max: 20_000_000_000 })
const rates = fc.record(
  {
    inputNanoPer1M: nano,
    cachedInputNanoPer1M: nano,
    outputNanoPer1M: nano,
    cacheWriteNanoPer1M: nano,
    cacheWrite1hNanoPer1M: nano,
    audioInputNanoPer1M: nano,
    cachedAudioInputNanoPer1M: nano,
    audioOutputNanoPer1M: nano,
    imageOutputNanoPer1M: nano,
  },
  { requiredKeys: ["inputNanoPer1M", "cachedInputNanoPer1M", "outputNanoPer1M"] },
)

const row: fc.Arbitrary<PriceRow> = fc
  .tuple(
    rates,
    fc.option(rates, { nil: undefined }),
    fc.record(
      {
        requestNano: fc.nat(1_000_000),
        webSearchNano: fc.nat(10_000_000),
        fileSearchNano: fc.nat(10_000_000),
        serviceTiers: fc.constant({ flex: 0.5, priority: 1.75 }),
        validFrom: fc.constant(Date.UTC(2026, 0, 1)),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([own, band, more]) => ({
    ...own,
    ...more,
    ...(band && { bands: [{ aboveTokens: 5_000, ...band }] }),
    source: "list",
    asOf: "2026-11-23",
  }))

const count = fc.nat(3_000)

const usage = fc
  .record({
    text: count,
    cached: count,
    written: count,
    written1h: count,
    audio: fc.constantFrom(0, 700),
    cachedAudio: fc.constantFrom(0, 90),
    output: count,
    audioOutput: fc.constantFrom(0, 300),
    imageOutput: fc.constantFrom(0, 200),
    searches: fc.constantFrom(0, 3),
    files: fc.constantFrom(0, 2),
    serviceTier: fc.constantFrom(undefined, "flex", "priority", "unheard-of"),
  })
  .map((n) =>
    makeUsage({
      inputTokens: n.text + n.cached + n.written + n.written1h + n.audio + n.cachedAudio,
      cachedTokens: n.cached + n.cachedAudio,
      cacheWriteTokens: n.written + n.written1h,
      outputTokens: n.output + n.audioOutput + n.imageOutput,
      serviceTier: n.serviceTier,
      details: {
        audio_input_tokens: n.audio + n.cachedAudio,
        cached_audio_tokens: n.cachedAudio,
        cache_write_1h_tokens: n.written1h,
        audio_output_tokens: n.audioOutput,
        image_output_tokens: n.imageOutput,
        web_searches: n.searches,
        file_searches: n.files,
      },
    }),
  )

describe("lines of a cost", () => {
  it("add up to it, with every token in one of them, and are not there when it is not known", () => {
    fc.assert(
      fc.property(row, usage, (row, usage) => {
        if (usage === null) return assert.fail("the usage contradicts itself")
        const cost = costOf(row, usage, Date.UTC(2026, 10, 23))
        const lines = costLines(row, usage)
        if (cost.nanoUsd === null) return assert.isUndefined(lines)
        const sum = lines?.reduce((sum, { nanoUsd }) => sum + nanoUsd, 0)
        assert.closeTo(sum ?? Number.NaN, cost.nanoUsd, 0.501)
        const tokens = lines?.filter(({ nanoPer1M }) => nanoPer1M !== undefined)
        assert.strictEqual(
          tokens?.reduce((sum, { count }) => sum + count, 0),
          usage.inputTokens + usage.outputTokens,
        )
      }),
    )
  })
})
