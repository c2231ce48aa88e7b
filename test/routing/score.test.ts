import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { rank, type Scorable, type Tier, type Weights } from "../../src/routing/score.ts"

const ms = fc.double({ min: 1e-3, max: 1e9, noNaN: true })
const knownCost = fc.oneof(fc.constant(0), fc.double({ min: 1e-3, max: 1e15, noNaN: true }))
const cost = fc.oneof({ weight: 4, arbitrary: knownCost }, { weight: 1, arbitrary: fc.constant(undefined) })
const tier = fc.constantFrom<Tier>(0, 1, 2)
const candidate: fc.Arbitrary<Scorable> = fc.record({ tier, expectedMs: ms, expectedNanoUsd: cost })
const candidates = fc.array(candidate, { minLength: 1, maxLength: 6 })
const weights: fc.Arbitrary<Weights> = fc
  .double({ min: 0, max: 1, noNaN: true })
  .map((latency) => ({ latency, cost: 1 - latency }))

const of = (expectedMs: number, expectedNanoUsd: number | undefined, tierOf: Tier = 0): Scorable => ({
  tier: tierOf,
  expectedMs,
  expectedNanoUsd,
})
const half: Weights = { latency: 0.5, cost: 0.5 }

describe("score", () => {
  it("is the weighted sum of the ratios to the best", () => {
    const { scores, order } = rank([of(200, 10), of(100, 40)], { latency: 0.6, cost: 0.4 })
    assert.deepStrictEqual(scores, [0.6 * 2 + 0.4 * 1, 0.6 * 1 + 0.4 * 4])
    assert.deepStrictEqual(order, [0, 1])
  })

  it("counts free candidates as 1 and the others from 2 up", () => {
    const { scores } = rank([of(1, 0), of(1, 5), of(1, 10)], { latency: 0, cost: 1 })
    assert.deepStrictEqual(scores, [1, 2, 3])
  })

  it("counts an unknown price as the worst known one, never as free", () => {
    const { scores } = rank([of(1, undefined), of(1, 5), of(1, 10)], { latency: 0, cost: 1 })
    assert.deepStrictEqual(scores, [2, 1, 2])
    assert.deepStrictEqual(rank([of(1, undefined), of(1, 10)], half).order, [1, 0])
    assert.deepStrictEqual(rank([of(1, 10), of(1, undefined)], half).order, [0, 1])
    assert.deepStrictEqual(rank([of(9, undefined), of(8, undefined)], half).order, [1, 0])
  })

  it("keeps configuration order between equals", () => {
    assert.deepStrictEqual(rank([of(5, 5), of(5, 5), of(5, 5)], half).order, [0, 1, 2])
  })

  it("is beside what can be had: the times and prices of a worse tier change no better one's", () => {
    const two: ReadonlyArray<Scorable> = [
      { tier: 0, expectedMs: 200, expectedNanoUsd: 10 },
      { tier: 0, expectedMs: 100, expectedNanoUsd: 20 },
    ]
    const tripped: Scorable = { tier: 2, expectedMs: 1, expectedNanoUsd: 1 }
    const weights = { latency: 0.6, cost: 0.4 }
    const { order, scores } = rank([...two, tripped], weights)
    assert.deepStrictEqual(order, [1, 0, 2])
    assert.deepStrictEqual(scores.slice(0, 2), rank(two, weights).scores)
  })

  it("never lets a worse tier win by its score", () => {
    fc.assert(
      fc.property(candidates, weights, (all, w) => {
        const tiers = rank(all, w).order.map((position) => all[position]?.tier ?? 2)
        assert.deepStrictEqual(tiers, tiers.toSorted())
      }),
    )
  })

  it("does not change when all times or all prices are scaled", () => {
    const exponent = fc.integer({ min: -20, max: 20 })
    fc.assert(
      fc.property(candidates, weights, exponent, exponent, (all, w, a, b) => {
        // Powers of two scale exactly, so that rounding is no excuse.
        const scaled = all.map((each) => ({
          ...each,
          expectedMs: each.expectedMs * 2 ** a,
          expectedNanoUsd: each.expectedNanoUsd === undefined ? undefined : each.expectedNanoUsd * 2 ** b,
        }))
        const ranking = rank(all, w)
        assert.deepInclude(rank(scaled, w), ranking)
      }),
    )
  })

  it("never prefers a candidate that is worse on one axis and no better on the other", () => {
    const known = fc.record({ tier: fc.constant<Tier>(0), expectedMs: ms, expectedNanoUsd: knownCost })
    // Factors near 1 and far beyond the ratio limit: what rounding and clamping hide must not decide.
    const factor = fc.oneof(fc.double({ min: 1 + 1e-12, max: 2, noNaN: true }), fc.constant(1e30))
    const worsening = fc.oneof(
      fc.record({ ms: factor, cost: factor }),
      fc.record({ ms: factor, cost: fc.constant(1) }),
      fc.record({ ms: fc.constant(1), cost: factor }),
    )
    const anyWeights = fc.oneof(weights, fc.constantFrom({ latency: 1, cost: 0 }, { latency: 0, cost: 1 }))
    fc.assert(
      fc.property(
        fc.array(known, { maxLength: 4 }),
        known,
        worsening,
        anyWeights,
        (others, better, by, w) => {
          const cost = better.expectedNanoUsd + 1
          const best = of(better.expectedMs, cost)
          const worse = of(better.expectedMs * by.ms, cost * by.cost)
          for (const all of [
            [...others, worse, best],
            [best, ...others, worse],
          ]) {
            const { order } = rank(all, w)
            assert.isBelow(order.indexOf(all.indexOf(best)), order.indexOf(all.indexOf(worse)))
          }
        },
      ),
    )
  })

  it("gives a candidate the same score wherever it stands", () => {
    const shuffled = candidates.chain((all) =>
      fc.tuple(
        fc.constant(all),
        fc.shuffledSubarray(
          all.map((_, index) => index),
          { minLength: all.length },
        ),
      ),
    )
    fc.assert(
      fc.property(shuffled, weights, ([all, permutation], w) => {
        const { scores } = rank(all, w)
        const permuted = rank(
          permutation.map((index) => all[index] ?? of(1, 1)),
          w,
        )
        assert.deepStrictEqual(
          permuted.scores,
          permutation.map((index) => scores[index] ?? 0),
        )
      }),
    )
  })

  it("is finite and orders everyone once, whatever the numbers", () => {
    const wild: fc.Arbitrary<Scorable> = fc.record({
      tier,
      expectedMs: fc.double({ min: Number.MIN_VALUE, max: Number.MAX_VALUE, noNaN: true }),
      expectedNanoUsd: fc.option(fc.double({ min: 0, max: Number.MAX_VALUE, noNaN: true }), {
        nil: undefined,
      }),
    })
    fc.assert(
      fc.property(fc.array(wild, { minLength: 1, maxLength: 6 }), weights, (all, w) => {
        const { scores, order } = rank(all, w)
        assert.isTrue(scores.every((score) => Number.isFinite(score) && score >= 0))
        assert.deepStrictEqual(
          order.toSorted((a, b) => a - b),
          all.map((_, index) => index),
        )
      }),
    )
  })

  it("reduces to one axis with all the weight on it", () => {
    const known = fc.array(
      fc.record({ tier: fc.constant<Tier>(0), expectedMs: ms, expectedNanoUsd: knownCost }),
      {
        minLength: 1,
        maxLength: 6,
      },
    )
    fc.assert(
      fc.property(known, (all) => {
        const fastest = all[rank(all, { latency: 1, cost: 0 }).order[0] ?? 0]
        const cheapest = all[rank(all, { latency: 0, cost: 1 }).order[0] ?? 0]
        assert.strictEqual(fastest?.expectedMs, Math.min(...all.map((each) => each.expectedMs)))
        assert.strictEqual(cheapest?.expectedNanoUsd, Math.min(...all.map((each) => each.expectedNanoUsd)))
      }),
    )
  })
})
