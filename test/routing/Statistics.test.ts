import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import type { CallMode } from "../../src/domain/Chat.ts"
import type { ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { Statistics } from "../../src/routing/Statistics.ts"
import { startedClock } from "../support/started-clock.ts"
import { features } from "./planning.ts"

const setup = Effect.gen(function* () {
  const statistics = yield* Statistics
  const clock = yield* Effect.clockWith(Effect.succeed)
  return {
    statistics,
    answered: (key: string, ms: number, outputTokens: number | null, times = 1, mode: CallMode = "whole") =>
      Effect.repeat(
        statistics.observe({ key, mode, features, outcome: { _tag: "success", ms, outputTokens } }),
        { times: times - 1 },
      ),
    failed: (key: string, kind: ProviderErrorKind, times = 1) =>
      Effect.repeat(
        statistics.observe({ key, mode: "whole", features, outcome: { _tag: "failure", kind, ms: 100 } }),
        { times: times - 1 },
      ),
    predict: (key: string, outputLimit?: number, mode: CallMode = "whole", modelLimit?: number) =>
      statistics.predict(key, mode, clock.currentTimeMillisUnsafe(), {
        ...features,
        outputLimit,
        modelLimit,
      }),
  }
})

const test = (name: string, body: () => Effect.Effect<void, never, Statistics>) =>
  it.effect(name, () => body().pipe(Effect.provide(Layer.provide(Statistics.layer, startedClock))))

describe("statistics", () => {
  test("predict the same for every candidate nobody has asked yet", () =>
    Effect.gen(function* () {
      const { predict } = yield* setup
      assert.deepStrictEqual(predict("a/m"), predict("b/m"))
      assert.approximately(predict("a/m").ms, 3_800, 1e-6)
      assert.approximately(predict("a/m").outputTokens, 300, 1e-6)
      assert.strictEqual(predict("a/m").availability, 1)
    }))

  test("take a call that was left for long where others that began later are answered, and not for a failure", () =>
    Effect.gen(function* () {
      const { answered, predict, statistics } = yield* setup
      const left = (key: string, lives: boolean) =>
        statistics.observe({
          key,
          mode: "whole",
          features,
          outcome: { _tag: "failure", kind: "timeout", ms: 5_000, lives },
        })
      for (const key of ["a/m", "b/m"]) yield* answered(key, 400, 50, 20)
      for (let call = 0; call < 8; call++) {
        yield* left("a/m", true)
        yield* left("b/m", false)
      }
      assert.deepStrictEqual([predict("a/m").isDoubtful, predict("b/m").isDoubtful], [false, true])
      assert.isAbove(predict("a/m").availability, predict("b/m").availability)
      assert.strictEqual(predict("a/m").failureMs, 5_000)
    }))

  test("expect of a new candidate the lengths that the others answer with", () =>
    Effect.gen(function* () {
      const { answered, predict } = yield* setup
      yield* answered("a/m", 400, 50, 50)
      assert.approximately(predict("b/m").outputTokens, 50, 2)
      assert.approximately(predict("b/m").ms, 800 + 10 * predict("b/m").outputTokens, 1e-6)
    }))

  test("expect of a new candidate the same, whatever its model could say at most", () =>
    Effect.gen(function* () {
      const { answered, predict } = yield* setup
      yield* answered("a/m", 400, 50, 50)
      const limited = predict("b/m", undefined, "whole", 64_000)
      assert.strictEqual(limited.outputTokens, predict("b/m").outputTokens)
      assert.strictEqual(predict("b/m", undefined, "whole", 20).outputTokens, 20)
    }))

  test("expect of a new candidate no more than others say, after few answers", () =>
    Effect.gen(function* () {
      const { answered, predict } = yield* setup
      yield* answered("a/m", 400, 20, 100)
      assert.isBelow(predict("b/m").outputTokens, 1.2 * predict("a/m").outputTokens)
    }))

  test("cap the expected length, and with it the time, by what the request allows", () =>
    Effect.gen(function* () {
      const { predict } = yield* setup
      assert.strictEqual(predict("a/m", 20).outputTokens, 20)
      assert.approximately(predict("a/m", 20).ms, 1_000, 1e-6)
    }))

  test("keep the modes apart", () =>
    Effect.gen(function* () {
      const { answered, predict } = yield* setup
      yield* answered("a/m", 120, 100, 50, "stream")
      assert.approximately(predict("a/m", 100, "stream").ms, 120, 10)
      assert.isAbove(predict("a/m", 100, "whole").ms, 1_000)
    }))

  test("forget trouble with time, back to what is usual", () =>
    Effect.gen(function* () {
      const { answered, failed, predict } = yield* setup
      yield* answered("a/m", 3_000, 300, 100)
      yield* answered("a/m", 30_000, 300, 10)
      yield* failed("a/m", "server_error", 50)
      assert.isAbove(predict("a/m").ms, 25_000)
      assert.isBelow(predict("a/m").availability, 0.5)
      yield* TestClock.adjust("2 hours")
      assert.isBelow(predict("a/m").ms, 6_000)
      assert.isAbove(predict("a/m").availability, 0.99)
    }))

  test("hold against a candidate only what is its own trouble", () =>
    Effect.gen(function* () {
      const { failed, predict } = yield* setup
      yield* failed("a/m", "bad_request", 50)
      yield* failed("a/m", "context_length_exceeded", 50)
      assert.strictEqual(predict("a/m").availability, 1)
      // A candidate that is at its limit is there.
      yield* failed("a/m", "rate_limited", 50)
      assert.strictEqual(predict("a/m").availability, 1)
      yield* failed("a/m", "server_error", 5)
      assert.isBelow(predict("a/m").availability, 0.5)
    }))
})
