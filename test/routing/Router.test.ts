import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Random, Result } from "effect"
import { TestClock } from "effect/testing"
import type { Breakers } from "../../src/routing/Breakers.ts"
import { exclusionText } from "../../src/routing/exclusion.ts"
import type { Router } from "../../src/routing/Router.ts"
import { startedClock } from "../support/started-clock.ts"
import { answered, failed, keys, plan, refusal, trip } from "./planning.ts"
import { ask, price, refs, route, simulated, world } from "./world.ts"

/** Everything a test can wish for: two providers with a model in common, and one on its own. */
const providers = [
  simulated("a", [{ name: "m", price: price(1), contextWindow: 1_000, maxOutputTokens: 500 }]),
  simulated("b", [
    { name: "m", price: price(2), contextWindow: 8_000 },
    { name: "vendor/big", price: price(9), contextWindow: 1_000_000 },
  ]),
  simulated("c", [{ name: "only-c" }]),
]
const auto = route(refs("a/m", "b/m"))

const test = <E>(
  name: string,
  body: () => Effect.Effect<unknown, E, Router | Breakers>,
  layer: Layer.Layer<Router | Breakers> = world(providers, [auto]),
) =>
  it.effect(name, () =>
    body().pipe(Effect.provide(Layer.provide(layer, startedClock)), Random.withSeed("router")),
  )

const autoWith = (rules: Parameters<typeof route>[1]) => world(providers, [route(refs("a/m", "b/m"), rules)])

describe("names", () => {
  test("a route, provider/model, and a bare model with every provider that serves it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* keys({ model: "auto" }), ["a/m", "b/m"])
      assert.deepStrictEqual(yield* keys({ model: "b/m" }), ["b/m"])
      assert.deepStrictEqual(yield* keys({ model: "m" }), ["a/m", "b/m"])
      assert.deepStrictEqual(yield* keys({ model: "only-c" }), ["c/only-c"])
      assert.deepStrictEqual(yield* keys({ model: "b/vendor/big" }), ["b/vendor/big"])
      assert.strictEqual((yield* plan({ model: "m" })).route, "m")
    }))

  test("an unknown name is not found", () =>
    Effect.gen(function* () {
      for (const model of ["nothing", "a/only-c", "a/", ""]) {
        assert.strictEqual((yield* refusal({ model }))._tag, "ModelNotFound")
      }
    }))

  test(
    "a route wins over a model of the same name",
    () => Effect.map(keys({ model: "m" }), (found) => assert.deepStrictEqual(found, ["c/only-c"])),
    world(providers, [auto, { ...route(refs("c/only-c")), name: "m" }]),
  )
})

describe("allow-list", () => {
  test("admits by route, by provider/model and by bare model name", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* keys({ allowed: ["auto"] }), ["a/m", "b/m"])
      assert.deepStrictEqual(yield* keys({ allowed: ["b/m"] }), ["b/m"])
      assert.deepStrictEqual(yield* keys({ allowed: ["m"] }), ["a/m", "b/m"])
    }))

  test("excludes the other candidates and does not name them to the key", () =>
    Effect.gen(function* () {
      const { decision } = yield* plan({ allowed: ["b/m"] })
      assert.deepStrictEqual(decision.excluded, [])
      assert.strictEqual(decision.chosen_by, "only_candidate")
    }))

  test("refuses when nothing is left, also past a route that the key may use", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* refusal({ allowed: [] }))._tag, "ModelNotAllowed")
      assert.strictEqual((yield* refusal({ allowed: ["only-c"] }))._tag, "ModelNotAllowed")
      assert.strictEqual((yield* refusal({ model: "a/m", allowed: ["auto"] }))._tag, "ModelNotAllowed")
    }))
})

describe("fit", () => {
  const long = ask("word ".repeat(2_000)) // about 2,500 tokens

  test("excludes a model whose context is clearly too small", () =>
    Effect.gen(function* () {
      const { candidates, decision } = yield* plan({ request: long })
      assert.deepStrictEqual(
        candidates.map(({ key }) => key),
        ["b/m"],
      )
      assert.match(
        decision.excluded[0]?.reason ?? "",
        /^context_window: about 2504 input tokens do not fit 1000/,
      )
    }))

  test("leaves a close case to the provider", () =>
    Effect.map(keys({ request: ask("word ".repeat(1_100)) }), (found) => assert.include(found, "a/m")))

  test("excludes a model that cannot give the tokens asked for", () =>
    Effect.gen(function* () {
      const { decision } = yield* plan({ request: ask("Hello", { max_tokens: 501 }) })
      assert.strictEqual(decision.excluded[0]?.reason, "max_output_tokens: 501 asked, at most 500 possible")
      assert.deepStrictEqual(yield* keys({ request: ask("Hello", { max_tokens: 500 }) }), ["a/m", "b/m"])
    }))

  test("counts the tokens asked for into the context", () =>
    Effect.map(
      keys({ request: ask("Hello", { max_tokens: 8_100 }), model: "b/m" }).pipe(Effect.result),
      (result) => assert.isTrue(Result.isFailure(result)),
    ))

  test("names the rule for each candidate when nobody is left", () =>
    Effect.gen(function* () {
      const error = yield* refusal({ request: ask("word ".repeat(50_000)), allowed: ["a/m"] })
      if (error._tag !== "NoCandidate") return assert.fail(error._tag)
      const reasons = error.excluded.map((exclusion) => `${exclusion.provider}: ${exclusionText(exclusion)}`)
      assert.match(reasons.join("; "), /a: context_window: .* do not fit 1000; b: not_allowed/)
    }))

  test(
    "asks the larger models at once when the prompt can only fit there",
    () =>
      Effect.gen(function* () {
        const { candidates, largerContext } = yield* plan({ request: ask("word ".repeat(50_000)) })
        assert.deepStrictEqual(
          candidates.map(({ key }) => key),
          ["b/vendor/big"],
        )
        assert.deepStrictEqual(largerContext, [])
      }),
    autoWith({ largerContext: refs("b/vendor/big") }),
  )

  test(
    "holds the larger models ready otherwise, unless the key may not use them",
    () =>
      Effect.gen(function* () {
        const [larger] = (yield* plan()).largerContext
        assert.strictEqual(larger?.key, "b/vendor/big")
        assert.deepStrictEqual((yield* plan({ allowed: ["m"] })).largerContext, [])
        assert.deepStrictEqual((yield* plan({ allowed: ["m"] })).decision.excluded, [])
      }),
    autoWith({ largerContext: refs("b/vendor/big") }),
  )
})

describe("order", () => {
  test("prefers for a stream the candidate with the faster first token, for a whole answer the faster whole", () =>
    Effect.gen(function* () {
      yield* answered("a/m", 3_000, 50)
      yield* answered("b/m", 1_000, 50)
      yield* answered("a/m", 100, 50, { mode: "stream" })
      yield* answered("b/m", 600, 50, { mode: "stream" })
      assert.deepStrictEqual(yield* keys({ mode: "whole" }), ["b/m", "a/m"])
      assert.deepStrictEqual(yield* keys({ mode: "stream" }), ["a/m", "b/m"])
      // However long the answer may get: a first token is not later for it.
      const long = ask("Hello", { max_tokens: 500 })
      const { candidates, decision } = yield* plan({ mode: "stream", request: long })
      assert.strictEqual(decision.mode, "stream")
      assert.approximately(candidates[0]?.expectedMs ?? 0, 100, 10)
      assert.approximately(candidates[1]?.expectedMs ?? 0, 600, 10)
    }))

  test("prefers the faster and cheaper by this request's milliseconds and dollars", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* keys(), ["a/m", "b/m"])
      yield* answered("a/m", 3_000)
      yield* answered("b/m", 300)
      assert.deepStrictEqual(yield* keys(), ["b/m", "a/m"])
    }))

  test(
    "goes over to the cheaper as a budget nears its end, where the route says so",
    () =>
      Effect.gen(function* () {
        yield* answered("a/m", 3_000)
        yield* answered("b/m", 300)
        for (const budgetUsed of [undefined, 0.5]) {
          const { candidates } = yield* plan(budgetUsed === undefined ? {} : { budgetUsed })
          assert.deepStrictEqual(
            candidates.map(({ key }) => key),
            ["b/m", "a/m"],
          )
        }
        const { candidates, decision } = yield* plan({ budgetUsed: 1 })
        assert.deepStrictEqual(
          candidates.map(({ key }) => key),
          ["a/m", "b/m"],
        )
        assert.deepStrictEqual(decision.weights, { latency: 0, cost: 1 })
      }),
    autoWith({ saveFrom: 0.5 }),
  )

  test("puts a candidate that fails after every healthy one, however fast and cheap", () =>
    Effect.gen(function* () {
      yield* answered("a/m", 10)
      yield* failed("a/m", 50)
      const { candidates, decision } = yield* plan()
      assert.deepStrictEqual(
        candidates.map(({ key, tier }) => [key, tier]),
        [
          ["b/m", 0],
          ["a/m", 1],
        ],
      )
      assert.strictEqual(decision.candidates[1]?.tier, "degraded")
    }))

  test("doubts nobody for failures in a row once a call has told that they are over", () =>
    Effect.gen(function* () {
      yield* answered("a/m", 10)
      yield* failed("a/m", 20)
      const [first] = (yield* plan()).candidates
      assert.deepInclude(first, { key: "a/m", tier: 0 })
      assert.isBelow(first?.availability ?? 1, 0.8)
    }))

  test("knows what each would score if all were well, however they are", () =>
    Effect.gen(function* () {
      yield* answered("a/m", 100)
      yield* answered("b/m", 1_000)
      yield* trip("a/m")
      const [first, second] = (yield* plan()).candidates
      assert.deepInclude(first, { key: "b/m", score: 1 })
      assert.isAbove(first?.soundScore ?? 0, 2)
      assert.deepInclude(second, { key: "a/m", soundScore: 1 })
    }))

  test("puts a tripped candidate last and still offers it", () =>
    Effect.gen(function* () {
      yield* trip("a/m")
      yield* failed("b/m", 20)
      const { candidates } = yield* plan()
      assert.deepStrictEqual(
        candidates.map(({ key, tier }) => [key, tier]),
        [
          ["b/m", 1],
          ["a/m", 2],
        ],
      )
      yield* trip("b/m")
      assert.deepStrictEqual(yield* keys(), ["a/m", "b/m"])
    }))
})

describe("hysteresis", () => {
  const layer = autoWith({ weights: { latency: 1, cost: 0 }, hysteresis: 0.2 })

  test(
    "keeps the leader until a challenger is better by the margin",
    () =>
      Effect.gen(function* () {
        const both = (msOfA: number, msOfB: number) =>
          Effect.repeat(
            Effect.all([answered("a/m", msOfA, 1), answered("b/m", msOfB, 1), TestClock.adjust("1 second")]),
            { times: 99 },
          )
        yield* both(1_000, 1_100)
        assert.strictEqual((yield* plan()).decision.chosen_by, "score")
        yield* both(1_000, 870)
        const kept = yield* plan()
        assert.deepStrictEqual([kept.candidates[0]?.key, kept.decision.chosen_by], ["a/m", "hysteresis"])
        yield* both(1_000, 700)
        const moved = yield* plan()
        assert.deepStrictEqual([moved.candidates[0]?.key, moved.decision.chosen_by], ["b/m", "score"])
        yield* both(1_000, 1_100)
        assert.strictEqual((yield* keys())[0], "b/m")
      }),
    layer,
  )

  test(
    "does not protect a leader that fell to a worse tier",
    () =>
      Effect.gen(function* () {
        yield* answered("a/m", 100)
        assert.strictEqual((yield* keys())[0], "a/m")
        yield* failed("a/m", 50)
        assert.strictEqual((yield* keys())[0], "b/m")
      }),
    layer,
  )

  test(
    "does not let a request with fewer choices depose the leader of the others",
    () =>
      Effect.gen(function* () {
        for (const [key, ms] of [
          ["a/m", 1_000],
          ["b/m", 1_010],
          ["c/only-c", 1_020],
        ] as const)
          yield* answered(key, ms, 100)
        assert.strictEqual((yield* keys())[0], "a/m")
        assert.strictEqual((yield* keys({ allowed: ["b/m", "c/only-c"] }))[0], "b/m")
        yield* answered("b/m", 900, 1_000)
        assert.strictEqual((yield* keys())[0], "a/m")
      }),
    world(providers, [
      route(refs("a/m", "b/m", "c/only-c"), { weights: { latency: 1, cost: 0 }, hysteresis: 0.2 }),
    ]),
  )

  test(
    "keeps a leader per mode",
    () =>
      Effect.gen(function* () {
        yield* answered("b/m", 10)
        assert.strictEqual((yield* keys())[0], "b/m")
        assert.strictEqual((yield* keys({ mode: "stream" }))[0], "a/m")
      }),
    layer,
  )
})

describe("exploration", () => {
  const first = (count: number) =>
    Effect.map(
      Effect.forEach(Array.from({ length: count }), () => plan()),
      (plans) => plans.map(({ candidates, decision }) => ({ key: candidates[0]?.key, decision })),
    )

  test(
    "sends requests to a candidate that is hardly known, and says with which chance",
    () =>
      Effect.gen(function* () {
        const explored = (yield* first(2_000)).filter(({ key }) => key === "b/m")
        assert.isTrue(explored.every(({ decision }) => decision.chosen_by === "exploration"))
        const [{ decision }] = explored as [(typeof explored)[0]]
        const chance = decision.probability ?? Number.NaN
        assert.isTrue(chance > 0 && chance <= 0.5)
        assert.approximately(explored.length / 2_000, chance, 0.2 * chance)
      }),
    autoWith({ exploration: 0.1 }),
  )

  test(
    "divides its share between the others and keeps the rest in order",
    () =>
      Effect.gen(function* () {
        const counts = new Map<string, number>()
        for (let i = 0; i < 2_000; i++) {
          const order = (yield* keys()).join(" ")
          counts.set(order, (counts.get(order) ?? 0) + 1)
        }
        assert.sameMembers([...counts.keys()], ["a/m b/m c/only-c", "b/m a/m c/only-c", "c/only-c a/m b/m"])
        const [one = 0, other = 0] = [counts.get("b/m a/m c/only-c"), counts.get("c/only-c a/m b/m")]
        assert.approximately(one / other, 1, 0.3)
        assert.isBelow(one + other, 1_000)
      }),
    world(providers, [route(refs("a/m", "b/m", "c/only-c"), { exploration: 0.2 })]),
  )

  test(
    "leaves a tripped candidate alone",
    () =>
      Effect.gen(function* () {
        yield* trip("b/m")
        assert.isTrue((yield* first(200)).every(({ key }) => key === "a/m"))
      }),
    autoWith({ exploration: 0.5 }),
  )

  test(
    "makes nobody the leader",
    () =>
      Effect.gen(function* () {
        const unexplored = (yield* first(200)).filter(({ decision }) => decision.chosen_by !== "exploration")
        assert.isBelow(unexplored.length, 200)
        assert.isTrue(unexplored.every(({ key }) => key === "a/m"))
      }),
    autoWith({ exploration: 0.5, hysteresis: 0.9 }),
  )
})

describe("decision", () => {
  test("explains everything in plain rounded JSON", () =>
    Effect.gen(function* () {
      yield* answered("b/m", 300)
      const { decision } = yield* plan({ request: ask("Hello", { max_tokens: 100 }), allowed: ["m"] })
      assert.deepStrictEqual(JSON.parse(JSON.stringify(decision)), {
        route: "auto",
        strategy: "score",
        mode: "whole",
        weights: { latency: 0.6, cost: 0.4 },
        estimated_input_tokens: 6,
        output_limit: 100,
        candidates: [
          {
            provider: "b",
            model: "m",
            predicted_ms: 300,
            predicted_cost_usd: 0.000212,
            predicted_output_tokens: 100,
            availability: 1,
            tier: "healthy",
            score: 1.4,
            rank: 1,
          },
          {
            provider: "a",
            model: "m",
            predicted_ms: 1800,
            predicted_cost_usd: 0.000106,
            predicted_output_tokens: 100,
            availability: 1,
            tier: "healthy",
            score: 4,
            rank: 2,
          },
        ],
        excluded: [],
        chosen_by: "score",
        probability: 1,
      })
    }))

  test("says null, not 0, for an unknown price", () =>
    Effect.map(plan({ model: "only-c" }), ({ decision }) =>
      assert.isNull(decision.candidates[0]?.predicted_cost_usd),
    ))
})
