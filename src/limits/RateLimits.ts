import { randomUUID } from "node:crypto"
import { Context, Data, Effect, Layer, Metric, type Redacted } from "effect"
import { Settings } from "../config/Settings.ts"
import type { KeyId } from "../domain/Ids.ts"
import * as Metrics from "../observability/Metrics.ts"
import { monotonicMs } from "../platform/monotonic.ts"
import { makeBucketStore, noteShared, refillMs, shareOf, type Taken, takeAlone } from "./bucket-store.ts"

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

/** The longest that a request waits for Redis. */
const REDIS_TIMEOUT_MS = 250
/** Milliseconds after a failure in which one request asks Redis again; the others do not. */
const REDIS_PROBE_EVERY_MS = 1_000
/** Milliseconds after which a replica says again that it lives, with a request that it sends anyway. */
const LIFE_SIGN_EVERY_MS = 1_000

/**
 * Limits requests per minute and API key by a token bucket that holds a minute's worth and refills evenly.
 *
 * In memory the limit holds for the process; with `REDIS_URL` it holds for all replicas together. Each of them keeps a
 * copy of what Redis last said. While Redis does not answer they go on from their copies, each at its share of the key's
 * requests, so that together they still admit the limit; no request waits for Redis then. What they know goes to Redis
 * with every request, so a Redis that comes back empty has no full buckets.
 */
export class RateLimits extends Context.Service<RateLimits, { readonly consume: Consume }>()(
  "gateway/limits/RateLimits",
) {
  static readonly layerMemory = Layer.sync(RateLimits, () => {
    const { bucketOf } = makeBucketStore()
    return RateLimits.of({
      consume: (keyId, limit) =>
        Effect.flatMap(monotonicMs, (nowMs) =>
          answer(limit, takeAlone(bucketOf(keyId, limit, nowMs), limit, 1)),
        ),
    })
  })

  static readonly layerRedis = (url: Redacted.Redacted) =>
    Layer.effect(
      RateLimits,
      Effect.gen(function* () {
        // Its client is 1.5 MB of source, loaded only where it is used.
        const { connectRedisLimiter } = yield* Effect.promise(() => import("./redis-limiter.ts"))
        const shared = yield* connectRedisLimiter(url)
        const { bucketOf } = makeBucketStore()
        const replica = randomUUID()
        let replicas = 1
        let failedAtMs: number | undefined
        let lifeSignAtMs = Number.NEGATIVE_INFINITY

        const consume: Consume = Effect.fnUntraced(function* (keyId, limit) {
          const take = shared.current()
          const nowMs = yield* monotonicMs
          const bucket = bucketOf(keyId, limit, nowMs)
          const alone = () => answer(limit, takeAlone(bucket, limit, shareOf(bucket, replicas)))
          if (take === undefined) return yield* alone()
          if (failedAtMs !== undefined) {
            if (nowMs - failedAtMs < REDIS_PROBE_EVERY_MS) return yield* alone()
            failedAtMs = nowMs
          }
          const signs = nowMs - lifeSignAtMs >= LIFE_SIGN_EVERY_MS
          if (signs) lifeSignAtMs = nowMs
          return yield* take({
            key: keyId,
            limit,
            refillMs: refillMs(limit),
            // Of two requests the second may be faster in Redis by as much as the first may take.
            usedAtLeast: Math.max(0, bucket.used - REDIS_TIMEOUT_MS / refillMs(limit)),
            replica: signs ? replica : undefined,
          }).pipe(
            Effect.timeout(REDIS_TIMEOUT_MS),
            Effect.matchEffect({
              onSuccess: ([given, usedText, asked, living]) => {
                const used = Number(usedText)
                noteShared(bucket, used, asked, nowMs)
                replicas = Math.max(1, living)
                const answered = answer(limit, { used, lacking: given === 1 ? null : used + 1 - limit })
                if (failedAtMs === undefined) return answered
                failedAtMs = undefined
                return Effect.andThen(Effect.logInfo("rate limits are shared through Redis again"), answered)
              },
              onFailure: (error) => {
                const first = failedAtMs === undefined
                failedAtMs = nowMs
                if (!first) return alone()
                return Effect.andThen(
                  Effect.logWarning(
                    "Redis does not answer; each replica keeps its share of rate limits on its own",
                    error._tag,
                  ),
                  alone(),
                )
              },
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

const answer = (limit: number, { used, lacking }: Taken): Effect.Effect<RateLimitState, RateLimited> => {
  const resetMs = wholeMs(used * refillMs(limit))
  if (lacking === null)
    return Effect.succeed({ limit, remaining: Math.max(0, Math.floor(limit - used + 1e-9)), resetMs })
  return Effect.andThen(
    Metric.update(Metrics.rateLimited, 1),
    new RateLimited({
      state: { limit, remaining: 0, resetMs },
      // One more than rounding up: clocks and sums may stop short of the token by a fraction of a millisecond.
      retryAfterMs: wholeMs(lacking * refillMs(limit)) + 1,
    }),
  )
}

/** Rounds up, but not for what a sum of floating point numbers is wrong by. */
const wholeMs = (ms: number): number => Math.ceil(ms - 1e-6)
