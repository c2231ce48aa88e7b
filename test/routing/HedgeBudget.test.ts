import { assert, describe, it } from "@effect/vitest"
import { HedgeBudget } from "../../src/routing/HedgeBudget.ts"

describe("a route's hedges", () => {
  const busy = (traffic: number, spend: number) => {
    const budget = new HedgeBudget({ traffic, spend })
    let hedges = 0
    for (let i = 0; i < 10_000; i++) {
      budget.asked()
      if (budget.take(300)) hedges += 1
      budget.answered(100)
    }
    return hedges
  }

  it("are no more than their share of its requests", () => {
    const hedges = busy(0.05, 0.5)
    assert.isAtMost(hedges, 500)
    assert.isAbove(hedges, 490)
  })

  it("cost no more than their share of what its answers cost", () => {
    const hedges = busy(0.5, 0.05)
    assert.isAtMost(hedges * 300, 0.05 * 10_000 * 100)
    assert.isAbove(hedges, 100)
  })

  it("are none where a share is 0", () => {
    assert.strictEqual(busy(0, 0.5), 0)
    assert.strictEqual(busy(0.5, 0), 0)
  })

  it("save up for no more than a few", () => {
    const budget = new HedgeBudget({ traffic: 0.5, spend: 0.5 })
    for (let i = 0; i < 10_000; i++) {
      budget.asked()
      budget.answered(100)
    }
    let hedges = 0
    while (budget.take(100)) hedges += 1
    assert.strictEqual(hedges, 10)
  })

  it("that are free need no dollars, and those without a price are not made", () => {
    const budget = new HedgeBudget({ traffic: 0.5, spend: 0.5 })
    for (let i = 0; i < 4; i++) budget.asked()
    assert.isFalse(budget.take(undefined))
    assert.isTrue(budget.take(0))
    assert.isFalse(budget.take(1))
  })
})
