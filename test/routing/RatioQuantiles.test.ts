import { assert, describe, it } from "@effect/vitest"
import { RatioQuantiles } from "../../src/routing/RatioQuantiles.ts"
import { Dice } from "../fuzz/Dice.ts"

/** Bounds of a bin are a factor of 2 ** (1 / 8) apart. */
const BIN = 1.1

const pareto = (dice: Dice): number => (1 - dice.next()) ** (-1 / 1.6) / 2

describe("quantiles of the ratio", () => {
  it("are those of what was added, or a little above", () => {
    const quantiles = new RatioQuantiles()
    const dice = new Dice("ratios", 1)
    const seen = Array.from({ length: 200 }, () => pareto(dice))
    for (const ratio of seen) quantiles.add(ratio)
    const sorted = seen.toSorted((a, b) => a - b)
    for (const q of [0.5, 0.9]) {
      const exact = sorted[Math.floor(q * 200)] ?? 0
      assert.closeTo(quantiles.quantile(q) / exact, 1, 0.2, `${q}`)
    }
    assert.isAtLeast(quantiles.quantile(0.95), quantiles.quantile(0.9))
  })

  it("of answers that are all alike lie above them: none is late", () => {
    for (const ratio of [0.3, 0.99, 1, 1.01, 7]) {
      const quantiles = new RatioQuantiles()
      for (let i = 0; i < 50; i++) quantiles.add(ratio)
      assert.isAbove(quantiles.quantile(0.95), ratio)
      assert.isAtMost(quantiles.quantile(0.95), ratio * BIN)
    }
  })

  it("follow what has changed", () => {
    const quantiles = new RatioQuantiles()
    for (let i = 0; i < 10_000; i++) quantiles.add(1)
    for (let i = 0; i < 600; i++) quantiles.add(4)
    assert.isAbove(quantiles.quantile(0.1), 4)
  })

  it("do not become smaller by calls that are cut when they are late", () => {
    const whole = new RatioQuantiles()
    const cut = new RatioQuantiles()
    const dice = new Dice("ratios", 2)
    let late = 0
    for (let i = 0; i < 20_000; i++) {
      const ratio = pareto(dice)
      whole.add(ratio)
      const limit = cut.quantile(0.95)
      if (i < 100 || ratio <= limit) cut.add(ratio)
      else {
        late += 1
        cut.addLonger(limit)
      }
    }
    // As many are late as should be, to the end.
    assert.closeTo(late / 20_000, 0.05, 0.02)
    assert.strictEqual(cut.answers, 20_000 - late)
  })

  it("stay finite for ratios without measure", () => {
    const quantiles = new RatioQuantiles()
    for (let i = 0; i < 10_000; i++) {
      quantiles.add(0)
      quantiles.add(Number.POSITIVE_INFINITY)
      quantiles.addLonger(Number.POSITIVE_INFINITY)
    }
    assert.isAbove(quantiles.quantile(0.05), 0)
    assert.isTrue(Number.isFinite(quantiles.quantile(0.99)))
  })
})
