import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Layer } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { Settings } from "../../src/config/Settings.ts"
import { KeyId } from "../../src/domain/Ids.ts"
import { RateLimits } from "../../src/limits/RateLimits.ts"
import { startedClock } from "../support/started-clock.ts"
import { CLOCK_STEPS, steppedClock } from "../support/stepped-clock.ts"
import { consumeWith } from "./consume.ts"

const key = KeyId.make("abcdefghijkl")
const other = KeyId.make("ABCDEFGHIJKL")

const countAdmitted = (rpm: number, tries: number, keyId = key) =>
  Effect.gen(function* () {
    const consume = consumeWith(yield* RateLimits)
    let admitted = 0
    for (let i = 0; i < tries; i++) if (Exit.isSuccess(yield* Effect.exit(consume(keyId, rpm)))) admitted += 1
    return admitted
  })

const memory = Layer.provide(RateLimits.layerMemory, Settings.layerTest())
const layer = Layer.provide(memory, startedClock)

describe("rate limits in memory", () => {
  it.effect("admits a minute's worth at once and then one per interval", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* countAdmitted(6, 20), 6)
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual(yield* countAdmitted(6, 5), 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* countAdmitted(6, 5), 1)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* countAdmitted(6, 20), 6)
    }).pipe(Effect.provide(layer)),
  )

  it.effect("says where the key stands", () =>
    Effect.gen(function* () {
      const consume = consumeWith(yield* RateLimits)
      assert.deepStrictEqual(yield* consume(key, 3), { limit: 3, remaining: 2, resetMs: 20_000 })
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* consume(key, 3), { limit: 3, remaining: 1, resetMs: 35_000 })
      assert.deepStrictEqual(yield* consume(key, 3), { limit: 3, remaining: 0, resetMs: 55_000 })
      const refused = yield* Effect.flip(consume(key, 3))
      assert.deepStrictEqual(refused.state, { limit: 3, remaining: 0, resetMs: 55_000 })
      assert.strictEqual(refused.retryAfterMs, 15_001)
    }).pipe(Effect.provide(layer)),
  )

  it.effect("keys do not share a bucket", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* countAdmitted(2, 5), 2)
      assert.strictEqual(yield* countAdmitted(2, 5, other), 2)
    }).pipe(Effect.provide(layer)),
  )

  it.effect("a changed limit holds for the next request, up and down", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* countAdmitted(2, 5), 2)
      // What is in use stays in use.
      assert.strictEqual(yield* countAdmitted(10, 20), 8)
      assert.strictEqual(yield* countAdmitted(1, 5), 0)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* countAdmitted(1, 5), 1)
    }).pipe(Effect.provide(layer)),
  )

  it.effect.each(CLOCK_STEPS)("a step of the wall clock (%i ms) gives nothing and takes nothing", (ms) =>
    Effect.gen(function* () {
      const { clock, step } = yield* steppedClock
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* countAdmitted(6, 20), 6)
        step(ms)
        assert.strictEqual(yield* countAdmitted(6, 5), 0)
        assert.strictEqual((yield* Effect.flip(consumeWith(yield* RateLimits)(key, 6))).retryAfterMs, 10_001)
        yield* TestClock.adjust("10 seconds")
        step(-ms)
        assert.strictEqual(yield* countAdmitted(6, 5), 1)
      }).pipe(Effect.provide(layer), Effect.provideService(Clock.Clock, clock))
    }),
  )

  // For any limit and any history: no window admits too many, and Retry-After is honest.
  const histories = fc.record({
    startMs: fc.integer({ min: 0, max: 2_000_000_000_000 }),
    limit: fc.integer({ min: 1, max: 700 }),
    waits: fc.array(fc.oneof(fc.nat({ max: 50 }), fc.nat({ max: 70_000 })), { maxLength: 30 }),
  })

  it.effect("waiting Retry-After makes the next request succeed, whatever happened before", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(histories, ({ startMs, limit, waits }) =>
          Effect.gen(function* () {
            yield* TestClock.setTime(startMs)
            const consume = consumeWith(yield* RateLimits)
            for (const waitMs of waits) {
              yield* TestClock.adjust(waitMs)
              const refused = yield* exhaust(consume(key, limit))
              assert.isAbove(refused.retryAfterMs, 0)
              assert.isAtMost(refused.retryAfterMs, Math.ceil(60_000 / limit) + 1)
              // Not before: two milliseconds earlier it is still refused.
              if (refused.retryAfterMs > 2) {
                yield* TestClock.adjust(refused.retryAfterMs - 3)
                assert.isTrue(Exit.isFailure(yield* Effect.exit(consume(key, limit))))
                yield* TestClock.adjust(3)
              } else {
                yield* TestClock.adjust(refused.retryAfterMs)
              }
              yield* consume(key, limit)
            }
          }).pipe(
            Effect.provide(Layer.provideMerge(memory, TestClock.layer()), { local: true }),
            Effect.runPromise,
          ),
        ),
        { numRuns: 200 },
      ),
    ),
  )

  it.effect("no history admits more than the bucket plus its refill", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(histories, ({ startMs, limit, waits }) =>
          Effect.gen(function* () {
            yield* TestClock.setTime(startMs)
            const consume = consumeWith(yield* RateLimits)
            let admitted = 0
            let elapsedMs = 0
            for (const waitMs of waits) {
              yield* TestClock.adjust(waitMs)
              elapsedMs += waitMs
              for (let i = 0; i < 40; i++) {
                if (Exit.isSuccess(yield* Effect.exit(consume(key, limit)))) admitted += 1
              }
            }
            assert.isAtMost(admitted, limit + Math.floor((elapsedMs * limit) / 60_000 + 1e-6))
          }).pipe(
            Effect.provide(Layer.provideMerge(memory, TestClock.layer()), { local: true }),
            Effect.runPromise,
          ),
        ),
        { numRuns: 200 },
      ),
    ),
  )
})

/** Takes until refused. */
const exhaust = <E>(consume: Effect.Effect<unknown, E>): Effect.Effect<E> =>
  Effect.flatMap(Effect.result(consume), (result) =>
    result._tag === "Failure" ? Effect.succeed(result.failure) : exhaust(consume),
  )
