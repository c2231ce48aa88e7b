import { Context, Data, type Effect } from "effect"
import type { KeyId } from "../domain/Ids.ts"

/** Where a key stands in its minute, for the `RateLimit` headers. */
export interface RateLimitState {
  readonly limit: number
  readonly remaining: number
  /** Until the bucket is full again. */
  readonly resetMs: number
}

export class RateLimited extends Data.TaggedError("RateLimited")<{
  readonly state: RateLimitState
  /** Waiting this long makes the next request succeed. */
  readonly retryAfterMs: number
}> {}

/** Requests per minute per API key, a token bucket; in memory or shared through Redis. */
export class RateLimits extends Context.Service<
  RateLimits,
  {
    readonly consume: (keyId: KeyId, requestsPerMinute: number) => Effect.Effect<RateLimitState, RateLimited>
  }
>()("gateway/limits/RateLimits") {}
