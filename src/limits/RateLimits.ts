import { Context, Data, Duration, Effect, Layer, Metric, type Redacted } from "effect"
import { RateLimiter } from "effect/persistence"
import { Settings } from "../config/Settings.ts"
import type { KeyId } from "../domain/Ids.ts"
import * as Metrics from "../observability/Metrics.ts"
import { monotonicMs } from "../platform/monotonic.ts"
import { makeBucketStore } from "./bucket-store.ts"

/** The state of a key's bucket, for the `RateLimit` headers. */
export interface RateLimitState {
  readonly limit: number
  readonly remaining: number
  /** Milliseconds until the bucket is full again. */
  readonly resetMs: number
}

export class RateLimited extends Data.TaggedError("RateLimited")<{
  readonly state: RateLimitState
  /** Milliseconds after which the next request succeeds. */
  readonly retryAfterMs: number
}> {}

type Consume = (keyId: KeyId, requestsPerMinute: number) => Effect.Effect<RateLimitState, RateLimited>

const WINDOW = Duration.minutes(1)
/** The longest that a request waits for Redis. */
const REDIS_TIMEOUT_MS = 250
/** Milliseconds after a failure in which one request asks Redis again; the others do not. */
const REDIS_PROBE_EVERY_MS = 1_000

/**
 * Limits requests per minute and API key by a token bucket that holds a minute's worth and refills evenly.
 *
 * In memory the limit holds for the process; with `REDIS_URL` it holds for all replicas together. While Redis does
 * not answer every replica keeps the limit on its own: at most `replicas` times the limit passes, nothing is
 * refused because of the outage and no request waits for it.
 */
export class RateLimits extends Context.Service<RateLimits, { readonly consume: Consume }>()(
  "gateway/limits/RateLimits",
) {
  static readonly layerMemory = Layer.effect(
    RateLimits,
    Effect.suspend(() =>
      RateLimiter.make.pipe(
        Effect.provideService(RateLimiter.RateLimiterStore, makeBucketStore().store),
        Effect.map((limiter) => {
          const consume = consumeFrom(limiter)
          return RateLimits.of({
            // The memory store never fails.
            consume: (keyId, requestsPerMinute) =>
              Effect.catchTag(consume(keyId, requestsPerMinute), "RateLimiterError", Effect.die),
          })
        }),
      ),
    ),
  )

  static readonly layerRedis = (url: Redacted.Redacted) =>
    Layer.effect(
      RateLimits,
      Effect.gen(function* () {
        const alone = (yield* Layer.build(RateLimits.layerMemory)).pipe(Context.get(RateLimits))
        // Its client is 1.5 MB of source, loaded only where it is used.
        const { connectRedisLimiter } = yield* Effect.promise(() => import("./redis-limiter.ts"))
        const shared = yield* connectRedisLimiter(url)
        let failedAtMs: number | undefined

        const consume: Consume = Effect.fnUntraced(function* (keyId, requestsPerMinute) {
          const limiter = shared.current()
          const nowMs = yield* monotonicMs
          if (limiter === undefined) return yield* alone.consume(keyId, requestsPerMinute)
          if (failedAtMs !== undefined) {
            if (nowMs - failedAtMs < REDIS_PROBE_EVERY_MS)
              return yield* alone.consume(keyId, requestsPerMinute)
            failedAtMs = nowMs
          }
          return yield* consumeFrom(limiter)(keyId, requestsPerMinute).pipe(
            Effect.timeout(REDIS_TIMEOUT_MS),
            Effect.tap(() => {
              if (failedAtMs === undefined) return Effect.void
              failedAtMs = undefined
              return Effect.logInfo("rate limits are shared through Redis again")
            }),
            Effect.catchTag(["RateLimiterError", "TimeoutError"], (error) => {
              const first = failedAtMs === undefined
              failedAtMs = nowMs
              const fallback = alone.consume(keyId, requestsPerMinute)
              if (!first) return fallback
              return Effect.andThen(
                Effect.logWarning(
                  "Redis does not answer; each replica keeps rate limits on its own",
                  error._tag,
                ),
                fallback,
              )
            }),
          )
        })

        return RateLimits.of({ consume })
      }),
    )

  static readonly layer = Layer.unwrap(
    Effect.map(Settings, ({ redisUrl }) =>
      redisUrl === undefined ? RateLimits.layerMemory : RateLimits.layerRedis(redisUrl),
    ),
  )
}

function consumeFrom(limiter: RateLimiter.RateLimiter) {
  return (
    keyId: KeyId,
    requestsPerMinute: number,
  ): Effect.Effect<RateLimitState, RateLimited | RateLimiter.RateLimiterError> =>
    Effect.matchEffect(
      limiter.consume({
        // The limit is part of the key: after a change the new limit holds at once, with a bucket of its own.
        key: `${keyId}:${requestsPerMinute}`,
        limit: requestsPerMinute,
        window: WINDOW,
        algorithm: "token-bucket",
        onExceeded: "fail",
      }),
      {
        onSuccess: ({ remaining, resetAfter }) =>
          Effect.succeed({
            limit: requestsPerMinute,
            remaining,
            resetMs: Math.ceil(Duration.toMillis(resetAfter)),
          }),
        onFailure: (error): Effect.Effect<never, RateLimited | RateLimiter.RateLimiterError> =>
          error.reason._tag === "RateLimitExceeded" ? refuse(error.reason) : Effect.fail(error),
      },
    )
}

function refuse({ limit, retryAfter }: RateLimiter.RateLimitExceeded) {
  const nextTokenMs = Duration.toMillis(retryAfter)
  return Effect.andThen(
    Metric.update(Metrics.rateLimited, 1),
    new RateLimited({
      state: {
        limit,
        remaining: 0,
        resetMs: Math.ceil(nextTokenMs + ((limit - 1) * Duration.toMillis(WINDOW)) / limit),
      },
      // One more than rounding up: the bucket counts in fractions of a millisecond and may stop short of the token.
      retryAfterMs: Math.ceil(nextTokenMs) + 1,
    }),
  )
}
