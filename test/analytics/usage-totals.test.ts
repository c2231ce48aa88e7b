import { assert, describe, it } from "@effect/vitest"
import { usageTotals } from "../../src/analytics/usage-totals.ts"

const sums = {
  requests: 10,
  errors: 4,
  input_tokens: 0,
  output_tokens: 0,
  cached_tokens: 0,
  reasoning_tokens: 0,
  cost_nano_usd: 0,
  unpriced_requests: 0,
  latency_ms: 601,
  wasted_nano_usd: 0,
  unpriced_attempts: 0,
  histogram: [[100, 6] as const],
}

describe("usageTotals", () => {
  it("has no cost when no success has one", () => {
    assert.isNull(usageTotals({ ...sums, unpriced_requests: 6 }).cost_usd)
  })

  it("sums the known costs beside unknown ones", () => {
    const totals = usageTotals({ ...sums, unpriced_requests: 5, cost_nano_usd: 3 })
    assert.deepInclude(totals, { cost_usd: 3e-9, unpriced_requests: 5 })
  })

  it("keeps the cost of failures when every success is unpriced", () => {
    assert.strictEqual(usageTotals({ ...sums, unpriced_requests: 6, cost_nano_usd: 5e9 }).cost_usd, 5)
  })

  it("costs nothing where nothing was answered or all of it was free", () => {
    assert.strictEqual(usageTotals({ ...sums, errors: 10 }).cost_usd, 0)
    assert.strictEqual(usageTotals(sums).cost_usd, 0)
  })

  it("spends what answers cost and what other attempts did", () => {
    const wasted = { ...sums, wasted_nano_usd: 2e9 }
    assert.deepInclude(usageTotals({ ...wasted, cost_nano_usd: 5e9 }), {
      cost_usd: 5,
      wasted_usd: 2,
      spent_usd: 7,
    })
    assert.deepInclude(usageTotals({ ...wasted, requests: 0, errors: 0 }), { cost_usd: 0, spent_usd: 2 })
  })

  it("spends what is known, and an unknown sum when nothing is", () => {
    const unpriced = { ...sums, unpriced_requests: 6 }
    assert.deepInclude(usageTotals(unpriced), { cost_usd: null, wasted_usd: 0, spent_usd: null })
    assert.deepInclude(usageTotals({ ...unpriced, wasted_nano_usd: 3 }), { cost_usd: null, spent_usd: 3e-9 })
  })

  it("does not spend nothing where all that was tried has an unknown cost", () => {
    const tried = { ...sums, requests: 0, errors: 0, unpriced_attempts: 2 }
    assert.deepInclude(usageTotals(tried), { cost_usd: 0, unpriced_attempts: 2, spent_usd: null })
    assert.deepInclude(usageTotals({ ...tried, wasted_nano_usd: 3 }), { spent_usd: 3e-9 })
    assert.deepInclude(usageTotals({ ...sums, unpriced_attempts: 2, cost_nano_usd: 5e9 }), { spent_usd: 5 })
  })

  it("averages latency over successes", () => {
    assert.strictEqual(usageTotals(sums).avg_latency_ms, 100.17)
    assert.isNull(usageTotals({ ...sums, errors: 10, latency_ms: 0, histogram: [] }).avg_latency_ms)
    assert.isNull(usageTotals({ ...sums, errors: 10, latency_ms: 0, histogram: [] }).p95_latency_ms)
  })
})
