import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { RetryBudget } from "../../src/routing/RetryBudget.ts"
import { startedClock } from "../support/started-clock.ts"
import { refs, route, simulated, world } from "./world.ts"

const layer = world([simulated("a", [{ name: "m" }]), simulated("b", [{ name: "m" }])], [route(refs("a/m"))])

const test = (name: string, body: (budget: RetryBudget["Service"]) => void) =>
  it.effect(name, () =>
    Effect.map(RetryBudget, body).pipe(Effect.provide(Layer.provide(layer, startedClock))),
  )

const withdrawals = (budget: RetryBudget["Service"], provider: string): number => {
  let count = 0
  while (count < 1_000 && budget.withdraw(provider)) count++
  return count
}

describe("retry budget", () => {
  test("starts with three retries", (budget) => {
    assert.strictEqual(withdrawals(budget, "a"), 3)
  })

  test("then allows one retry for every five requests", (budget) => {
    withdrawals(budget, "a")
    let retries = 0
    for (let request = 0; request < 1_000; request++) {
      budget.deposit("a")
      if (budget.withdraw("a")) retries++
    }
    assert.strictEqual(retries, 200)
  })

  test("saves up no more than ten", (budget) => {
    for (let request = 0; request < 10_000; request++) budget.deposit("a")
    assert.strictEqual(withdrawals(budget, "a"), 10)
  })

  test("is kept per provider", (budget) => {
    withdrawals(budget, "a")
    assert.isTrue(budget.withdraw("b"))
  })

  test("gives a provider that is not configured nothing", (budget) => {
    budget.deposit("unknown")
    assert.isFalse(budget.withdraw("unknown"))
  })
})
