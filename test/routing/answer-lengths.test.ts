import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { AnswerLengths, type Asked } from "../../src/routing/answer-lengths.ts"

const asked = (fields: Partial<Asked> = {}): Asked => ({
  application: undefined,
  inputTokens: 1_000,
  outputLimit: undefined,
  ...fields,
})

const learned = (
  ...answers: ReadonlyArray<readonly [Partial<Asked>, outputTokens: number, times: number]>
) => {
  const lengths = new AnswerLengths()
  for (const [fields, outputTokens, times] of answers)
    for (let i = 0; i < times; i++) lengths.observe(asked(fields), outputTokens)
  return lengths
}

describe("the length of answers", () => {
  it("is a guess at first, then what was seen, and follows what has become of it", () => {
    const lengths = learned([{}, 40, 100])
    assert.isAbove(new AnswerLengths().expect(asked()), 100)
    assert.approximately(lengths.expect(asked()), 40, 4)
    for (let i = 0; i < 1_000; i++) lengths.observe(asked(), 800)
    assert.approximately(lengths.expect(asked()), 800, 80)
  })

  it("is that of the application that asks", () => {
    const lengths = learned([{ application: 1 }, 50, 100], [{ application: 2 }, 2_000, 100])
    assert.approximately(lengths.expect(asked({ application: 1 })), 50, 75)
    assert.approximately(lengths.expect(asked({ application: 2 })), 2_000, 75)
  })

  it("is that of inputs of such a size, and of such a limit, where no application is known", () => {
    const lengths = learned(
      [{ inputTokens: 100 }, 50, 100],
      [{ inputTokens: 50_000 }, 2_000, 100],
      [{ inputTokens: 100, outputLimit: 4_000 }, 900, 100],
    )
    assert.approximately(lengths.expect(asked({ inputTokens: 110 })), 50, 75)
    assert.approximately(lengths.expect(asked({ inputTokens: 60_000 })), 2_000, 150)
    assert.approximately(lengths.expect(asked({ inputTokens: 110, outputLimit: 4_000 })), 900, 75)
  })

  it("of a kind that is not known is that of the next coarser one: its limit's, and then that of all", () => {
    const lengths = learned([{ outputLimit: 4_000 }, 900, 100], [{}, 100, 100])
    const all = lengths.expect(asked({ outputLimit: 200_000 }))
    assert.approximately(all, 500, 300)
    assert.approximately(lengths.expect(asked({ outputLimit: 4_000, inputTokens: 50_000 })), 900, 75)
    assert.strictEqual(lengths.expect(asked({ application: 7 })), lengths.expect(asked()))
  })

  it("goes over to a kind's own answers one by one", () => {
    const lengths = learned([{}, 100, 200])
    let before = lengths.expect(asked({ application: 7 }))
    const first = before
    for (let i = 0; i < 20; i++) {
      lengths.observe(asked({ application: 7 }), 1_000)
      const now = lengths.expect(asked({ application: 7 }))
      assert.isAbove(now, before)
      before = now
    }
    assert.isBelow(first, 150)
    assert.isAbove(before, 600)
  })

  it("is never more than the limit and never negative, whatever was seen", () => {
    const anyAsked = fc.record({
      application: fc.option(fc.nat(3), { nil: undefined }),
      inputTokens: fc.nat(1_000_000),
      outputLimit: fc.option(fc.nat(100_000), { nil: undefined }),
    })
    fc.assert(
      fc.property(fc.array(fc.tuple(anyAsked, fc.nat(1e9))), anyAsked, (answers, next) => {
        const lengths = new AnswerLengths()
        for (const [each, outputTokens] of answers) lengths.observe(each, outputTokens)
        const expected = lengths.expect(next)
        assert.isTrue(Number.isFinite(expected) && expected >= 0)
        if (next.outputLimit !== undefined) assert.isAtMost(expected, next.outputLimit)
      }),
    )
  })

  it("is known by enough answers of such a size", () => {
    const lengths = learned([{ inputTokens: 100 }, 50, 2])
    assert.isFalse(lengths.isKnown(asked({ inputTokens: 100 })))
    for (let i = 0; i < 100; i++) lengths.observe(asked({ inputTokens: 100 }), 50)
    assert.isTrue(lengths.isKnown(asked({ inputTokens: 100 })))
    assert.isFalse(lengths.isKnown(asked({ inputTokens: 100_000 })))
  })

  it("forgets the application that was not heard of for the longest when there are very many", () => {
    const lengths = learned([{ application: -1 }, 5_000, 100], [{ application: -2 }, 5_000, 100])
    for (let i = 0; i < 20_000; i++) {
      lengths.observe(asked({ application: i, inputTokens: 10 }), 20)
      if (i % 100 === 0) lengths.observe(asked({ application: -2 }), 5_000)
    }
    assert.isBelow(lengths.expect(asked({ application: -1, inputTokens: 10 })), 1_000)
    assert.approximately(lengths.expect(asked({ application: -2, inputTokens: 10 })), 5_000, 300)
  })
})
