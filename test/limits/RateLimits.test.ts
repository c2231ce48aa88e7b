import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Layer } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { KeyId } from "../../src/domain/Ids.ts"
import { makeBucketStore, noteShared, shareOf, takeAlone } from "../../src/limits/bucket-store.ts"
import { RateLimits } from "../../src/limits/RateLimits.ts"
import { START_MS, startedClock } from "../support/started-clock.ts"
import { CLOCK_STEPS, steppedClock } from "../support/stepped-clock.ts"

const key = KeyId.make("abcdefghijkl")
const other = KeyId.make("ABCDEFGHIJKL")

const countAdmitted = (rpm: number, tries: number, keyId = key) =>
  Effect.gen(function* () {
    const { consume } = yield* RateLimits
    let admitted = 0
    for (let i = 0; i < tries; i++) if (Exit.isSuccess(yield* Effect.exit(consume(keyId, rpm)))) admitted += 1
    return admitted
  })

const layer = Layer.provide(RateLimits.layerMemory, startedClock)

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
      const { consume } = yield* RateLimits
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
      assert.strictEqual(yield* countAdmitted(10, 20), 10)
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
        assert.strictEqual((yield* Effect.flip((yield* RateLimits).consume(key, 6))).retryAfterMs, 10_001)
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
            const { consume } = yield* RateLimits
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
            Effect.provide([RateLimits.layerMemory, TestClock.layer()], { local: true }),
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
            const { consume } = yield* RateLimits
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
            Effect.provide([RateLimits.layerMemory, TestClock.layer()], { local: true }),
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

describe("bucket store", () => {
  const use = (store: ReturnType<typeof makeBucketStore>, name: string, nowMs: number) =>
    takeAlone(store.bucketOf(name, 1, nowMs), 1, 1)

  it("forgets a bucket only when it is full again", () => {
    const store = makeBucketStore()
    for (let i = 0; i < 1_000; i++) use(store, `key ${i}`, START_MS)
    assert.isNotNull(use(store, "key 0", START_MS + 59_999).lacking)
    assert.strictEqual(store.size(), 1_000)
    for (let i = 0; i < 200; i++) use(store, "one", START_MS + 60_000)
    // The one that was asked for a moment ago is kept for what it knows of the key's traffic.
    assert.strictEqual(store.size(), 2)
    assert.isNull(use(store, "key 0", START_MS + 60_000).lacking)
  })

  it("keeps a debt until it is paid", () => {
    const store = makeBucketStore()
    assert.isNull(takeAlone(store.bucketOf("key", 1, START_MS), 1, 1 / 3).lacking)
    for (let i = 0; i < 200; i++) use(store, "other", START_MS + 179_000)
    assert.isNotNull(takeAlone(store.bucketOf("key", 1, START_MS + 179_000), 1, 1 / 3).lacking)
    assert.isNull(takeAlone(store.bucketOf("key", 1, START_MS + 180_000), 1, 1 / 3).lacking)
  })

  it("never holds more buckets than its cap", () => {
    const store = makeBucketStore(50)
    for (let i = 0; i < 500; i++) use(store, `key ${i}`, START_MS)
    assert.strictEqual(store.size(), 50)
    assert.isNotNull(use(store, "key 499", START_MS).lacking, "the newest are the ones that stay")
  })
})

describe("a replica's share of a key's requests", () => {
  const seen = (counts: ReadonlyArray<number>, everyMs = 1_000) => {
    const bucket = makeBucketStore().bucketOf("key", 60, START_MS)
    counts.forEach((asked, i) => {
      noteShared(bucket, 0, asked, START_MS + i * everyMs)
    })
    return bucket
  }
  const counting = (each: number, from = 1, length = 100) => Array.from({ length }, (_, i) => from + i * each)

  it("is an equal one while nothing is known", () => {
    assert.strictEqual(shareOf(seen([]), 3), 1 / 3)
    assert.strictEqual(shareOf(seen([1_000]), 4), 1 / 4)
  })

  it("is what it asked for of what all asked for", () => {
    assert.strictEqual(shareOf(seen(counting(1)), 1), 1)
    assert.closeTo(shareOf(seen(counting(1)), 3), 1, 0.02)
    assert.closeTo(shareOf(seen(counting(20)), 3), 1 / 20, 0.001)
  })

  it("is of the last minute or so", () => {
    const moved = [...counting(1), ...counting(10, 110, 180)]
    assert.closeTo(shareOf(seen(moved), 3), 1 / 10, 0.02)
  })

  it("is never more than the whole, also where Redis lost its count", () => {
    const again = [...counting(3), ...counting(3)]
    assert.closeTo(shareOf(seen(again), 3), 1 / 3, 0.02)
    assert.isAtMost(shareOf(seen([5, 5, 5, 1, 1]), 3), 1)
  })
})
