import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import type { Price } from "../../src/catalog/model.ts"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { Breakers } from "../../src/routing/Breakers.ts"
import { Router } from "../../src/routing/Router.ts"
import { startedClock } from "../support/started-clock.ts"
import { keys, plan, trip } from "./planning.ts"
import { price, refs, route, simulated, world } from "./world.ts"

/** Conversations stay where their beginning is cached, as far as that pays. */

/** With cached tokens for a share of the price of others. */
const discounted = (usdPer1M: number, share = 0.1): Price => ({
  ...price(usdPer1M),
  cachedInputNanoPer1M: usdPer1M * share * 1e9,
})

const talk = (topic: string, turns = 1): ChatRequest => ({
  messages: [
    { role: "system", content: `${topic}: ${"many words ".repeat(2_000)}` },
    ...Array.from({ length: 2 * turns - 1 }, (_, i) => ({
      role: i % 2 === 0 ? ("user" as const) : ("assistant" as const),
      content: "Go on",
    })),
  ],
})

/** One turn, answered by `key` within a second, with all of the turn before in its cache. */
const turn = (key: string, request: ChatRequest, isFirst: boolean) =>
  Effect.gen(function* () {
    const { candidates } = yield* plan({ request })
    const features = candidates.find((each) => each.key === key)?.features
    if (features === undefined) return assert.fail(key)
    const { inputTokens } = features
    yield* (yield* Router).observe({
      key,
      mode: "whole",
      features,
      outcome: {
        _tag: "success",
        ms: 1_000,
        outputTokens: 20,
        inputTokens,
        cachedTokens: isFirst ? 0 : inputTokens,
      },
    })
    yield* TestClock.adjust("1 second")
  })

const turns = (key: string, topic: string, count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, i) => i),
    (i) => turn(key, talk(topic, i + 1), i === 0),
  )

const test = (
  name: string,
  [a, b]: readonly [Price, Price],
  body: () => Effect.Effect<unknown, unknown, Router | Breakers>,
  exploration = 0,
) =>
  it.effect(name, () =>
    body().pipe(
      Effect.orDie,
      Effect.provide(
        Layer.provide(
          world(
            [simulated("a", [{ name: "m", price: a }]), simulated("b", [{ name: "m", price: b }])],
            [route(refs("a/m", "b/m"), { weights: { latency: 0, cost: 1 }, exploration })],
          ),
          startedClock,
        ),
      ),
      Random.withSeed("affinity"),
    ),
  )

const first = (topic: string, count = 2) => Effect.map(keys({ request: talk(topic, count) }), ([key]) => key)

describe("a conversation", () => {
  const near = [discounted(1.3), discounted(1)] as const

  test("stays with the candidate that has it cached, although another is a little cheaper", near, () =>
    Effect.gen(function* () {
      yield* turns("a/m", "pirates", 1)
      assert.strictEqual(yield* first("pirates"), "a/m")
      // The others go to the cheaper one.
      assert.strictEqual(yield* first("parrots"), "b/m")
    }),
  )

  test("says what it costs there: most of it is cached", near, () =>
    Effect.gen(function* () {
      const before = (yield* plan({ request: talk("pirates", 2) })).candidates
      yield* turns("a/m", "pirates", 1)
      const after = (yield* plan({ request: talk("pirates", 2) })).candidates
      const usdOf = (candidates: typeof before, key: string) =>
        candidates.find((each) => each.key === key)?.expectedNanoUsd ?? Number.NaN
      assert.isBelow(usdOf(after, "a/m"), 0.5 * usdOf(before, "a/m"))
      assert.isAbove(usdOf(after, "b/m"), usdOf(after, "a/m"))
    }),
  )

  test("stays where the most of it is, and not where it once was", near, () =>
    Effect.gen(function* () {
      yield* turns("b/m", "pirates", 1)
      yield* turns("a/m", "pirates", 1)
      yield* TestClock.adjust("10 seconds")
      // Both have it, and one is cheaper.
      assert.strictEqual(yield* first("pirates"), "b/m")
    }),
  )

  test("leaves when the candidate is tripped", near, () =>
    Effect.gen(function* () {
      yield* turns("a/m", "pirates", 1)
      yield* trip("a/m")
      assert.strictEqual(yield* first("pirates"), "b/m")
    }),
  )

  test("leaves when nothing of it can be cached any more", near, () =>
    Effect.gen(function* () {
      yield* turns("a/m", "pirates", 1)
      yield* TestClock.adjust("3 hours")
      assert.strictEqual(yield* first("pirates"), "b/m")
    }),
  )

  test("leaves for one that is cheaper without a cache", [discounted(30), discounted(1)], () =>
    Effect.gen(function* () {
      yield* turns("a/m", "pirates", 1)
      assert.strictEqual(yield* first("pirates"), "b/m")
    }),
  )

  test(
    "begins with one that is dearer now and cheaper in the turns to come, where turns are to come",
    [discounted(4), price(2)],
    () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* first("parrots", 1), "b/m")
        yield* turns("a/m", "pirates", 60)
        assert.strictEqual(yield* first("parrots", 1), "a/m")
      }),
  )

  test(
    "pays no more than a few times as much for turns that may never come",
    [discounted(12, 0.01), price(2)],
    () =>
      Effect.gen(function* () {
        yield* turns("a/m", "pirates", 60)
        assert.strictEqual(yield* first("parrots", 1), "b/m")
      }),
  )

  test(
    "is not explored while the leader has it cached, and others are",
    near,
    () =>
      Effect.gen(function* () {
        yield* turns("a/m", "pirates", 1)
        const chosen = (topic: string) =>
          Effect.map(
            Effect.forEach(Array.from({ length: 300 }), () => plan({ request: talk(topic, 2) })),
            (plans) => new Set(plans.map(({ decision }) => decision.chosen_by)),
          )
        assert.deepStrictEqual([...(yield* chosen("pirates"))], ["score"])
        assert.include([...(yield* chosen("parrots"))], "exploration")
      }),
    0.5,
  )
})
