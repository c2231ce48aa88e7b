import type { UsageByProvider } from "../api/AnalyticsApi.ts"
import { type LatencyHistogram, percentile } from "../domain/latency-histogram.ts"
import { toUsd } from "../domain/Money.ts"
import type { RollupSums } from "../ledger/tables/rollups.ts"

/** Numbers of a usage row, under their wire names. */
export type UsageTotals = Omit<typeof UsageByProvider.Type, "provider" | "model">

/** Sums of one group's rollups. */
type GroupSums = typeof RollupSums.Type & { readonly histogram: LatencyHistogram }

export const usageTotals = (sums: GroupSums): UsageTotals => {
  const successes = sums.requests - sums.errors
  const nothingSpent = sums.cost_nano_usd === 0 && sums.wasted_nano_usd === 0
  const nothingKnown = sums.cost_nano_usd === 0 && successes > 0 && sums.unpriced_requests === successes
  return {
    requests: sums.requests,
    errors: sums.errors,
    input_tokens: sums.input_tokens,
    output_tokens: sums.output_tokens,
    cached_tokens: sums.cached_tokens,
    reasoning_tokens: sums.reasoning_tokens,
    cost_usd: nothingKnown ? null : toUsd(sums.cost_nano_usd),
    unpriced_requests: sums.unpriced_requests,
    wasted_usd: toUsd(sums.wasted_nano_usd),
    unpriced_attempts: sums.unpriced_attempts,
    spent_usd:
      nothingSpent && (nothingKnown || (successes === 0 && sums.unpriced_attempts > 0))
        ? null
        : toUsd(sums.cost_nano_usd + sums.wasted_nano_usd),
    avg_latency_ms: successes === 0 ? null : hundredths(sums.latency_ms / successes),
    p95_latency_ms: hundredths(percentile(sums.histogram, 0.95)),
  }
}

export const hundredths = (ms: number | null): number | null =>
  ms === null ? null : Math.round(ms * 100) / 100
