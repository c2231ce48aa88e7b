import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Random, Result } from "effect"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { EmbeddingRequest } from "../../src/domain/Embedding.ts"
import type { Task } from "../../src/domain/Task.ts"
import type { Breakers } from "../../src/routing/Breakers.ts"
import { Router } from "../../src/routing/Router.ts"
import { startedClock } from "../support/started-clock.ts"
import { answered, keys, plan, reasons } from "./planning.ts"
import { ask, price, refs, route, simulated, world } from "./world.ts"

/** Whom a request can be sent to at all, and the names under which a client finds them. */

const test = <E>(
  name: string,
  body: () => Effect.Effect<unknown, E, Router | Breakers>,
  layer: Layer.Layer<Router | Breakers>,
) =>
  it.effect(name, () =>
    body().pipe(Effect.provide(Layer.provide(layer, startedClock)), Random.withSeed("router")),
  )

describe("kind", () => {
  const chatOnly = "kind: a model of kind chat cannot take this request"
  const embeddingOnly = "kind: a model of kind embedding cannot take this request"
  const fleet = [
    simulated("a", [{ name: "m" }, { name: "e", kind: "embedding", contextWindow: 100, price: price(1) }]),
    simulated("b", [{ name: "e", kind: "embedding", price: price(2) }, { name: "x" }]),
    simulated("c", [{ name: "x", kind: "embedding" }]),
  ]
  const vectors = { ...route(refs("a/e", "b/e"), { hysteresis: 0.5 }), name: "vectors" }
  const layer = world(fleet, [route(refs("a/m"), { hysteresis: 0.5 }), vectors])
  const embed: EmbeddingRequest = { input: "Hello" }

  test(
    "a request goes only to models of its kind, by every form of name",
    () =>
      Effect.gen(function* () {
        for (const model of ["vectors", "e"]) {
          assert.deepStrictEqual(yield* keys({ model, embed }), ["a/e", "b/e"])
        }
        assert.deepStrictEqual(yield* keys({ model: "b/e", embed }), ["b/e"])
        assert.deepStrictEqual(yield* keys({ model: "x", embed }), ["c/x"])
        assert.deepStrictEqual(yield* keys({ model: "x" }), ["b/x"])
        const { decision } = yield* plan({ model: "x" })
        assert.deepStrictEqual(decision.excluded, [{ provider: "c", model: "x", reason: embeddingOnly }])
      }),
    layer,
  )

  test(
    "a name with only the other kind behind it says so, and blames the model",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* reasons({ embed }), [["a/m", chatOnly, "model"]])
        assert.deepStrictEqual(yield* reasons({ model: "e" }), [
          ["a/e", embeddingOnly, "model"],
          ["b/e", embeddingOnly, "model"],
        ])
      }),
    layer,
  )

  test(
    "each input of an embeddings request has the window to itself",
    () =>
      Effect.gen(function* () {
        const short = Array.from({ length: 100 }, () => "word ".repeat(10))
        const { decision } = yield* plan({ model: "vectors", embed: { input: short } })
        assert.deepStrictEqual(decision.excluded, [])
        assert.strictEqual(decision.estimated_input_tokens, 1_250)
        const long = [...short, "word ".repeat(200)]
        assert.deepStrictEqual(yield* keys({ model: "vectors", embed: { input: long } }), ["b/e"])
        assert.deepStrictEqual(yield* reasons({ model: "a/e", embed: { input: long } }), [
          ["a/e", "context_window: about 250 input tokens do not fit 100", "input"],
        ])
        const tokens = Array.from({ length: 250 }, (_, id) => id)
        assert.deepStrictEqual(yield* keys({ model: "vectors", embed: { input: tokens } }), ["b/e"])
      }),
    layer,
  )

  test(
    "an embedding costs its input and takes the time seen, whatever is said of its output tokens",
    () =>
      Effect.gen(function* () {
        const embedded = { inputTokens: 1_000, outputLimit: 0 }
        const before = (yield* plan({ model: "a/m" })).candidates[0]?.expectedOutputTokens
        assert.strictEqual((yield* plan({ model: "a/e", embed })).candidates[0]?.expectedMs, 800)
        yield* answered("a/e", 100, 50, { outputTokens: null, ...embedded })
        yield* answered("b/e", 300, 50, { outputTokens: 0, ...embedded })
        const { candidates } = yield* plan({
          model: "vectors",
          embed: { input: Array(10).fill("x".repeat(400)) },
        })
        assert.deepStrictEqual(
          candidates.map(({ key, expectedMs, expectedNanoUsd, expectedOutputTokens }) => [
            key,
            Math.round(expectedMs / 10),
            expectedNanoUsd,
            expectedOutputTokens,
          ]),
          [
            ["a/e", 10, 1_000_000, 0],
            ["b/e", 30, 2_000_000, 0],
          ],
        )
        // What is expected of a chat's length has not moved.
        assert.strictEqual((yield* plan({ model: "a/m" })).candidates[0]?.expectedOutputTokens, before)
      }),
    layer,
  )

  test(
    "embeddings never disturb the leader of chats under the same name",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* keys({ model: "n", embed }), ["a/n", "b/n"])
        yield* answered("c/n", 1_000, 100)
        yield* answered("d/n", 1_100, 100)
        assert.deepStrictEqual(yield* keys({ model: "n" }), ["c/n", "d/n"])
        yield* keys({ model: "n", embed })
        yield* answered("d/n", 900, 1_000)
        assert.strictEqual((yield* plan({ model: "n" })).decision.chosen_by, "hysteresis")
      }),
    world(
      [
        simulated("a", [{ name: "n", kind: "embedding" }]),
        simulated("b", [{ name: "n", kind: "embedding" }]),
        simulated("c", [{ name: "n" }]),
        simulated("d", [{ name: "n" }]),
      ],
      [route(refs("c/n"), { weights: { latency: 1, cost: 0 }, hysteresis: 0.5 })],
    ),
  )

  test(
    "an auto with nobody behind it is not found and not listed",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* reasons({}), "ModelNotFound")
        const listed = yield* Router.use((router) => Effect.sync(() => router.models(undefined)))
        assert.notInclude(
          listed.map(({ id }) => id),
          "auto",
        )
      }),
    world(fleet, [route([])]),
  )
})

describe("capability", () => {
  const unsupported = {
    a: (task: Task) =>
      task._tag === "Chat" && task.request.seed !== undefined
        ? { param: "seed", reason: "This provider has no seeds." }
        : undefined,
  }
  const seeded = ask("Hello", { seed: 7 })
  const layer = world(
    [
      simulated("a", [{ name: "m", contextWindow: 1_000, maxOutputTokens: 500 }]),
      simulated("b", [{ name: "m" }]),
    ],
    [route(refs("a/m", "b/m"))],
    unsupported,
  )

  test(
    "a candidate that has no words for the request is left out before the score",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* keys(), ["a/m", "b/m"])
        const { candidates, decision } = yield* plan({ request: seeded })
        assert.deepStrictEqual(
          candidates.map(({ key }) => key),
          ["b/m"],
        )
        assert.deepStrictEqual(decision.excluded, [
          { provider: "a", model: "m", reason: "unsupported: seed: This provider has no seeds." },
        ])
      }),
    layer,
  )

  test(
    "a provider is asked about each of its models",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* keys({ request: seeded }), ["a/new"])
      }),
    world([simulated("a", [{ name: "old" }, { name: "new" }])], [route(refs("a/old", "a/new"))], {
      a: (_task, model) => (model === "old" ? { param: "seed", reason: "No seeds." } : undefined),
    }),
  )

  const prepared: Array<string> = []
  test(
    "a request is prepared once for each model that may serve it, and for no other",
    () =>
      Effect.gen(function* () {
        const { candidates } = yield* plan({ allowed: ["a/m", "c/m"] })
        assert.deepStrictEqual(
          candidates.map(({ key }) => key),
          ["a/m", "c/m"],
        )
        assert.deepStrictEqual(prepared, ["a/m", "c/m"])
      }),
    world(
      [simulated("a", [{ name: "m" }]), simulated("b", [{ name: "m" }]), simulated("c", [{ name: "m" }])],
      [route(refs("a/m", "b/m", "c/m"))],
      Object.fromEntries(
        ["a", "b", "c"].map((provider) => [
          provider,
          (_task: Task, model: string) => {
            prepared.push(`${provider}/${model}`)
            return undefined
          },
        ]),
      ),
    ),
  )

  test(
    "the field is named when nobody is left, but not where the key may not look",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* reasons({ model: "a/m", request: seeded }), [
          ["a/m", "unsupported: seed: This provider has no seeds.", "seed"],
        ])
        assert.deepStrictEqual(
          yield* reasons({ model: "a/m", request: seeded, allowed: [] }),
          "ModelNotAllowed",
        )
      }),
    layer,
  )

  test(
    "a limit blames the field that asked for more",
    () =>
      Effect.gen(function* () {
        const of = (extra: Partial<ChatRequest>) =>
          Effect.map(reasons({ model: "a/m", request: ask("Hello", extra) }), (found) => found[0]?.at(-1))
        assert.strictEqual(yield* of({ max_tokens: 501 }), "max_tokens")
        assert.strictEqual(yield* of({ max_completion_tokens: 501 }), "max_completion_tokens")
        assert.strictEqual(
          (yield* reasons({ model: "a/m", request: ask("word ".repeat(2_000)) }))[0]?.at(-1),
          "messages",
        )
      }),
    layer,
  )
})

describe("listed models", () => {
  const fleet = [
    simulated("a", [{ name: "m" }, { name: "e", kind: "embedding" }]),
    simulated("b", [{ name: "m" }, { name: "vendor/big" }]),
    simulated("vendor", [{ name: "big" }]),
  ]
  const layer = world(fleet, [
    route(refs("a/m", "b/m")),
    { ...route(refs("a/m"), { largerContext: refs("b/vendor/big") }), name: "careful" },
  ])
  const listed = (...allowed: ReadonlyArray<string>) =>
    Router.use((router) =>
      Effect.sync(() =>
        router
          .models(allowed.length === 0 ? undefined : new Set(allowed))
          .map(({ id, ownedBy }) => `${id} of ${ownedBy}`),
      ),
    )

  test(
    "are routes, bare names and provider/model, each once, owned by whoever is behind them",
    () =>
      Effect.map(listed(), (found) =>
        assert.deepStrictEqual(found, [
          "auto of llm-gateway",
          "careful of llm-gateway",
          "m of llm-gateway",
          "e of a",
          "big of vendor",
          "a/m of a",
          "a/e of a",
          "b/m of b",
          "b/vendor/big of b",
          "vendor/big of vendor",
        ]),
      ),
    layer,
  )

  test(
    "are those that a plan for the key would find somebody behind",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* listed("careful"), ["careful of llm-gateway"])
        assert.deepStrictEqual(yield* listed("b/vendor/big"), ["careful of llm-gateway", "b/vendor/big of b"])
        assert.deepStrictEqual(yield* listed("m"), [
          "auto of llm-gateway",
          "careful of llm-gateway",
          "m of llm-gateway",
          "a/m of a",
          "b/m of b",
        ])
        assert.deepStrictEqual(yield* listed("nothing"), [])
        const router = yield* Router
        for (const allowed of [["careful"], ["b/vendor/big"], ["m"], ["a/e"], ["vendor/big"]]) {
          const names = router.models(undefined).map(({ id }) => id)
          const admitted = router.models(new Set(allowed)).map(({ id }) => id)
          for (const model of names) {
            const found = yield* Effect.result(plan({ model, allowed }))
            const refused = Result.isFailure(found) && found.failure._tag === "ModelNotAllowed"
            assert.strictEqual(refused, !admitted.includes(model), `${model} for ${allowed}`)
          }
        }
      }),
    layer,
  )
})

describe("a provider's wildcard on an allow-list", () => {
  const fleet = [simulated("a", [{ name: "m" }, { name: "n" }]), simulated("ab", [{ name: "m" }])]
  const layer = world(fleet, [route(refs("a/m", "ab/m"), { hysteresis: 0.5 })])
  const allowed = ["a/*"]

  test(
    "admits every model of the provider and of no other, by every form of name",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* keys({ model: "a/n", allowed }), ["a/n"])
        assert.deepStrictEqual(yield* keys({ model: "m", allowed }), ["a/m"])
        assert.deepStrictEqual(yield* keys({ model: "auto", allowed }), ["a/m"])
        assert.strictEqual(yield* reasons({ model: "ab/m", allowed }), "ModelNotAllowed")
      }),
    layer,
  )
})
