import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import type { RouteConfig } from "../../src/config/GatewayConfig.ts"
import type { RouteCondition } from "../../src/config/route-condition.ts"
import type { Breakers } from "../../src/routing/Breakers.ts"
import { Router } from "../../src/routing/Router.ts"
import { START_MS, startedClock } from "../support/started-clock.ts"
import { answered, failed, keys, plan, refusal, trip } from "./planning.ts"
import { ask, price, refs, route, simulated, world } from "./world.ts"

/** Strategies and conditions of routes, as the router follows them. */

const providers = [
  simulated("a", [{ name: "m", price: price(3) }]),
  simulated("b", [
    { name: "m", price: price(1) },
    { name: "big", price: price(9), contextWindow: 1_000_000 },
  ]),
  simulated("c", [
    { name: "m", price: price(2) },
    { name: "e", kind: "embedding" },
  ]),
]

const test = <E>(
  name: string,
  body: () => Effect.Effect<unknown, E, Router | Breakers>,
  layer: Layer.Layer<Router | Breakers>,
) =>
  it.effect(name, () =>
    body().pipe(Effect.provide(Layer.provide(layer, startedClock)), Random.withSeed("routes")),
  )

const auto = (rules: Partial<RouteConfig>, candidates = refs("a/m", "b/m", "c/m")) =>
  world(providers, [route(candidates, rules)])

describe("priority", () => {
  test(
    "asks in the order written, past who is degraded or tripped, and comes back",
    () =>
      Effect.gen(function* () {
        yield* answered("b/m", 10)
        yield* answered("c/m", 20)
        yield* answered("a/m", 5_000)
        const first = yield* plan()
        assert.deepStrictEqual(
          first.candidates.map(({ key }) => key),
          ["a/m", "b/m", "c/m"],
        )
        assert.deepInclude(first.decision, { strategy: "priority", chosen_by: "priority" })
        yield* failed("a/m", 80)
        assert.deepStrictEqual(yield* keys(), ["b/m", "c/m", "a/m"])
        yield* trip("b/m")
        assert.deepStrictEqual(yield* keys(), ["c/m", "a/m", "b/m"])
        yield* answered("a/m", 5_000, 100)
        assert.deepStrictEqual(yield* keys(), ["a/m", "c/m", "b/m"])
      }),
    auto({ strategy: "priority" }),
  )

  test(
    "probes the one that is tripped once its time is over",
    () =>
      Effect.gen(function* () {
        yield* trip("a/m")
        assert.deepStrictEqual(yield* keys(), ["b/m", "c/m", "a/m"])
        yield* TestClock.adjust("61 seconds")
        const probe = yield* plan()
        assert.strictEqual(probe.candidates[0]?.key, "a/m")
      }),
    auto({ strategy: "priority" }),
  )

  test(
    "holds for the models for longer prompts, and for bare names as auto lists them",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* keys({ model: "m" }), ["c/m", "a/m", "b/m"])
        assert.deepStrictEqual(
          (yield* plan()).largerContext.map(({ key }) => key),
          ["b/big", "b/m"],
        )
      }),
    auto({ strategy: "priority", largerContext: refs("b/big", "b/m") }, refs("c/m", "a/m")),
  )
})

describe("weighted", () => {
  const candidates = [
    { provider: "a", model: "m", weight: 3 },
    { provider: "b", model: "m", weight: 1 },
    { provider: "c", model: "m", weight: 0 },
  ]
  const firsts = (count: number) =>
    Effect.map(
      Effect.forEach(Array.from({ length: count }), () => plan()),
      (plans) =>
        Object.fromEntries(
          Map.groupBy(plans, ({ candidates }) => candidates[0]?.key ?? "")
            .entries()
            .map(([key, all]) => [
              key,
              { count: all.length, said: new Set(all.map(({ decision }) => decision.probability)) },
            ]),
        ),
    )

  test(
    "sends each its share, by which the decision says it was chosen, and nobody else anything",
    () =>
      Effect.gen(function* () {
        const found = yield* firsts(2_000)
        assert.sameMembers(Object.keys(found), ["a/m", "b/m"])
        assert.approximately(found["a/m"]?.count ?? 0, 1_500, 100)
        assert.deepStrictEqual(found["a/m"]?.said, new Set([0.75]))
        assert.deepStrictEqual(found["b/m"]?.said, new Set([0.25]))
        assert.deepInclude((yield* plan()).decision, { strategy: "weighted", chosen_by: "weight" })
      }),
    auto({ strategy: "weighted" }, candidates),
  )

  test(
    "divides the share of one that is not well among the others, the fallback last",
    () =>
      Effect.gen(function* () {
        yield* trip("a/m")
        assert.deepStrictEqual(Object.keys(yield* firsts(100)), ["b/m"])
        yield* trip("b/m")
        const { candidates, decision } = yield* plan()
        assert.strictEqual(candidates[0]?.key, "c/m")
        assert.strictEqual(decision.chosen_by, "score")
        assert.strictEqual(decision.probability, 1)
      }),
    auto({ strategy: "weighted" }, candidates),
  )

  test(
    "draws for bare names by what auto says of them",
    () =>
      Effect.gen(function* () {
        const firsts = yield* Effect.forEach(Array.from({ length: 100 }), () => keys({ model: "m" }))
        assert.sameMembers([...new Set(firsts.map(([first]) => first))], ["a/m", "b/m"])
        assert.strictEqual((yield* plan({ model: "c/m" })).decision.chosen_by, "only_candidate")
      }),
    auto({ strategy: "weighted" }, candidates),
  )
})

describe("cheapest and fastest", () => {
  const learned = Effect.gen(function* () {
    yield* answered("a/m", 100)
    yield* answered("b/m", 3_000)
    yield* answered("c/m", 1_000)
  })

  test(
    "cheapest goes by the cost of this request alone",
    () =>
      Effect.gen(function* () {
        yield* learned
        assert.deepStrictEqual(yield* keys(), ["b/m", "c/m", "a/m"])
        assert.deepInclude((yield* plan()).decision, { strategy: "cheapest", chosen_by: "cost" })
      }),
    auto({ strategy: "cheapest", weights: { latency: 0, cost: 1 } }),
  )

  test(
    "fastest by its milliseconds alone",
    () =>
      Effect.gen(function* () {
        yield* learned
        assert.deepStrictEqual(yield* keys(), ["a/m", "c/m", "b/m"])
        assert.deepInclude((yield* plan()).decision, { strategy: "fastest", chosen_by: "latency" })
      }),
    auto({ strategy: "fastest", weights: { latency: 1, cost: 0 } }),
  )
})

describe("conditions", () => {
  const conditioned = (when: ReadonlyArray<RouteCondition>, more: ReadonlyArray<RouteConfig> = []) =>
    world(providers, [
      route(refs("a/m"), { when }),
      { ...route(refs("b/big")), name: "long" },
      { ...route(refs("c/m"), { strategy: "priority" }), name: "night" },
      ...more,
    ])
  const byLength = conditioned([{ route: "long", inputTokensAbove: 1_000 }])
  const long = ask("word ".repeat(1_000))

  test(
    "send a request on, and the decision says where from and why",
    () =>
      Effect.gen(function* () {
        const { candidates, decision, route } = yield* plan({ request: long })
        assert.strictEqual(candidates[0]?.key, "b/big")
        assert.strictEqual(route, "long")
        assert.deepInclude(decision, {
          route: "long",
          requested_route: "auto",
          via: ["auto.when[0]: input_tokens_above"],
        })
        const stayed = yield* plan()
        assert.strictEqual(stayed.route, "auto")
        assert.notProperty(stayed.decision, "via")
        assert.notProperty(stayed.decision, "requested_route")
      }),
    byLength,
  )

  test(
    "are of their route alone: other names never follow those of auto",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* keys({ model: "a/m", request: long }), ["a/m"])
        assert.sameMembers([...(yield* keys({ model: "m", request: long }))], ["a/m", "b/m", "c/m"])
        assert.strictEqual((yield* plan({ model: "night", request: long })).route, "night")
      }),
    byLength,
  )

  test(
    "read the wall clock at each request",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* keys(), ["a/m"])
        yield* TestClock.setTime(START_MS - (START_MS % 86_400_000) + 22 * 3_600_000)
        const { decision } = yield* plan()
        assert.deepInclude(decision, { route: "night", strategy: "priority" })
        yield* TestClock.adjust("8 hours")
        assert.deepStrictEqual(yield* keys(), ["a/m"])
      }),
    conditioned([{ route: "night", hours: "22:00-06:00" }]),
  )

  test(
    "admit a key by the name that it asked for, or by a model behind the route that takes the request",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* keys({ request: long, allowed: ["auto"] }), ["b/big"])
        assert.deepStrictEqual(yield* keys({ request: long, allowed: ["b/*"] }), ["b/big"])
        for (const allowed of [["a/m"], ["long"], ["night"]]) {
          assert.strictEqual((yield* refusal({ request: long, allowed }))._tag, "ModelNotAllowed")
        }
        assert.deepStrictEqual(yield* keys({ request: ask(), allowed: ["a/m"] }), ["a/m"])
      }),
    byLength,
  )

  test(
    "make one key's requests another route's",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* keys({ keyId: "AbCd01234567" }), ["b/big"])
        assert.deepStrictEqual(yield* keys({ keyId: "ZbCd01234567" }), ["a/m"])
        assert.deepStrictEqual(yield* keys({ headers: { "x-tier": "gold" } }), ["c/m"])
        assert.deepStrictEqual(yield* keys({ headers: { "x-tier": "silver" } }), ["a/m"])
      }),
    conditioned([
      { route: "long", keys: ["AbCd01234567"] },
      { route: "night", header: { "X-Tier": "gold" } },
    ]),
  )

  test(
    "may leave a route no candidates of its own, which is listed for whom it leads somewhere",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* keys({ model: "alias" }), ["b/big"])
        const listed = (...allowed: ReadonlyArray<string>) =>
          Router.use((router) => Effect.succeed(router.models(new Set(allowed)).map(({ id }) => id)))
        assert.include(yield* listed("b/big"), "alias")
        assert.include(yield* listed("alias"), "alias")
        assert.notInclude(yield* listed("c/m"), "alias")
      }),
    conditioned(
      [],
      [
        { ...route([], { when: [{ route: "hop" }] }), name: "alias" },
        { ...route([], { when: [{ route: "long" }] }), name: "hop" },
      ],
    ),
  )
})
