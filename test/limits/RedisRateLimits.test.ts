import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Layer, Redacted, References, Schedule } from "effect"
import { Settings } from "../../src/config/Settings.ts"
import { KeyId } from "../../src/domain/Ids.ts"
import { RateLimits } from "../../src/limits/RateLimits.ts"
import { scaled } from "../support/slowness.ts"
import { steppedClock } from "../support/stepped-clock.ts"
import { type Consume, consumeWith } from "./consume.ts"
import { type FakeRedis, makeFakeRedis } from "./FakeRedis.ts"

const key = KeyId.make("abcdefghijkl")

const withLimits = <A, E>(url: string, body: (consume: Consume) => Effect.Effect<A, E>) =>
  Effect.flatMap(RateLimits, (limits) => body(consumeWith(limits))).pipe(
    Effect.provide(Layer.provide(RateLimits.layerRedis(Redacted.make(url)), Settings.layerTest()), {
      local: true,
    }),
    // The client logs every lost connection with its stack.
    Effect.provideService(References.MinimumLogLevel, "None"),
  )

/** Consumes until Redis was asked, as happens when the connection is up. */
const untilAsked = (redis: FakeRedis, consume: Consume) => {
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
