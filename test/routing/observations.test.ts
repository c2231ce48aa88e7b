import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import {
  availability,
  empty,
  expectedMs,
  expectedOutputTokens,
  failure,
  type Observations,
  success,
} from "../../src/routing/observations.ts"

const repeat = (
  times: number,
  step: (self: Observations, index: number) => Observations,
  from = empty(0),
): Observations => {
  let self = from
  for (let index = 0; index < times; index++) self = step(self, index)
  return self
}

const MINUTE = 60_000

describe("expected milliseconds", () => {
  it("is the prior for a candidate that never answered, by mode", () => {
    assert.approximately(expectedMs(empty(0), 0, "whole", 100), 1_800, 1e-6)
    assert.approximately(expectedMs(empty(0), 0, "stream", 100), 800, 1e-6)
  })

  it("learns overhead and time per token from answers of different lengths", () => {
    const seen = repeat(60, (self, i) => success(self, i, 200 + 5 * (50 + i * 10), 50 + i * 10))
    assert.approximately(expectedMs(seen, 60, "whole", 50), 450, 15)
    assert.approximately(expectedMs(seen, 60, "whole", 1_000), 5_200, 100)
  })

  it("is the mean when all answers had one length", () => {
    const seen = repeat(50, (self, i) => success(self, 0, i % 2 === 0 ? 300 : 500, 100))
    assert.approximately(expectedMs(seen, 0, "whole", 100), 400, 10)
  })

  it("counts an answer of unknown length at the average length", () => {
    const seen = repeat(50, (self) => success(self, 0, 400, 100))
    const after = repeat(50, (self) => success(self, 0, 600, null), seen)
    assert.approximately(expectedOutputTokens(after, 0, 300), expectedOutputTokens(seen, 0, 300), 1)
    assert.isAbove(expectedMs(after, 0, "whole", 100), 490)
  })

  it("shows a spike within tens of answers, however many good ones came before", () => {
    const before = repeat(10_000, (self, i) => success(self, i, 500, 100))
    const after = repeat(10, (self, i) => success(self, 10_000 + i, 10_000, 100), before)
    assert.isAbove(expectedMs(after, 10_010, "whole", 100), 2 * 500)
  })

  it("drifts back to the prior when nobody asks", () => {
    const slow = repeat(100, (self) => success(self, 0, 20_000, 100))
    assert.isAbove(expectedMs(slow, MINUTE, "whole", 100), 19_000)
    assert.approximately(expectedMs(slow, 30 * MINUTE, "whole", 100), 1_800, 10)
  })

  it("lets newer answers outweigh older ones by the half-life", () => {
    const old = repeat(40, (self) => success(self, 0, 1_000, 100))
    const seen = repeat(10, (self) => success(self, 2 * MINUTE, 2_000, 100), old)
    // 40 answers two half-lives ago weigh as much as 10 now.
    assert.approximately(expectedMs(seen, 2 * MINUTE, "whole", 100), 1_500, 10)
  })

  it("is positive and finite, and never falls with more tokens, whatever was seen", () => {
    const answer = fc.record({
      afterMs: fc.integer({ min: 0, max: 10 * MINUTE }),
      ms: fc.integer({ min: 0, max: 600_000 }),
      tokens: fc.option(fc.integer({ min: 0, max: 1_000_000_000 })),
      ok: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 60 }), fc.nat(100_000), fc.nat(100_000), (answers, a, b) => {
        let nowMs = 0
        const seen = answers.reduce((self, each) => {
          nowMs += each.afterMs
          return each.ok ? success(self, nowMs, each.ms, each.tokens) : failure(self, nowMs)
        }, empty(0))
        const shorter = expectedMs(seen, nowMs, "whole", Math.min(a, b))
        const longer = expectedMs(seen, nowMs, "whole", Math.max(a, b))
        assert.isTrue(Number.isFinite(longer) && shorter >= 1 && longer >= shorter)
        const share = availability(seen, nowMs)
        assert.isTrue(share > 0 && share <= 1)
        assert.isAtLeast(expectedOutputTokens(seen, nowMs, 300), 0)
      }),
    )
  })
})

describe("expected output tokens", () => {
  it("is the prior at first and then the mean of what was seen", () => {
    assert.approximately(expectedOutputTokens(empty(0), 0, 250), 250, 1e-6)
    const seen = repeat(50, (self, i) => success(self, 0, 100, i % 2 === 0 ? 40 : 60))
    assert.approximately(expectedOutputTokens(seen, 0, 250), 50, 2)
  })
})

describe("availability", () => {
  it("starts at 1 and survives one failure as healthy, not two", () => {
    assert.strictEqual(availability(empty(0), 0), 1)
    assert.isAtLeast(availability(failure(empty(0), 0), 0), 0.8)
    assert.isBelow(
      availability(
        repeat(2, (self) => failure(self, 0)),
        0,
      ),
      0.8,
    )
  })

  it("falls below healthy within tens of attempts when half of them fail, after any number of good ones", () => {
    const good = repeat(10_000, (self) => success(self, 0, 100, 10))
    const after = repeat(30, (self, i) => (i % 2 === 0 ? failure(self, 0) : success(self, 0, 100, 10)), good)
    assert.isBelow(availability(after, 0), 0.8)
  })

  it("does not fall for the odd failure of a busy candidate", () => {
    const seen = repeat(1_000, (self, i) => (i % 20 === 0 ? failure(self, 0) : success(self, 0, 100, 10)))
    assert.isAbove(availability(seen, 0), 0.9)
  })

  it("comes back with time, soon for what has worked since and late for what has not", () => {
    const failing = repeat(20, (self) => failure(self, 0))
    const working = success(failing, 0, 100, 10)
    assert.isBelow(availability(working, 0), 0.5)
    assert.isAbove(availability(working, 3 * MINUTE), 0.8)
    assert.isBelow(availability(failing, 30 * MINUTE), 0.8)
    assert.isAbove(availability(failing, 60 * MINUTE), 0.8)
  })

  it("never lets a failure look like a fast answer", () => {
    const seen = repeat(20, (self) => success(self, 0, 5_000, 100))
    const after = repeat(20, (self) => failure(self, 0), seen)
    assert.strictEqual(expectedMs(after, 0, "whole", 100), expectedMs(seen, 0, "whole", 100))
  })
})
