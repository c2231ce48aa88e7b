/**
 * Buckets for each doubling of a latency. Logarithmic, so that percentiles of any hours come from stored counts: bucket
 * `b` holds (2^((b-1)/20), 2^(b/20)] milliseconds, about 3.5 % wide, and bucket 0 everything up to one millisecond.
 * Stored counts were made with this width: changing it needs a migration.
 */
const BUCKETS_PER_DOUBLING = 20

/** Counts of requests in the buckets that have any, in ascending order. */
export type LatencyHistogram = ReadonlyArray<readonly [bucket: number, requests: number]>

export const latencyBucket = (ms: number): number =>
  ms <= 1 ? 0 : Math.ceil(BUCKETS_PER_DOUBLING * Math.log2(ms))

/** Returns the highest latency of a bucket in milliseconds. */
const upperBound = (bucket: number): number => 2 ** (bucket / BUCKETS_PER_DOUBLING)

/**
 * Returns the latency in milliseconds that `quantile` (0..1] of the counted requests did not exceed: nearest rank,
 * interpolated within its bucket, so at most one bucket's width (3.6 %) off; null when nothing was counted.
 */
export const percentile = (buckets: LatencyHistogram, quantile: number): number | null => {
  let total = 0
  for (const [, requests] of buckets) total += requests
  const rank = Math.max(1, Math.ceil(quantile * total))
  let below = 0
  for (const [bucket, requests] of buckets) {
    if (below + requests >= rank) {
      return upperBound(bucket - 1 + (rank - below) / requests)
    }
    below += requests
  }
  return null
}
