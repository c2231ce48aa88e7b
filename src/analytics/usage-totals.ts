import { type LatencyHistogram, percentile } from "../domain/latency-histogram.ts"
import { toUsd } from "../domain/Money.ts"

/** What every usage row counts, under its wire names. */
export interface UsageTotals {
  readonly requests: number
  readonly errors: number
  readonly input_tokens: number
  readonly output_tokens: number
  readonly cached_tokens: number
  readonly reasoning_tokens: number
  /** Sum of the known costs; null when none is known. */
  readonly cost_usd: number | null
  /** Successes whose cost is unknown. */
  readonly unpriced_requests: number
  /** Over successes; null when there was none. */
  readonly avg_latency_ms: number | null
  readonly p95_latency_ms: number | null
}

/** What the rollups of one group add up to. */
export interface RollupSums extends Omit<UsageTotals, "cost_usd" | "avg_latency_ms" | "p95_latency_ms"> {
  readonly cost_nano_usd: number
  readonly latency_ms: number
  readonly histogram: LatencyHistogram
}

export const usageTotals = (sums: RollupSums): UsageTotals => {
  const successes = sums.requests - sums.errors
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
    avg_latency_ms: successes === 0 ? null : hundredths(sums.latency_ms / successes),
    p95_latency_ms: hundredths(percentile(sums.histogram, 0.95)),
  }
}

const hundredths = (ms: number | null): number | null => (ms === null ? null : Math.round(ms * 100) / 100)
