import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { MAX_COOLDOWN_MS } from "../../src/domain/OperatorRest.ts"
import { ProviderError, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { Breakers } from "../../src/routing/Breakers.ts"
import type { TripNews } from "../../src/routing/CandidateHealth.ts"
import { HealthMemory } from "../../src/routing/HealthMemory.ts"
import { TripReports } from "../../src/routing/TripReports.ts"
import { startedClock } from "../support/started-clock.ts"

const KEY = "a/m"
const error = (kind: ProviderErrorKind, retryAfterMs?: number) =>
  new ProviderError({
    kind,
    provider: "a",
    model: "m",
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })

const setup = Effect.gen(function* () {
  const breakers = yield* Breakers
  const clock = yield* Effect.clockWith(Effect.succeed)
  let calls = 0
  const call = <A>(attempt: Effect.Effect<A, ProviderError>) =>
    Effect.result(
      breakers.run(
        KEY,
        { expectedMs: 300, tookMs: () => 300, lateAfterMs: 1_000, isAnswering: () => false },
        Effect.suspend(() => {
          calls++
          return attempt
        }),
      ),
    )
  return {
    succeed: call(Effect.succeed("answer")),
    fail: (kind: ProviderErrorKind, retryAfterMs?: number) => call(Effect.fail(error(kind, retryAfterMs))),
    hang: call(Effect.never),
    call,
    times: (count: number, attempt: Effect.Effect<unknown>) => Effect.repeat(attempt, { times: count - 1 }),
    trippedForMs: () => breakers.healthOf(KEY).trippedForMs(clock.currentTimeMillisUnsafe()),
    calls: () => calls,
  }
})

const test = (name: string, body: () => Effect.Effect<void, never, Breakers>) =>
  it.effect(name, () => body().pipe(Effect.provide(Layer.provide(Breakers.layer, startedClock))))

describe("circuit", () => {
  test("opens after five failures in a row, not before", () =>
    Effect.gen(function* () {
      const { fail, succeed, times, trippedForMs } = yield* setup
      yield* times(4, fail("server_error"))
      yield* succeed
      yield* times(4, fail("reset"))
      assert.strictEqual(trippedForMs(), 0)
      yield* fail("connect")
      assert.isAbove(trippedForMs(), 0)
    }))

  test("is not moved by timeouts of calls that had no time, though by their other failures", () =>
    Effect.gen(function* () {
      const { run } = yield* Breakers
      const { times, trippedForMs } = yield* setup
      const forecast = {
        expectedMs: 300,
        tookMs: () => 300,
        lateAfterMs: 1_000,
        isAnswering: () => false,
        isHurried: true,
      }
      const hurried = (kind: ProviderErrorKind) => Effect.result(run(KEY, forecast, Effect.fail(error(kind))))
      yield* times(10, hurried("timeout"))
      assert.strictEqual(trippedForMs(), 0)
      yield* times(5, hurried("connect"))
      assert.isAbove(trippedForMs(), 0)
    }))

  test("is not moved by errors that are the client's", () =>
    Effect.gen(function* () {
      const { fail, times, trippedForMs } = yield* setup
      yield* times(20, fail("bad_request"))
      yield* times(20, fail("content_filter"))
      assert.strictEqual(trippedForMs(), 0)
    }))

  test("honours a longer Retry-After of the failure that opens it", () =>
    Effect.gen(function* () {
      const { fail, times, trippedForMs } = yield* setup
      yield* times(4, fail("overloaded"))
      yield* fail("overloaded", 30_000)
      assert.strictEqual(trippedForMs(), 30_000)
    }))

  test("is tripped while its one probe is out, and closes with the third answer in a row", () =>
    Effect.gen(function* () {
      const { call, fail, succeed, times, trippedForMs } = yield* setup
      yield* times(5, fail("server_error"))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(trippedForMs(), 0)
      const answer = yield* Deferred.make<string>()
      const probe = yield* Effect.forkChild(call(Deferred.await(answer)), { startImmediately: true })
      assert.isAbove(trippedForMs(), 0)
      yield* Deferred.succeed(answer, "up again")
      yield* Fiber.join(probe)
      assert.strictEqual(trippedForMs(), 0)
      yield* succeed
      yield* fail("server_error")
      assert.isAbove(trippedForMs(), 0)
      yield* TestClock.adjust("10 seconds")
      yield* times(3, succeed)
      yield* times(4, fail("server_error"))
      assert.strictEqual(trippedForMs(), 0)
    }))

  test("frees the probe's place when the probe is interrupted", () =>
    Effect.gen(function* () {
      const { fail, hang, times, trippedForMs } = yield* setup
      yield* times(5, fail("server_error"))
      yield* TestClock.adjust("5 seconds")
      const probe = yield* Effect.forkChild(hang, { startImmediately: true })
      assert.isAbove(trippedForMs(), 0)
      yield* Fiber.interrupt(probe)
      assert.strictEqual(trippedForMs(), 0)
    }))

  test("learns nothing from interruption", () =>
    Effect.gen(function* () {
      const { hang, trippedForMs } = yield* setup
      for (let i = 0; i < 10; i++) {
        const fiber = yield* Effect.forkChild(hang, { startImmediately: true })
        yield* Fiber.interrupt(fiber)
      }
      assert.strictEqual(trippedForMs(), 0)
    }))
})

describe("a stream, from its start to its end in one attempt", () => {
  const speak = (end: Effect.Effect<void, ProviderError>) => Effect.andThen(Effect.sleep("10 seconds"), end)

  test("counts as one failure when it breaks after ten seconds, from then on", () =>
    Effect.gen(function* () {
      const { call, calls, fail, times, trippedForMs } = yield* setup
      yield* times(4, fail("server_error"))
      const stream = yield* Effect.forkChild(call(speak(Effect.fail(error("reset")))), {
        startImmediately: true,
      })
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(trippedForMs(), 0)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stream)
      assert.strictEqual(calls(), 5)
      assert.isAbove(trippedForMs(), 0)
    }))

  test("stands between what failed before it and what fails far later: both are not in a row", () =>
    Effect.gen(function* () {
      const { call, fail, times, trippedForMs } = yield* setup
      yield* times(4, fail("server_error"))
      const stream = yield* Effect.forkChild(call(speak(Effect.void)), { startImmediately: true })
      yield* TestClock.adjust("9 seconds")
      yield* times(4, fail("server_error"))
      assert.strictEqual(trippedForMs(), 0)
      yield* fail("server_error")
      assert.isAbove(trippedForMs(), 0)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stream)
    }))

  test("teaches nothing when its client leaves in the middle", () =>
    Effect.gen(function* () {
      const { call, fail, times, trippedForMs } = yield* setup
      yield* times(4, fail("server_error"))
      for (let i = 0; i < 10; i++) {
        const stream = yield* Effect.forkChild(call(speak(Effect.void)), { startImmediately: true })
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.interrupt(stream)
      }
      assert.strictEqual(trippedForMs(), 0)
      // Neither a failure nor the success that would have started the count anew.
      yield* fail("server_error")
      assert.isAbove(trippedForMs(), 0)
    }))
})

describe("last resort", () => {
  test("really calls a candidate whose circuit is open, and a success makes it ordinary at once", () =>
    Effect.gen(function* () {
      const { calls, fail, succeed, times, trippedForMs } = yield* setup
      yield* times(5, fail("server_error"))
      assert.strictEqual((yield* succeed)._tag, "Success")
      assert.strictEqual(calls(), 6)
      assert.strictEqual(trippedForMs(), 0)
    }))

  test("goes back to the open circuit when the candidate fails again", () =>
    Effect.gen(function* () {
      const { fail, succeed, times, trippedForMs } = yield* setup
      yield* times(5, fail("server_error"))
      const openForMs = trippedForMs()
      yield* TestClock.adjust("1 second")
      yield* succeed
      assert.strictEqual(trippedForMs(), 0)
      const failed = yield* fail("server_error")
      assert.strictEqual(failed._tag, "Failure")
      assert.strictEqual(trippedForMs(), openForMs - 1_000)
    }))

  test("trusts a candidate that answered only until its circuit opens again", () =>
    Effect.gen(function* () {
      const { fail, succeed, times, trippedForMs } = yield* setup
      yield* times(5, fail("server_error"))
      yield* succeed
      yield* fail("bad_request")
      assert.strictEqual(trippedForMs(), 0)
      yield* TestClock.adjust("5 seconds")
      yield* fail("server_error")
      assert.isAbove(trippedForMs(), 0)
    }))

  test("does not take a client's error for recovery", () =>
    Effect.gen(function* () {
      const { fail, times, trippedForMs } = yield* setup
      yield* times(5, fail("server_error"))
      yield* fail("bad_request")
      assert.isAbove(trippedForMs(), 0)
    }))

  test("calls beside the half-open probe instead of refusing", () =>
    Effect.gen(function* () {
      const { fail, hang, succeed, times } = yield* setup
      yield* times(5, fail("server_error"))
      yield* TestClock.adjust("5 seconds")
      yield* Effect.forkChild(hang, { startImmediately: true })
      assert.strictEqual((yield* succeed)._tag, "Success")
    }))
})

describe("cooldown", () => {
  test("starts with the first error that says to stay away, for as long as it says", () =>
    Effect.gen(function* () {
      const { fail, trippedForMs } = yield* setup
      yield* fail("rate_limited", 2_000)
      assert.strictEqual(trippedForMs(), 2_000)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(trippedForMs(), 0)
    }))

  test("has a length of its own per kind when the provider gives none", () =>
    Effect.gen(function* () {
      const { fail, trippedForMs } = yield* setup
      yield* fail("rate_limited")
      const limitedForMs = trippedForMs()
      assert.isAbove(limitedForMs, 0)
      yield* fail("auth")
      assert.isAbove(trippedForMs(), limitedForMs)
    }))

  test("is never shortened by a later hint and never longer than the limit", () =>
    Effect.gen(function* () {
      const { fail, trippedForMs } = yield* setup
      yield* fail("rate_limited", 60_000)
      yield* fail("rate_limited", 1_000)
      assert.strictEqual(trippedForMs(), 60_000)
      yield* fail("quota_exhausted", 86_400_000)
      assert.strictEqual(trippedForMs(), MAX_COOLDOWN_MS)
    }))

  test("does not open the circuit, however many calls were in flight", () =>
    Effect.gen(function* () {
      const { fail, times, trippedForMs } = yield* setup
      yield* times(20, fail("rate_limited", 1_000))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(trippedForMs(), 0)
    }))

  test("ends with the success of a call made during it, not of one that was already in flight", () =>
    Effect.gen(function* () {
      const { call, fail, succeed, trippedForMs } = yield* setup
      const answer = yield* Deferred.make<string>()
      const inFlight = yield* Effect.forkChild(call(Deferred.await(answer)), { startImmediately: true })
      yield* fail("rate_limited", 60_000)
      yield* Deferred.succeed(answer, "sent before")
      yield* Fiber.join(inFlight)
      assert.strictEqual(trippedForMs(), 60_000)
      yield* succeed
      assert.strictEqual(trippedForMs(), 0)
    }))
})

describe("a provider that a configuration reaches by a former way", () => {
  const forecast = { expectedMs: 300, tookMs: () => 300, lateAfterMs: 1_000, isAnswering: () => false }
  const told: Array<TripNews> = []

  /** Breakers of two configurations, the former of which has left the provider. */
  const left = Effect.gen(function* () {
    told.length = 0
    const build = Effect.map(Layer.build(Layer.fresh(Breakers.layerNoDeps)), Context.get(Breakers))
    const [former, present] = [yield* build, yield* build]
    const underWay = yield* Deferred.make<void>()
    const straggler = yield* Effect.forkChild(
      Effect.result(
        former.run(KEY, forecast, Effect.andThen(Deferred.await(underWay), Effect.fail(error("auth")))),
      ),
      { startImmediately: true },
    )
    present.reset("a")
    former.leave("a")
    const fail = (kind: ProviderErrorKind) =>
      Effect.result(former.run(KEY, forecast, Effect.fail(error(kind, 60_000))))
    const end = Effect.andThen(Deferred.succeed(underWay, undefined), Fiber.join(straggler))
    return { end, fail, former, present }
  })

  const testLeft = (name: string, body: () => Effect.Effect<void, never, HealthMemory | Scope.Scope>) =>
    it.effect(name, () =>
      body().pipe(
        Effect.scoped,
        Effect.provide(
          HealthMemory.layer.pipe(
            Layer.provide(
              Layer.succeed(TripReports, {
                tell: (_, news) => void told.push(news),
                listen: () => Effect.void,
              }),
            ),
            Layer.provide(startedClock),
          ),
        ),
      ),
    )

  testLeft("is not judged by calls that go out that way, whenever they began", () =>
    Effect.gen(function* () {
      const { end, fail, present } = yield* left
      const clock = yield* Effect.clockWith(Effect.succeed)
      const health = present.healthOf(KEY)
      assert.strictEqual(health.inFlight, 1)
      yield* end
      yield* fail("auth")
      yield* fail("rate_limited")
      yield* Effect.repeat(fail("server_error"), { times: 9 })
      assert.strictEqual(health.troubleAt(clock.currentTimeMillisUnsafe()).state, "healthy")
      assert.strictEqual(present.healthOf("a/another").trippedForMs(clock.currentTimeMillisUnsafe()), 0)
      assert.strictEqual(health.inFlight, 0)
      assert.deepStrictEqual(told, [])
    }),
  )

  testLeft("is known to that configuration by them alone, and other providers by all calls", () =>
    Effect.gen(function* () {
      const { fail, former, present } = yield* left
      const clock = yield* Effect.clockWith(Effect.succeed)
      yield* fail("auth")
      assert.isAbove(former.healthOf(KEY).trippedForMs(clock.currentTimeMillisUnsafe()), 0)
      assert.strictEqual(former.healthOf("b/m"), present.healthOf("b/m"))
    }),
  )
})
