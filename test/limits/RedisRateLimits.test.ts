import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Redacted, References, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { KeyId } from "../../src/domain/Ids.ts"
import { RateLimits } from "../../src/limits/RateLimits.ts"
import { scaled } from "../support/slowness.ts"
import { startedClock } from "../support/started-clock.ts"
import { steppedClock } from "../support/stepped-clock.ts"
import { type FakeRedis, makeFakeRedis } from "./FakeRedis.ts"
import { realMs } from "./replicas.ts"

const key = KeyId.make("abcdefghijkl")

const withLimits = <A, E>(
  url: string,
  body: (consume: RateLimits["Service"]["consume"]) => Effect.Effect<A, E>,
) =>
  Effect.flatMap(RateLimits, ({ consume }) => body(consume)).pipe(
    Effect.provide(RateLimits.layerRedis(Redacted.make(url)), { local: true }),
    // The client logs every lost connection with its stack.
    Effect.provideService(References.MinimumLogLevel, "None"),
  )

/** Consumes until Redis was asked, as happens when the connection is up. */
const untilAsked = (redis: FakeRedis, consume: RateLimits["Service"]["consume"]) => {
  const before = redis.evaluations.length
  return Effect.exit(consume(key, 1_000_000)).pipe(
    Effect.repeat({ until: () => redis.evaluations.length > before, schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("8 seconds"),
  )
}

const elapsed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    const value = yield* effect
    return [value, (yield* Clock.currentTimeMillis) - started] as const
  })

describe("rate limits in Redis", () => {
  it.live("asks once, with the key, its limit and what it knows, and reports the answer", () =>
    Effect.gen(function* () {
      const redis = yield* makeFakeRedis
      yield* withLimits(redis.url, (consume) =>
        Effect.gen(function* () {
          yield* untilAsked(redis, consume)
          const asked = redis.evaluations.length
          const first = yield* consume(key, 2)
          assert.deepStrictEqual({ ...first, resetMs: 0 }, { limit: 2, remaining: 1, resetMs: 0 })
          assert.closeTo(first.resetMs, 30_000, 2_000)
          assert.strictEqual((yield* consume(key, 2)).remaining, 0)
          const refused = yield* Effect.flip(consume(key, 2))
          assert.strictEqual(refused.state.remaining, 0)
          assert.closeTo(refused.retryAfterMs, 30_000, 2_000)
          assert.strictEqual(redis.evaluations.length, asked + 3)
          const [keys, bucket, replicas, limit, refillMs, usedAtLeast, windowMs] =
            redis.evaluations.at(-1) ?? []
          assert.deepStrictEqual(
            [keys, bucket, replicas, limit, refillMs, windowMs],
            ["2", "gateway:bucket:abcdefghijkl:2", "gateway:replicas", "2", "30000", "60000"],
          )
          assert.closeTo(Number(usedAtLeast), 2 - 250 / 30_000, 0.1)
        }),
      )
    }),
  )

  it.effect("takes nothing from a key because a request came to Redis later than the one before", () =>
    Effect.gen(function* () {
      const redis = yield* makeFakeRedis
      yield* withLimits(redis.url, (consume) =>
        Effect.gen(function* () {
          while (redis.connections() === 0) yield* realMs(5)
          yield* realMs(20)
          for (let i = 0; i < 3; i++) yield* consume(key, 600)
          yield* redis.pause
          const late = yield* Effect.forkChild(consume(key, 600), { startImmediately: true })
          yield* realMs(20)
          // Two tokens come back in it.
          yield* TestClock.adjust("200 millis")
          yield* redis.resume
          assert.strictEqual((yield* Fiber.join(late)).remaining, 598)
        }),
      )
    }).pipe(Effect.provide(startedClock)),
  )

  it.live("starts without Redis, limits alone, and shares as soon as Redis is there", () =>
    Effect.gen(function* () {
      const redis = yield* makeFakeRedis
      yield* redis.stop
      yield* withLimits(redis.url, (consume) =>
        Effect.gen(function* () {
          assert.strictEqual((yield* consume(key, 1)).remaining, 0)
          yield* Effect.flip(consume(key, 1))
          yield* redis.start
          yield* untilAsked(redis, consume)
        }),
      )
    }),
  )

  it.live("a lost Redis refuses nobody, delays nobody, and is found again", () =>
    Effect.gen(function* () {
      const redis = yield* makeFakeRedis
      yield* withLimits(redis.url, (consume) =>
        Effect.gen(function* () {
          yield* untilAsked(redis, consume)
          yield* redis.stop
          yield* Effect.sleep("50 millis")
          const [exits, lostMs] = yield* elapsed(
            Effect.forEach(Array.from({ length: 50 }), () => Effect.exit(consume(key, 10))),
          )
          assert.strictEqual(exits.filter(Exit.isSuccess).length, 10, "the replica's own limit holds")
          assert.isBelow(lostMs, scaled(200), "no request waits for its timeout")
          yield* redis.start
          yield* untilAsked(redis, consume)
        }),
      )
    }),
  )

  it.live("a Redis that is back is found although the wall clock was set back an hour meanwhile", () =>
    Effect.gen(function* () {
      const redis = yield* makeFakeRedis
      const { clock, step } = yield* steppedClock
      yield* withLimits(redis.url, (consume) =>
        Effect.gen(function* () {
          yield* untilAsked(redis, consume)
          yield* redis.stop
          yield* Effect.sleep("50 millis")
          yield* Effect.exit(consume(key, 10))
          step(-3_600_000)
          yield* redis.start
          const asked = redis.evaluations.length
          yield* untilAsked(redis, consume)
          assert.isAbove(redis.evaluations.length, asked)
        }),
      ).pipe(Effect.provideService(Clock.Clock, clock))
    }),
  )

  it.live("a hanging Redis delays one request, by no more than its timeout", () =>
    Effect.gen(function* () {
      const redis = yield* makeFakeRedis
      yield* withLimits(redis.url, (consume) =>
        Effect.gen(function* () {
          yield* untilAsked(redis, consume)
          yield* redis.pause
          const [, firstMs] = yield* elapsed(consume(key, 10))
          assert.isBelow(firstMs, scaled(600))
          const asked = redis.evaluations.length
          const [, nextMs] = yield* elapsed(
            Effect.forEach(Array.from({ length: 100 }), () => Effect.exit(consume(key, 10))),
          )
          assert.isBelow(nextMs, scaled(200))
          assert.strictEqual(redis.evaluations.length, asked)
          yield* redis.resume
          yield* untilAsked(redis, consume)
        }),
      )
    }),
  )
})
