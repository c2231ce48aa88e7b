import { assert, describe, it } from "@effect/vitest"
import { budgetFrom, decimal } from "../../src/importing/budget-window.ts"

describe("LiteLLM's budgets", () => {
  const cases: ReadonlyArray<readonly [usd: number, duration: string | undefined, is: string | undefined]> = [
    [10, undefined, "10 total"],
    [10, "1h", "10 hour"],
    [10, "60m", "10 hour"],
    [10, "3600s", "10 hour"],
    [10, "24h", "10 day"],
    [10, "1d", "10 day"],
    [10, "daily", "10 day"],
    [10, "7d", "10 week"],
    [10, "1w", "10 week"],
    [10, "30d", "10 month"],
    [10, "31d", "10 month"],
    [10, "1mo", "10 month"],
    [10, "monthly", "10 month"],
    [0, "1d", "0 day"],
    [0.1 + 0.2, "1d", "0.3 day"],
    // Never more over time than before.
    [10, "30m", "10 hour, otherwise"],
    [10, "2h", "10 day, otherwise"],
    [10, "14d", "10 month, otherwise"],
    [90, "90d", "30 month, otherwise"],
    [1, "1y", "0.082191780 month, otherwise"],
    // No budget at all.
    [-1, "1d", undefined],
    [10_000_000, "1d", undefined],
    [10, "soon", undefined],
    [10, "0d", undefined],
  ]
  for (const [usd, duration, is] of cases) {
    it(`of ${usd} dollars in ${duration ?? "no time"} are ${is ?? "none"}`, () => {
      const budget = budgetFrom(usd, duration)
      const shown =
        budget && `${budget.usd} ${budget.window}${budget.note === undefined ? "" : ", otherwise"}`
      assert.strictEqual(shown, is?.replace("0.082191780", "0.08219178"))
    })
  }

  it("have no exponents in commands", () => {
    assert.strictEqual(decimal(1e-7), "0.0000001")
    assert.strictEqual(decimal(9_000_000), "9000000")
  })
})
