import { assert, describe, it } from "@effect/vitest"
import { RecentErrors } from "../../src/routing/RecentErrors.ts"

describe("RecentErrors", () => {
  it("says nothing before there is an answer, and after all was forgotten", () => {
    const errors = new RecentErrors()
    assert.isUndefined(errors.summary())
    errors.add(2)
    assert.deepStrictEqual(errors.summary(), { answers: 1, bias: 2, p90Error: 1 })
    errors.forget()
    assert.isUndefined(errors.summary())
  })

  it("tells the mean ratio, and how far off nine in ten were at most", () => {
    const errors = new RecentErrors()
    for (const ratio of [1, 1.1, 0.9, 1.2, 0.8, 1.25, 0.75, 1.5, 0.5, 3]) errors.add(ratio)
    const { answers, bias, p90Error } = errors.summary() ?? {}
    assert.strictEqual(answers, 10)
    assert.closeTo(bias ?? 0, 1.2, 1e-9)
    assert.closeTo(p90Error ?? 0, 0.5, 1e-9)
  })

  it("forgets all but the latest hundred", () => {
    const errors = new RecentErrors()
    for (let i = 0; i < 50; i++) errors.add(10)
    for (let i = 0; i < 100; i++) errors.add(2)
    assert.deepStrictEqual(errors.summary(), { answers: 100, bias: 2, p90Error: 1 })
  })
})
