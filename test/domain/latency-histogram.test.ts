import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { latencyBucket, percentile } from "../../src/domain/latency-histogram.ts"

const histogram = (latencies: ReadonlyArray<number>): ReadonlyArray<readonly [number, number]> => {
  const counts = new Map<number, number>()
  for (const ms of latencies) counts.set(latencyBucket(ms), (counts.get(latencyBucket(ms)) ?? 0) + 1)
  return [...counts].sort(([a], [b]) => a - b)
}

const latency = fc.oneof(fc.nat(30), fc.nat(5_000), fc.nat(2 ** 31 - 1))

describe("latency histogram", () => {
  it("estimates every percentile within 3.6 % of the exact one", () => {
    fc.assert(
      fc.property(
        fc.array(latency, { minLength: 1, maxLength: 200 }),
        fc.constantFrom(0.01, 0.5, 0.95, 0.99, 1),
        (latencies, quantile) => {
          const sorted = latencies.toSorted((a, b) => a - b)
          // Nothing below a millisecond is told apart.
          const exact = Math.max(1, sorted[Math.max(1, Math.ceil(quantile * sorted.length)) - 1] ?? 0)
          const estimate = percentile(histogram(latencies), quantile) ?? Number.NaN
          assert.isAtMost(Math.abs(estimate - exact) / exact, 0.036)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it("puts a longer latency never into a lower bucket", () => {
    fc.assert(
      fc.property(latency, latency, (a, b) => {
        assert.isAtMost(latencyBucket(Math.min(a, b)), latencyBucket(Math.max(a, b)))
      }),
    )
  })

  it("keeps every latency that a row can hold inside smallint", () => {
    assert.strictEqual(latencyBucket(0), 0)
    assert.strictEqual(latencyBucket(1), 0)
    assert.strictEqual(latencyBucket(2 ** 31 - 1), 620)
  })

  it("knows no percentile of nothing", () => {
    assert.strictEqual(percentile([], 0.95), null)
  })
})
