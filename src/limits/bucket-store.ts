import { Duration, Effect } from "effect"
import { RateLimiter } from "effect/persistence"
import { monotonicMs } from "../platform/monotonic.ts"

/** A token bucket: `tokens` is as of `refilledAtMs` (monotonic), the start of the current refill interval. */
interface Bucket {
  tokens: number
  refilledAtMs: number
  fullAtMs: number
}

/** Buckets removed by one call: more than it adds, so the map shrinks; few enough that no call is slow. */
const REMOVALS_PER_CALL = 8

/** Buckets kept at most: far more than keys send within one minute; about 20 MB when full. */
const MAX_BUCKETS = 100_000

/**
 * Makes a bounded store of token buckets in memory: the map is kept in order of last use, and each call removes buckets
 * from its old end that have refilled to full. A full bucket equals no bucket, so this loses nothing. Only above the
 * cap a bucket goes early, in favour of its key.
 */
export const makeBucketStore = (maxBuckets: number = MAX_BUCKETS) => {
  const buckets = new Map<string, Bucket>()

  const removeFull = (nowMs: number): void => {
    let removals = 0
    for (const [key, bucket] of buckets) {
      if (bucket.fullAtMs > nowMs && buckets.size <= maxBuckets) return
      buckets.delete(key)
      removals += 1
      if (removals === REMOVALS_PER_CALL) return
    }
  }

  const take = (
    key: string,
    tokens: number,
    limit: number,
    refillMs: number,
    overflow: boolean,
    nowMs: number,
  ) => {
    const bucket = buckets.get(key) ?? { tokens: limit, refilledAtMs: nowMs, fullAtMs: nowMs }
    const refilled = Math.floor((nowMs - bucket.refilledAtMs) / refillMs)
    bucket.tokens = Math.min(limit, bucket.tokens + refilled)
    bucket.refilledAtMs = bucket.tokens >= limit ? nowMs : bucket.refilledAtMs + refilled * refillMs
    const remaining = bucket.tokens - tokens
    if (overflow || remaining >= 0) bucket.tokens = remaining
    bucket.fullAtMs = bucket.refilledAtMs + (limit - bucket.tokens) * refillMs
    buckets.delete(key)
    buckets.set(key, bucket)
    removeFull(nowMs)
    return [remaining, nowMs - bucket.refilledAtMs] as const
  }

  const unsupported = (operation: string) =>
    new RateLimiter.RateLimiterError({
      reason: new RateLimiter.RateLimitStoreError({ message: `the bucket store has no ${operation}` }),
    })

  return {
    size: () => buckets.size,
    store: RateLimiter.RateLimiterStore.of({
      tokenBucket: ({ key, tokens, limit, refillRate, allowOverflow }) =>
        Effect.map(monotonicMs, (nowMs) =>
          take(key, tokens, limit, Duration.toMillis(refillRate), allowOverflow, nowMs),
        ),
      fixedWindow: () => Effect.fail(unsupported("fixedWindow")),
      adaptiveConsume: () => Effect.fail(unsupported("adaptiveConsume")),
      adaptiveFeedback: () => Effect.fail(unsupported("adaptiveFeedback")),
    }),
  }
}
