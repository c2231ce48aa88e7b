import { assert, describe, it } from "@effect/vitest"
import { Lease } from "../../src/budgets/Lease.ts"
import { Spending } from "../../src/budgets/Spending.ts"

const lease = (id: number): Lease =>
  new Lease(id, null, Number.POSITIVE_INFINITY, { granted: 1_000, returned: 0, charged: 0 })

/** Reserves as whoever lends does. */
const reserve = (spending: Spending, leases: ReadonlyArray<Lease>, nanoUsd: number) => {
  for (const each of leases) each.reserve(nanoUsd)
  return spending.reserved(leases, nanoUsd)
}

/** What the ledger adds to each budget. */
const charged = (spending: Spending) => {
  const sums = new Map<number, number>()
  for (const { nano_usd, windows } of spending.charges())
    for (const [budget] of windows) sums.set(budget, (sums.get(budget) ?? 0) + nano_usd)
  return [...sums]
}

describe("what a request is charged", () => {
  it("is what its calls cost, of each budget, and what was reserved where nobody knows", () => {
    const [one, two] = [lease(1), lease(2)]
    const spending = new Spending("a")
    const first = reserve(spending, [one, two], 100)
    first.use()
    first.settle(30)
    const second = reserve(spending, [one, two], 50)
    second.use()
    assert.deepStrictEqual(charged(spending), [
      [1, 80],
      [2, 80],
    ])
    second.settle(undefined)
    assert.deepStrictEqual([one.charged, two.open, spending.charges()[0]?.holder], [80, 0, "a"])
  })

  it("is nothing for a call that was never made, and all of one that left", () => {
    const [one] = [lease(1)]
    const spending = new Spending("a")
    reserve(spending, [one], 100)
    reserve(spending, [one], 7).use()
    spending.close()
    assert.deepStrictEqual(charged(spending), [[1, 7]])
    assert.deepStrictEqual([one.charged, one.open], [7, 1])
  })

  it("is settled once", () => {
    const [one] = [lease(1)]
    const spending = new Spending("a")
    const reservation = reserve(spending, [one], 100)
    reservation.settle(10)
    reservation.settle(90)
    spending.close()
    assert.deepStrictEqual([charged(spending), one.charged, one.open], [[[1, 10]], 10, 0])
  })
})
