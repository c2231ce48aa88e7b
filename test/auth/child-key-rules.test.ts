import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { type ChildRequest, excessOf } from "../../src/auth/child-key-rules.ts"
import { principalOf } from "../support/principal-of.ts"

const ID = "AAAAAAAAAAAA"
const asked: ChildRequest = { name: "run", lifetimeSeconds: 60, budgetNanoUsd: 1 }
const budget = { id: 1, scope: "key", subject: ID, period: "day", limitNanoUsd: 5e9 } as const

describe("a child", () => {
  it("of a key without limits may have any", () => {
    const child = {
      ...asked,
      budgetNanoUsd: 9e15,
      requestsPerMinute: 9e5,
      tokensPerMinute: 9e9,
      concurrency: 9e5,
      models: ["x"],
      tags: ["t"],
    }
    assert.isUndefined(excessOf(principalOf(ID), child))
  })

  it("may have each limit up to the lowest that its issuer is under, whose that is being said", () => {
    const issuer = {
      ...principalOf(ID),
      limits: [
        { scope: "key", subject: ID, requestsPerMinute: 60, tokensPerMinute: 900 },
        { scope: "team", subject: "search", requestsPerMinute: 50, concurrency: 4 },
      ],
    } as const
    for (const [field, bound, owner] of [
      ["requestsPerMinute", 50, "the team search"],
      ["tokensPerMinute", 900, "the issuing key"],
      ["concurrency", 4, "the team search"],
    ] as const) {
      assert.isUndefined(excessOf(issuer, { ...asked, [field]: bound }))
      assert.deepStrictEqual(excessOf(issuer, { ...asked, [field]: bound + 1 }), {
        field,
        rule: `Expected at most ${bound}, the limit of ${owner}`,
      })
    }
  })

  it("may spend up to the smallest budget that its issuer is under", () => {
    const team = { id: 2, scope: "team", subject: "search", period: "total", limitNanoUsd: 6e9 } as const
    const issuer = principalOf(ID, { budgets: [team, budget] })
    assert.isUndefined(excessOf(issuer, { ...asked, budgetNanoUsd: 5e9 }))
    assert.deepStrictEqual(excessOf(issuer, { ...asked, budgetNanoUsd: 5e9 + 1 }), {
      field: "budgetNanoUsd",
      rule: "Expected at most 5, the budget per day of the issuing key",
    })
    const ofTeam = excessOf(principalOf(ID, { budgets: [team] }), { ...asked, budgetNanoUsd: 7e9 })
    assert.strictEqual(ofTeam?.rule, "Expected at most 6, the budget in all of the team search")
  })

  it("may ask for no model beside its issuer's", () => {
    const issuer = principalOf(ID, { models: new Set(["auto", "p/m", "q/*"]) })
    assert.isUndefined(excessOf(issuer, { ...asked, models: ["auto", "p/m", "q/any", "q/*"] }))
    for (const model of ["p/*", "m", "p/n", "any", "Q/any"]) {
      const excess = excessOf(issuer, { ...asked, models: ["auto", model] })
      assert.deepInclude(excess, { field: "models", index: 1 })
    }
  })

  it("may add tags while there are not too many", () => {
    const issuer = principalOf(ID, { tags: Array.from({ length: 8 }, (_, i) => `t${i}`) })
    const more = Array.from({ length: 2 }, (_, i) => `u${i}`)
    assert.isUndefined(excessOf(issuer, { ...asked, tags: [...more, "t1"] }))
    assert.strictEqual(excessOf(issuer, { ...asked, tags: [...more, "one more"] })?.field, "tags")
  })

  it("is taken exactly when nothing of it is above what holds for the issuer", () => {
    const bound = fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined })
    const limits = fc.record({ requestsPerMinute: bound, tokensPerMinute: bound, concurrency: bound })
    const money = fc.integer({ min: 1, max: 10 })
    fc.assert(
      fc.property(limits, limits, fc.array(money), limits, money, (own, ofTeam, budgets, child, spend) => {
        const given = (all: object) =>
          Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
        const issuer = {
          ...principalOf(ID, { budgets: budgets.map((limitNanoUsd) => ({ ...budget, limitNanoUsd })) }),
          limits: [
            { scope: "key", subject: ID, ...given(own) },
            { scope: "team", subject: "t", ...given(ofTeam) },
          ],
        } as const
        const within =
          budgets.every((limit) => spend <= limit) &&
          (["requestsPerMinute", "tokensPerMinute", "concurrency"] as const).every((field) =>
            [own[field], ofTeam[field]].every(
              (limit) => limit === undefined || child[field] === undefined || child[field] <= limit,
            ),
          )
        const excess = excessOf(issuer, { ...asked, ...given(child), budgetNanoUsd: spend })
        assert.strictEqual(excess === undefined, within)
      }),
    )
  })
})
