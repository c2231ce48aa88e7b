import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { type CallShape, LatencyModel } from "../../src/routing/latency-model.ts"

const SECOND = 1_000
const MINUTE = 60 * SECOND

const shape = (outputTokens = 300, inputTokens = 1_000, inFlight = 0): CallShape => ({
  outputTokens,
  inputTokens,
  inFlight,
})

/** A model, the time, and answers one after another. */
const setup = (model = LatencyModel.perMode.whole()) => {
  let nowMs = 0
  return {
    model,
    /** One answer in two seconds. */
    answers: (count: number, msOf: (index: number) => readonly [shape: CallShape, ms: number]) => {
      for (let i = 0; i < count; i++) {
        nowMs += 2 * SECOND
        model.observe(nowMs, ...msOf(i))
      }
    },
    wait: (ms: number) => {
      nowMs += ms
    },
    predict: (of = shape()) => model.predict(nowMs, of),
  }
}

/** The same numbers in every run, evenly between 0 and 1, in no order. */
const scattered = (index: number, step = 0.754_877_666): number => (index * step) % 1

describe("what a candidate usually takes", () => {
  it("is a guess before the first answer: longer for a longer whole answer, and not for a first token", () => {
    const whole = LatencyModel.perMode.whole()
    const stream = LatencyModel.perMode.stream()
    assert.isAbove(whole.predict(0, shape(1_000)), whole.predict(0, shape(10)))
    assert.strictEqual(stream.predict(0, shape(1_000)), stream.predict(0, shape(10)))
  })

  it("is the first answer's time after the first answer", () => {
    const { answers, predict } = setup()
    answers(1, () => [shape(), 20_000])
    assert.approximately(predict(), 20_000, 4_000)
  })

  it("is overhead, time for each output token and time for each uncached input token", () => {
    const { answers, predict } = setup()
    answers(200, (i) => {
      const output = 50 + Math.floor(950 * scattered(i))
      const input = Math.floor(20_000 * scattered(i, 0.569_840_291))
      return [shape(output, input), 200 + 5 * output + 0.1 * input]
    })
    for (const [output, input] of [
      [50, 0],
      [1_000, 0],
      [50, 20_000],
      [500, 10_000],
    ] as const) {
      const ms = 200 + 5 * output + 0.1 * input
      assert.approximately(predict(shape(output, input)), ms, 0.1 * ms)
    }
  })

  it("is the mean of answers of one length", () => {
    const { answers, predict } = setup()
    answers(100, (i) => [shape(), i % 2 === 0 ? 300 : 500])
    assert.approximately(predict(), 400, 60)
  })

  it("is not far from the mean where most answers are quick and few take ten times as long", () => {
    const { answers, predict } = setup()
    answers(2_000, (i) => [shape(), scattered(i) < 0.1 ? 5_000 : 500])
    assert.approximately(predict(), 950, 300)
  })

  it("follows what the candidate has become for good, in long answers and in short ones", () => {
    const { answers, predict } = setup()
    const lengths = (i: number) => 50 + Math.floor(500 * scattered(i))
    answers(300, (i) => [shape(lengths(i)), 500 + 10 * lengths(i)])
    answers(600, (i) => [shape(lengths(i)), 500 + 2 * lengths(i)])
    for (const output of [50, 550])
      assert.approximately(predict(shape(output)), 500 + 2 * output, 0.2 * 1_600)
  })
})

describe("how a candidate is just now", () => {
  for (const [name, before, after] of [
    ["slower", 500, 5_000],
    ["quicker", 5_000, 500],
  ] as const)
    it(`follows a jump to ten times ${name} within a few answers, however many came before`, () => {
      const { answers, predict } = setup()
      answers(5_000, () => [shape(), before])
      answers(5, () => [shape(), after])
      assert.approximately(predict(), after, 0.2 * after)
    })

  it("is hardly moved by one answer that took a hundred times as long", () => {
    const { answers, predict } = setup()
    answers(100, () => [shape(), 500])
    answers(1, () => [shape(), 50_000])
    assert.isBelow(predict(), 1_000)
    answers(100, () => [shape(), 500])
    assert.approximately(predict(), 500, 150)
  })

  it("drifts back to the usual when nobody asks", () => {
    const { answers, predict, wait } = setup()
    answers(300, () => [shape(), 500])
    answers(6, () => [shape(), 5_000])
    const slow = predict()
    wait(MINUTE)
    assert.isBelow(predict(), slow)
    assert.isAbove(predict(), 2_000)
    wait(60 * MINUTE)
    assert.approximately(predict(), 500, 250)
  })

  it("is wrong for no longer than a few answers after an answer in no time at all", () => {
    const { answers, predict } = setup()
    answers(20, () => [shape(), 0])
    answers(10, () => [shape(), 500])
    assert.approximately(predict(), 500, 100)
  })
})

describe("calls in flight", () => {
  it("are learned to cost time where answers take longer with more of them", () => {
    const { answers, model, predict } = setup()
    answers(500, (i) => {
      const inFlight = Math.floor(20 * scattered(i))
      return [shape(300, 1_000, inFlight), 500 * (1 + 0.1 * inFlight)]
    })
    assert.isAbove(model.loadSlope, 0)
    assert.isAbove(predict(shape(300, 1_000, 19)), 1.4 * predict(shape(300, 1_000, 0)))
  })

  it("are not blamed where they are always as many, however slow the candidate is", () => {
    const { answers, model } = setup()
    answers(200, () => [shape(300, 1_000, 0), 500])
    answers(500, () => [shape(300, 1_000, 8), 5_000])
    assert.isBelow(model.loadSlope, 0.05)
  })

  it("cost nothing where answers do not depend on them", () => {
    const { answers, predict } = setup()
    answers(500, (i) => [shape(300, 1_000, Math.floor(20 * scattered(i))), 500])
    assert.approximately(predict(shape(300, 1_000, 19)), predict(shape(300, 1_000, 0)), 50)
  })
})

describe("a prediction", () => {
  const call = fc.record({
    afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 100 * MINUTE })),
    ms: fc.oneof(
      fc.constant(0),
      fc.double({ min: 0, max: 10_000, noNaN: true }),
      fc.integer({ min: 0, max: 1e9 }),
    ),
    outputTokens: fc.oneof(
      fc.constant(0),
      fc.integer({ min: 0, max: 1_000 }),
      fc.integer({ min: 0, max: 1e9 }),
    ),
    inputTokens: fc.oneof(
      fc.constant(0),
      fc.integer({ min: 0, max: 10_000 }),
      fc.integer({ min: 0, max: 1e9 }),
    ),
    inFlight: fc.integer({ min: 0, max: 10_000 }),
  })
  const tokens = fc.integer({ min: 0, max: 1e7 })

  it("is positive and finite, and never falls with more tokens, whatever was seen", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("whole", "stream"),
        fc.array(call, { maxLength: 60 }),
        fc.tuple(tokens, tokens),
        fc.tuple(tokens, tokens),
        fc.integer({ min: 0, max: 10_000 }),
        (mode, calls, [a, b], [c, d], inFlight) => {
          const model = LatencyModel.perMode[mode]()
          let nowMs = 0
          for (const { afterMs, ms, ...of } of calls) {
            nowMs += afterMs
            model.observe(nowMs, of, ms)
            assert.isAtLeast(model.loadSlope, 0)
          }
          const short = { outputTokens: Math.min(a, b), inputTokens: Math.min(c, d), inFlight }
          const long = { outputTokens: Math.max(a, b), inputTokens: Math.max(c, d), inFlight }
          const shortMs = model.predict(nowMs, short)
          const longMs = model.predict(nowMs, long)
          assert.isTrue(Number.isFinite(longMs), `${longMs}`)
          assert.isAtLeast(shortMs, 1)
          assert.isAtLeast(longMs, shortMs)
        },
      ),
      { numRuns: 500 },
    )
  })
})
