import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { drawPosition, explorationChances, findProbe, tryFirst } from "../../src/routing/deviations.ts"
import type { Candidate } from "../../src/routing/plan.ts"
import type { Tier } from "../../src/routing/score.ts"

/** What deviations look at of a candidate. */
const candidate = (of: Partial<Candidate> = {}): Candidate =>
  ({
    key: "a/m",
    tier: 0,
    score: 1,
    soundScore: 1,
    known: true,
    answers: 1_000,
    expectedMs: 1_000,
    patienceMs: 20_000,
    ...of,
  }) as unknown as Candidate

const longAgo = () => Number.POSITIVE_INFINITY
const sum = (chances: ReadonlyArray<number>): number => chances.reduce((all, chance) => all + chance, 0)

describe("the chance to be explored", () => {
  const others = fc.array(
    fc.record({
      tier: fc.constantFrom<Tier>(0, 1, 2),
      score: fc.double({ min: 1, max: 1e9, noNaN: true }),
      known: fc.boolean(),
      answers: fc.nat(10_000),
    }),
    { maxLength: 20 },
  )
  /** Smaller ones than 2 ** -1022 have no digits left to be right in. */
  const shares = fc.oneof(
    { weight: 1, arbitrary: fc.constant(0) },
    { weight: 9, arbitrary: fc.double({ min: 2 ** -1022, max: 0.5, noNaN: true }) },
  )
  const ages = fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.nat(1_000_000))

  it("is a chance, of half at most for all others, and none of a tripped one's", () => {
    fc.assert(
      fc.property(others, shares, ages, (others, share, ageMs) => {
        const candidates = [candidate({ score: 2 }), ...others.map(candidate)]
        const chances = explorationChances(candidates, share, () => ageMs)
        for (const [i, chance] of chances.entries()) {
          assert.isTrue(chance >= 0 && chance <= 1, `${chance}`)
          if (i > 0 && candidates[i]?.tier === 2) assert.strictEqual(chance, 0)
        }
        assert.approximately(sum(chances), 1, 1e-9)
        assert.isAtLeast(chances[0] ?? 0, 0.5 - 1e-9)
      }),
    )
  })

  it("costs no more than the share where everybody is known", () => {
    fc.assert(
      fc.property(others, shares, ages, (others, share, ageMs) => {
        const known = others.map((each) => candidate({ ...each, known: true, answers: 1_000_000 }))
        const chances = explorationChances([candidate(), ...known], share, () => ageMs)
        const cost = sum(known.map(({ score }, i) => (chances[i + 1] ?? 0) * (score - 1)))
        assert.isAtMost(cost, share * 1.01)
      }),
    )
  })

  it("is the greater, the less it costs, the less is known and the longer nobody asked", () => {
    const chanceOf = (of: Partial<Candidate>, ageMs = Number.POSITIVE_INFINITY) =>
      explorationChances([candidate(), candidate({ score: 3, ...of })], 0.01, () => ageMs)[1] ?? Number.NaN
    assert.isAbove(chanceOf({ score: 2 }), chanceOf({ score: 10 }))
    assert.isAbove(chanceOf({ score: 10 }), 0)
    assert.isAbove(chanceOf({ answers: 5 }), chanceOf({ answers: 500 }))
    assert.isAbove(chanceOf({ known: false }), chanceOf({ known: true }))
    assert.isAbove(chanceOf({}, 60_000), chanceOf({}, 1_000))
    assert.strictEqual(chanceOf({}, 0), 0)
  })

  it("is none without a share", () => {
    assert.deepStrictEqual(explorationChances([candidate(), candidate()], 0, longAgo), [1])
  })

  it("is drawn as often as it says", () => {
    const chances = [0, 0.1, 0, 0.3]
    const drawn = [0, 0, 0, 0]
    for (let i = 0; i < 1_000; i++) {
      const position = drawPosition(chances, () => i / 1_000)
      drawn[position] = (drawn[position] ?? 0) + 1
    }
    assert.approximately(drawn[0] ?? 0, 600, 1)
    assert.approximately(drawn[1] ?? 0, 100, 1)
    assert.strictEqual(drawn[2], 0)
    assert.approximately(drawn[3] ?? 0, 300, 1)
  })
})

describe("a trial", () => {
  it("comes first, keeps the others in order, and is waited for no longer than it is worth", () => {
    const candidates = ["a", "b", "c"].map((key) => candidate({ key, patienceMs: 60_000 }))
    tryFirst(candidates, 2)
    assert.deepStrictEqual(
      candidates.map(({ key }) => key),
      ["c", "a", "b"],
    )
    const [tried, ...rest] = candidates.map(({ patienceMs }) => patienceMs)
    assert.isTrue(tried !== undefined && tried > 1_000 && tried < 60_000)
    assert.deepStrictEqual(rest, [60_000, 60_000])
  })

  it("is waited for no longer than otherwise", () => {
    const candidates = [candidate(), candidate({ key: "b", expectedMs: 30_000, patienceMs: 2_000 })]
    tryFirst(candidates, 1)
    assert.strictEqual(candidates[0]?.patienceMs, 2_000)
  })
})

describe("a probe", () => {
  const probed = (candidates: ReadonlyArray<Candidate>, remainingMs = 60_000) =>
    findProbe(candidates, remainingMs, (key) => key === "b/m")
  const troubled = candidate({ key: "b/m", tier: 2, patienceMs: 10_000 })

  it("is made of who offers itself, with a healthy candidate to fall back on", () => {
    assert.strictEqual(probed([candidate(), candidate({ key: "c/m" }), troubled]), 2)
    assert.strictEqual(probed([candidate({ tier: 1 }), troubled]), -1)
    assert.strictEqual(probed([troubled, candidate()]), -1)
    assert.strictEqual(probed([candidate()]), -1)
    assert.strictEqual(probed([]), -1)
  })

  it("is made with the time to wait for it and then for the first one", () => {
    assert.strictEqual(probed([candidate(), troubled], 11_000), 1)
    assert.strictEqual(probed([candidate(), troubled], 10_999), -1)
  })
})
