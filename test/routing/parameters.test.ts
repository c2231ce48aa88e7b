import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import type { RouteConfig } from "../../src/config/GatewayConfig.ts"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { Breakers } from "../../src/routing/Breakers.ts"
import { Router } from "../../src/routing/Router.ts"
import { startedClock } from "../support/started-clock.ts"
import { keys, plan, reasons, trip } from "./planning.ts"
import { ask, chat, price, refs, route, simulated, world } from "./world.ts"

/** Whom a request is sent to that says what not every candidate takes: `a/m` is cheaper than `b/m`. */

const test = <E>(
  name: string,
  body: () => Effect.Effect<unknown, E, Router | Breakers>,
  layer: Layer.Layer<Router | Breakers>,
) =>
  it.effect(name, () =>
    body().pipe(Effect.provide(Layer.provideMerge(layer, startedClock)), Random.withSeed("router")),
  )

const cheapest = { weights: { latency: 0, cost: 1 } }
const drop: RouteConfig["parameters"] = new Map([["temperature", "drop"]])
const warm = ask("Hello", { temperature: 0.2 })

const fleet = (stated: object) => [
  simulated("a", [{ name: "m", price: price(1), ...stated }]),
  simulated("b", [{ name: "m", price: price(2) }]),
]

/** What the call of the first candidate says that it leaves out. */
const dropped = (request: ChatRequest) =>
  Effect.map(plan({ request }), ({ candidates: [first] }) => first?.call.dropped?.() ?? [])

describe("what is stated of a model", () => {
  const stated = fleet({ inputs: ["text"], unsupported: ["temperature", "response_format.type=json_schema"] })
  const layer = world(stated, [route(refs("a/m", "b/m"), cheapest)])

  test(
    "excludes it from requests that ask for it, and from no other",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* keys({ request: ask() }), ["a/m", "b/m"])
        assert.deepStrictEqual(yield* keys({ request: ask("Hello", { temperature: 1 }) }), ["a/m", "b/m"])
        assert.deepStrictEqual(yield* keys({ request: warm }), ["b/m"])
        const { decision } = yield* plan({ request: warm })
        assert.deepStrictEqual(decision.excluded, [
          {
            provider: "a",
            model: "m",
            reason: "parameter: temperature: the model's documentation says that it is not taken",
          },
        ])
        const json = { response_format: { type: "json_schema", json_schema: { name: "s", schema: {} } } }
        assert.deepStrictEqual(yield* keys({ request: ask("Hello", json) }), ["b/m"])
        const text = { response_format: { type: "json_object" } }
        assert.deepStrictEqual(yield* keys({ request: ask("Hello", text) }), ["a/m", "b/m"])
      }),
    layer,
  )

  test(
    "excludes it from what it does not read",
    () =>
      Effect.gen(function* () {
        const saying = (...content: ReadonlyArray<object>) =>
          ({ messages: [{ role: "user", content }] }) as unknown as ChatRequest
        const image = { type: "image_url", image_url: { url: "data:image/png;base64,aGk=" } }
        const request = saying({ type: "text", text: "What is this?" }, image)
        assert.deepStrictEqual(yield* keys({ request }), ["b/m"])
        assert.deepStrictEqual((yield* plan({ request })).decision.excluded, [
          { provider: "a", model: "m", reason: "input: image: this model reads text" },
        ])
        for (const type of ["input_audio", "file", "video_url"]) {
          assert.deepStrictEqual(yield* keys({ request: saying({ type }) }), ["b/m"], type)
        }
        assert.deepStrictEqual(yield* keys({ request: saying({ type: "text", text: "Hi" }) }), ["a/m", "b/m"])
      }),
    layer,
  )

  test(
    "leaves nobody when all are excluded, and names the parameter",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* reasons({ model: "a/m", request: warm }), [
          [
            "a/m",
            "parameter: temperature: the model's documentation says that it is not taken",
            "temperature",
          ],
        ])
      }),
    layer,
  )

  test(
    "is left out where the route drops it, and named then alone",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* keys({ request: warm }), ["a/m", "b/m"])
        assert.deepStrictEqual(yield* dropped(warm), ["temperature"])
        assert.deepStrictEqual(yield* dropped(ask()), [])
        const { candidates } = yield* plan({ request: warm })
        assert.isUndefined(candidates[1]?.call.dropped?.().at(0))
      }),
    world(stated, [route(refs("a/m", "b/m"), { ...cheapest, parameters: drop })]),
  )
})

describe("what a candidate refused", () => {
  const layer = world(fleet({}), [route(refs("a/m", "b/m"), { ...cheapest, exploration: 0.5 })])
  const refuse = (key: string, request = warm) =>
    Router.use((router) => router.observeRefusal(key, chat(request), { param: "temperature" }))

  test(
    "excludes it from requests with the parameter, for a time, save as the last resort",
    () =>
      Effect.gen(function* () {
        yield* refuse("a/m")
        yield* TestClock.adjust("3 minutes")
        for (let i = 0; i < 20; i++) {
          const { candidates, decision } = yield* plan({ request: warm })
          assert.deepStrictEqual(
            candidates.map(({ key }) => key),
            ["b/m", "a/m"],
          )
          assert.deepStrictEqual(
            decision.candidates.map(({ provider }) => provider),
            ["b"],
          )
          assert.deepStrictEqual(decision.excluded, [
            {
              provider: "a",
              model: "m",
              reason: "parameter: temperature: refused 3 minutes ago, forgotten in 7 minutes",
            },
          ])
        }
        assert.deepStrictEqual((yield* plan({ request: ask() })).decision.excluded, [])
        yield* TestClock.adjust("7 minutes")
        assert.deepStrictEqual((yield* plan({ request: warm })).decision.excluded, [])
      }),
    layer,
  )

  test(
    "does not keep it from being asked when nobody else is left who is well",
    () =>
      Effect.gen(function* () {
        yield* refuse("a/m")
        assert.deepStrictEqual(yield* keys({ model: "a/m", request: warm }), ["a/m"])
        yield* trip("b/m")
        const { candidates, decision } = yield* plan({ request: warm })
        assert.deepStrictEqual(
          candidates.map(({ key, tier }) => [key, tier]),
          [
            ["a/m", 1],
            ["b/m", 2],
          ],
        )
        assert.deepStrictEqual(decision.excluded, [])
      }),
    layer,
  )

  test(
    "is forgotten by a reset, and until then told of",
    () =>
      Effect.gen(function* () {
        const router = yield* Router
        yield* refuse("a/m")
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* router.refusalsOf("a/m"), [
          { parameter: "temperature", dialect: "chat", agoMs: 60_000, leftMs: 540_000 },
        ])
        assert.deepStrictEqual(yield* router.refusalsOf("b/m"), [])
        router.reset("a")
        assert.deepStrictEqual(yield* router.refusalsOf("a/m"), [])
        assert.deepStrictEqual((yield* plan({ request: warm })).decision.excluded, [])
      }),
    layer,
  )

  test(
    "is left out where the route drops it",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* dropped(warm), [])
        yield* refuse("a/m")
        assert.deepStrictEqual(yield* keys({ request: warm }), ["a/m", "b/m"])
        assert.deepStrictEqual(yield* dropped(warm), ["temperature"])
      }),
    world(fleet({}), [route(refs("a/m", "b/m"), { ...cheapest, parameters: drop })]),
  )
})

describe("what a provider's words leave out anyway", () => {
  test(
    "excludes nobody",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* keys({ request: warm }), ["a/m", "b/m"])
        assert.deepStrictEqual(yield* dropped(warm), ["temperature"])
        const refused = { param: "temperature" }
        yield* Router.use((router) => router.observeRefusal("a/m", chat(warm), refused))
        assert.deepStrictEqual(yield* keys({ request: warm }), ["a/m", "b/m"])
        // What else it does not take does.
        assert.deepStrictEqual(yield* keys({ request: ask("Hello", { top_p: 0.5 }) }), ["b/m"])
      }),
    world(
      fleet({ unsupported: ["temperature", "top_p"] }),
      [route(refs("a/m", "b/m"), cheapest)],
      {},
      { a: ["temperature"] },
    ),
  )
})
