import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import type { GatewayConfig } from "../../src/config/GatewayConfig.ts"
import { parseGatewayFile } from "../../src/config/GatewayFile.ts"
import { mergeGatewayConfig } from "../../src/config/merge-gateway-config.ts"

/** Strategies of routes in the file: what they become, and each fault by its place. */

const PROVIDERS = `providers:
  - name: v
    kind: openai-compatible
    base_url: http://x
    models:
      - { name: a, context_window: 8000 }
      - { name: b, context_window: 16000 }
      - { name: c }
      - { name: e, kind: embedding }
routes:
`

const merge = (
  routes: string,
  ...variables: ReadonlyArray<string>
): Result.Result<GatewayConfig, ReadonlyArray<string>> =>
  Result.flatMap(parseGatewayFile(routes), (file) =>
    mergeGatewayConfig(file, {
      apiKeys: new Map(variables.map((name) => [name, Redacted.make("key")])),
      baseUrls: { openai: "https://o", gemini: "https://g", anthropic: "https://a" },
      variables: new Map(),
    }),
  )

const faults = (routes: string): ReadonlyArray<string> =>
  Result.match(merge(PROVIDERS + routes), { onSuccess: () => [], onFailure: (lines) => lines })

const routesOf = (routes: string) =>
  Result.getOrThrowWith(merge(PROVIDERS + routes), (lines) => new Error(lines.join("\n"))).routes

describe("a strategy", () => {
  it("has its own rules unless they are stated", () => {
    const rules = (strategy: string, more = "") => {
      const found = routesOf(`  auto: { candidates: [v/a], strategy: ${strategy}${more} }`).get("auto")
      return [found?.strategy, found?.weights.latency, found?.exploration, found?.hysteresis]
    }
    assert.deepStrictEqual(rules("score"), ["score", 0.6, 0.02, 0.1])
    assert.deepStrictEqual(rules("fastest"), ["fastest", 1, 0.02, 0.1])
    assert.deepStrictEqual(rules("cheapest"), ["cheapest", 0, 0, 0])
    assert.deepStrictEqual(rules("priority"), ["priority", 0.6, 0, 0])
    assert.deepStrictEqual(rules("weighted"), ["weighted", 0.6, 0, 0])
    assert.deepStrictEqual(rules("fastest", ", exploration: 0.1, hysteresis: 0.2"), ["fastest", 1, 0.1, 0.2])
    assert.deepStrictEqual(rules("cheapest", ", hysteresis: 0.2"), ["cheapest", 0, 0, 0.2])
  })

  it("weighted gives a weight to each candidate", () => {
    const found = routesOf(`  auto:
    strategy: weighted
    candidates: [v/a, { target: v/b, weight: 3 }, { target: v/c, weight: 0 }]`)
    assert.deepStrictEqual(found.get("auto")?.candidates, [
      { provider: "v", model: "a", weight: 1 },
      { provider: "v", model: "b", weight: 3 },
      { provider: "v", model: "c", weight: 0 },
    ])
  })

  it.each([
    [
      "strategy: best, candidates: [v/a]",
      "routes.r.strategy must be score, priority, weighted, cheapest or fastest",
    ],
    ...["weights: { latency: 1, cost: 0 }", "exploration: 0.1", "hysteresis: 0.1"].flatMap((rule) =>
      ["priority", "weighted"].map((strategy): [string, string] => [
        `strategy: ${strategy}, ${rule}, candidates: [v/a]`,
        `routes.r.${rule.split(":")[0]} means nothing under strategy ${strategy}`,
      ]),
    ),
    [
      "strategy: cheapest, exploration: 0.1, candidates: [v/a]",
      "routes.r.exploration means nothing under strategy cheapest",
    ],
    [
      "strategy: fastest, weights: { latency: 1, cost: 0 }, candidates: [v/a]",
      "routes.r.weights means nothing under strategy fastest",
    ],
    [
      "candidates: [v/a, { target: v/b, weight: 3 }]",
      "routes.r.candidates[1].weight means nothing under strategy score",
    ],
    [
      "strategy: priority, candidates: [{ target: v/b, weight: 1 }]",
      "routes.r.candidates[0].weight means nothing under strategy priority",
    ],
    [
      "strategy: weighted, candidates: [{ target: v/a, weight: 0 }, { target: v/b, weight: 0 }]",
      "routes.r.candidates must have a weight above 0 for one at least",
    ],
    ...["-1", ".nan", ".inf", "1000001", "much"].map((weight): [string, string] => [
      `strategy: weighted, candidates: [{ target: v/a, weight: ${weight} }]`,
      "routes.r.candidates[0].weight must be a number from 0 to 1000000",
    ]),
    ["strategy: weighted, candidates: [{ target: v/a }]", "routes.r.candidates[0].weight is missing"],
    [
      "strategy: weighted, candidates: [{ target: v, weight: 1 }]",
      "routes.r.candidates[0].target must be provider/model",
    ],
    ["candidates: [3]", "routes.r.candidates[0] must be provider/model, or a mapping of target and weight"],
    [
      "strategy: weighted, candidates: [v/a, { target: v/a, weight: 2 }]",
      "routes.r.candidates[1] repeats an earlier entry",
    ],
    [
      "strategy: weighted, candidates: [{ target: v/x, weight: 2 }]",
      "routes.r.candidates[0] names no model of provider v",
    ],
    [
      "candidates: [v/b], larger_context: [v/a]",
      "routes.r.larger_context[0] fits no longer prompt than any of the candidates",
    ],
    [
      "candidates: [v/b], larger_context: [{ target: v/a, weight: 1 }]",
      "routes.r.larger_context[0] must be provider/model",
    ],
    ["candidates: [v/c], larger_context: [v/c]", "routes.r.larger_context[0] repeats a candidate"],
  ])("%s is refused", (route, fault) => assert.deepStrictEqual(faults(`  r: { ${route} }`), [fault]))

  it("larger_context may be smaller than some candidates, and of an unknown size", () => {
    assert.deepStrictEqual(faults("  r: { candidates: [v/a, v/c], larger_context: [v/b] }"), [])
    assert.deepStrictEqual(faults("  r: { candidates: [v/c, v/b], larger_context: [v/a] }"), [])
    assert.deepStrictEqual(faults("  r: { candidates: [v/a, v/b], larger_context: [v/c] }"), [])
  })
})
