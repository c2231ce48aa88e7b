import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type { RouteCandidate, Strategy } from "../../src/config/GatewayConfig.ts"
import type { Tier } from "../../src/routing/score.ts"
import { arrange, rulesOf, weightsAt } from "../../src/routing/strategy.ts"
import { refs, route } from "./world.ts"

interface Placed {
  readonly key: string
  readonly tier: Tier
}

const weighted = (weights: Readonly<Record<string, number>>): ReadonlyArray<RouteCandidate> =>
  refs(...Object.keys(weights)).map((ref) => ({
    ...ref,
    weight: weights[`${ref.provider}/${ref.model}`] ?? 1,
  }))

const arranged = (
  strategy: Strategy,
  candidates: ReadonlyArray<RouteCandidate>,
  scored: ReadonlyArray<Placed>,
  draw: () => number = () => assert.fail("nothing is to be drawn"),
) => {
  const order = [...scored]
  const choice = arrange(order, rulesOf(route(candidates, { strategy })), draw)
  return { order: order.map(({ key }) => key), choice }
}

const of = (key: string, tier: Tier = 0): Placed => ({ key, tier })

const key = fc.constantFrom("a/m", "b/m", "c/m", "d/m", "e/m")
/** Candidates as they come: each once, by tier. */
const scored = fc
  .uniqueArray(fc.record({ key, tier: fc.constantFrom<Tier>(0, 1, 2) }), {
    selector: (each) => each.key,
    minLength: 1,
  })
  .map((all) => all.toSorted((a, b) => a.tier - b.tier))
const shares = fc
  .dictionary(key, fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 1e6, noNaN: true })), { minKeys: 1 })
  .filter((all) => Object.values(all).some((weight) => weight > 0))
const strategy = fc.constantFrom<Strategy>("score", "priority", "weighted", "cheapest", "fastest")
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe("every strategy", () => {
  it("keeps every candidate, and none behind one of a worse tier", () => {
    fc.assert(
      fc.property(strategy, shares, scored, chance, (name, weights, all, drawn) => {
        const { choice, order } = arranged(name, weighted(weights), all, () => drawn)
        assert.sameMembers(
          order,
          all.map((each) => each.key),
        )
        const tiers = order.map((each) => all.find((one) => one.key === each)?.tier ?? 2)
        assert.deepStrictEqual(tiers, tiers.toSorted())
        assert.isTrue(choice.probability > 0 && choice.probability <= 1)
      }),
    )
  })
})

describe("score, cheapest and fastest", () => {
  it("are the order in which candidates come, by what they are compared by", () => {
    const all = [of("b/m"), of("a/m"), of("c/m", 1)]
    for (const [name, by] of [
      ["score", "score"],
      ["cheapest", "cost"],
      ["fastest", "latency"],
    ] as const) {
      assert.deepStrictEqual(arranged(name, refs("a/m", "b/m", "c/m"), all), {
        order: ["b/m", "a/m", "c/m"],
        choice: { by, probability: 1 },
      })
    }
  })
})

describe("priority", () => {
  it("is the order as written within each tier, others after it as they come", () => {
    const all = [of("d/m"), of("c/m"), of("e/m"), of("a/m"), of("b/m", 1), of("f/m", 2)]
    assert.deepStrictEqual(arranged("priority", refs("f/m", "a/m", "b/m", "c/m"), all), {
      order: ["a/m", "c/m", "d/m", "e/m", "b/m", "f/m"],
      choice: { by: "priority", probability: 1 },
    })
  })

  it("holds for the models for longer prompts too", () => {
    const order = [of("y/m"), of("x/m")]
    const rules = rulesOf(route(refs("a/m"), { strategy: "priority", largerContext: refs("x/m", "y/m") }))
    arrange(order, rules, () => assert.fail("nothing is to be drawn"))
    assert.deepStrictEqual(
      order.map((each) => each.key),
      ["x/m", "y/m"],
    )
  })
})

describe("weighted", () => {
  const candidates = weighted({ "a/m": 3, "b/m": 1, "c/m": 0 })

  it("puts one first by its share and leaves the others in their order", () => {
    const all = [of("c/m"), of("b/m"), of("a/m")]
    const drawn = (chance: number) => arranged("weighted", candidates, all, () => chance)
    assert.deepStrictEqual(drawn(0), {
      order: ["b/m", "c/m", "a/m"],
      choice: { by: "weight", probability: 0.25 },
    })
    assert.deepStrictEqual(drawn(0.2499).order[0], "b/m")
    assert.deepStrictEqual(drawn(0.25), {
      order: ["a/m", "c/m", "b/m"],
      choice: { by: "weight", probability: 0.75 },
    })
    assert.deepStrictEqual(drawn(1 - 2 ** -53).order[0], "a/m")
  })

  it("draws one that has a share, even where fractions leave a rest", () => {
    const fractions = weighted({ "a/m": 4.92, "b/m": 7.47, "c/m": 9.46, "d/m": 0 })
    const all = [of("a/m"), of("b/m"), of("c/m"), of("d/m")]
    assert.strictEqual(arranged("weighted", fractions, all, () => 1 - 2 ** -53).order[0], "c/m")
  })

  it("draws among the best tier alone, where nobody has a share by score", () => {
    assert.deepStrictEqual(
      arranged("weighted", candidates, [of("b/m"), of("a/m", 1)], () => 0.99),
      { order: ["b/m", "a/m"], choice: { by: "weight", probability: 1 } },
    )
    assert.deepStrictEqual(arranged("weighted", candidates, [of("d/m"), of("c/m"), of("a/m", 1)]), {
      order: ["d/m", "c/m", "a/m"],
      choice: { by: "score", probability: 1 },
    })
  })

  it("sends to each what is said to be the chance of it", () => {
    fc.assert(
      fc.property(shares, scored, (weights, all) => {
        const draws = 1_000
        const counts = new Map<string, { count: number; probability: number }>()
        for (let i = 0; i < draws; i++) {
          const { choice, order } = arranged("weighted", weighted(weights), all, () => (i + 0.5) / draws)
          const first = order[0] ?? ""
          const seen = counts.get(first) ?? { count: 0, probability: choice.probability }
          counts.set(first, { count: seen.count + 1, probability: choice.probability })
        }
        for (const { count, probability } of counts.values()) {
          assert.approximately(count, probability * draws, 1.01)
        }
        for (const first of counts.keys()) {
          assert.isTrue(counts.size === 1 || (weights[first] ?? 0) > 0)
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe("weights as a budget nears its end", () => {
  const rules = (saveFrom?: number) => ({
    weights: { latency: 0.6, cost: 0.4 },
    ...(saveFrom !== undefined && { saveFrom }),
  })

  it("stay as they are below the share that a route states, and where it states none", () => {
    assert.deepStrictEqual(weightsAt(rules(), 1), { latency: 0.6, cost: 0.4 })
    assert.deepStrictEqual(weightsAt(rules(0.8), 0.8), { latency: 0.6, cost: 0.4 })
  })

  it("go over to cost alone, evenly", () => {
    const { cost, latency } = weightsAt(rules(0.8), 0.9)
    assert.closeTo(latency, 0.3, 1e-9)
    assert.closeTo(cost, 0.7, 1e-9)
    assert.deepStrictEqual(weightsAt(rules(0.8), 1), { latency: 0, cost: 1 })
    assert.deepStrictEqual(weightsAt(rules(1), 1), { latency: 0.6, cost: 0.4 })
  })
})
