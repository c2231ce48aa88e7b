import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { Reliability } from "../../src/routing/reliability.ts"

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HEALTHY = 0.35

const repeat = (times: number, step: (index: number) => void) => {
  for (let index = 0; index < times; index++) step(index)
}

describe("health", () => {
  it("is in doubt with failures in a row of a candidate that used to answer, until it answers again", () => {
    const seen = new Reliability()
    repeat(20, () => seen.succeeded(0, 100))
    seen.failed(0, 100)
    assert.isFalse(seen.isDoubtful(0))
    repeat(7, () => seen.failed(0, 100))
    assert.isTrue(seen.isDoubtful(0))
    seen.succeeded(0, 100)
    assert.isFalse(seen.isDoubtful(0))
  })

  it("is not lost to a bad patch of a candidate whose calls often fail: its score says that", () => {
    const seen = new Reliability()
    repeat(60, (call) => (call % 5 < 2 ? seen.failed(0, 100) : seen.succeeded(0, 100)))
    repeat(4, () => seen.failed(0, 100))
    assert.isBelow(seen.availability(0), 0.8)
    assert.isFalse(seen.isDoubtful(0))
    repeat(10, () => seen.failed(0, 100))
    assert.isTrue(seen.isDoubtful(0))
  })

  it("is lost by a candidate of which hardly anything comes", () => {
    const seen = new Reliability()
    repeat(100, (call) => (call % 10 === 0 ? seen.succeeded(0, 100) : seen.failed(0, 100)))
    seen.succeeded(0, 100)
    assert.isTrue(seen.isUnhealthy(0))
  })
})

describe("availability", () => {
  it("starts at 1 and survives a few failures as healthy, not many", () => {
    const seen = new Reliability()
    assert.strictEqual(seen.availability(0), 1)
    repeat(5, () => seen.failed(0, 100))
    assert.isAtLeast(seen.availability(0), HEALTHY)
    assert.isFalse(seen.isUnhealthy(0))
    repeat(5, () => seen.failed(0, 100))
    assert.isBelow(seen.availability(0), HEALTHY)
    assert.isTrue(seen.isUnhealthy(0))
  })

  it("falls within tens of attempts when most of them fail, after any number of good ones", () => {
    const seen = new Reliability()
    repeat(10_000, () => seen.succeeded(0, 100))
    repeat(90, (i) => (i % 6 === 0 ? seen.succeeded(0, 100) : seen.failed(0, 100)))
    assert.isBelow(seen.availability(0), HEALTHY)
  })

  it("does not fall for the odd failure of a busy candidate", () => {
    const seen = new Reliability()
    repeat(1_000, (i) => (i % 20 === 0 ? seen.failed(0, 100) : seen.succeeded(0, 100)))
    assert.isAbove(seen.availability(0), 0.9)
  })

  it("is that of the share of calls that are left while others are answered, soon forgotten", () => {
    const hanging = new Reliability()
    const long = new Reliability()
    for (const seen of [hanging, long]) repeat(100, () => seen.succeeded(0, 100))
    repeat(2, () => hanging.failed(0, 5_000, 5_000))
    repeat(2, () => long.outlasted(0, 5_000))
    assert.isBelow(hanging.availability(0), long.availability(0))
    assert.isBelow(hanging.availability(3 * MINUTE), 0.94)
    assert.isAbove(long.availability(3 * MINUTE), 0.97)
    assert.approximately(long.failureMs, 5_000, 1e-6)
  })

  it("comes back with time, soon for what has worked since and late for what has not", () => {
    const failing = new Reliability()
    const working = new Reliability()
    repeat(20, () => failing.failed(0, 100))
    repeat(20, () => working.failed(0, 100))
    working.succeeded(0, 100)
    assert.isBelow(working.availability(0), HEALTHY)
    assert.isAbove(working.availability(6 * MINUTE), 0.9)
    assert.isBelow(failing.availability(6 * MINUTE), HEALTHY)
    assert.isAbove(failing.availability(90 * MINUTE), 0.9)
  })

  it("is what it was before an outage once that is forgiven", () => {
    const seen = new Reliability()
    repeat(60, (call) => (call % 3 === 0 ? seen.failed(0, 100) : seen.succeeded(0, 100)))
    const before = seen.availability(0)
    repeat(30, () => seen.failed(0, 100))
    assert.isBelow(seen.availability(0), before - 0.2)
    seen.forgive()
    assert.approximately(seen.availability(0), before, 0.02)
  })

  it("is not what it was in trouble that is long over, when a later one is forgiven", () => {
    const seen = new Reliability()
    repeat(100, (call) => (call % 4 === 0 ? seen.succeeded(0, 100) : seen.failed(0, 100)))
    repeat(500, (call) => seen.succeeded(60 * MINUTE + call * SECOND, 100))
    const now = 70 * MINUTE
    seen.forgive()
    assert.isAbove(seen.availability(now), 0.99)
    seen.failed(now, 100)
    seen.forgive()
    assert.isAbove(seen.availability(now), 0.99)
  })

  it("is forgiven as a whole, also what failed while it came back", () => {
    const seen = new Reliability()
    repeat(50, () => seen.succeeded(0, 100))
    repeat(30, (call) => seen.failed(call * SECOND, 3_000, 3_000))
    seen.succeeded(31 * SECOND, 100)
    seen.failed(31.5 * SECOND, 100)
    repeat(3, () => seen.succeeded(32 * SECOND, 100))
    assert.isBelow(seen.availability(33 * SECOND), 0.5)
    seen.forgive()
    assert.isAbove(seen.availability(33 * SECOND), 0.95)
  })

  it("is whole again when failures are forgiven, and how long they took is not forgotten", () => {
    const seen = new Reliability()
    repeat(20, () => seen.failed(0, 250))
    seen.forgive()
    assert.strictEqual(seen.availability(0), 1)
    assert.isTrue(seen.hasFailed)
    assert.approximately(seen.failureMs, 250, 1e-6)
  })

  it("is above 0 and at most 1, whatever was seen and whenever", () => {
    const attempt = fc.record({
      afterMs: fc.integer({ min: 0, max: 100 * MINUTE }),
      ms: fc.integer({ min: 0, max: 600_000 }),
      ok: fc.boolean(),
      waitedMs: fc.nat(600_000),
    })
    fc.assert(
      fc.property(fc.array(attempt), fc.nat(100 * MINUTE), fc.nat(600_000), (attempts, later, ms) => {
        const seen = new Reliability()
        let nowMs = 0
        for (const { afterMs, ms, ok, waitedMs } of attempts) {
          nowMs += afterMs
          if (ok) seen.succeeded(nowMs, ms)
          else seen.failed(nowMs, ms, waitedMs)
        }
        const before = seen.availability(nowMs)
        const after = seen.availability(nowMs + later)
        assert.isTrue(before > 0 && after <= 1)
        // Time alone makes nobody worse.
        assert.isAtLeast(after, before - 1e-12)
        assert.isAtLeast(seen.failureMs, 0)
        assert.isAbove(seen.patienceMs(ms), ms)
        assert.isAbove(seen.lateAfterMs(ms), 0)
      }),
    )
  })
})

describe("the time of failures", () => {
  it("follows what the latest ones took", () => {
    const seen = new Reliability()
    assert.isFalse(seen.hasFailed)
    seen.failed(0, 100)
    assert.strictEqual(seen.failureMs, 100)
    repeat(50, () => seen.failed(0, 5_000))
    assert.approximately(seen.failureMs, 5_000, 100)
  })
})

describe("patience", () => {
  it("grows with what is expected, and does not go below some seconds", () => {
    const seen = new Reliability()
    seen.succeeded(0, 100)
    assert.isAtLeast(seen.patienceMs(1), SECOND)
    assert.isAbove(seen.patienceMs(60_000), 2 * 60_000)
    assert.isAbove(seen.lateAfterMs(60_000), 60_000)
    assert.isBelow(seen.lateAfterMs(60_000), seen.patienceMs(60_000))
  })

  it("is greater with a candidate that nobody has heard from", () => {
    const known = new Reliability()
    known.succeeded(0, 100)
    assert.isAbove(new Reliability().patienceMs(100), known.patienceMs(100))
  })

  it("is greater after an answer that took long, for as long as others do not make it forgotten", () => {
    const seen = new Reliability()
    seen.succeeded(0, 300)
    const usual = seen.patienceMs(300)
    seen.succeeded(0, 20_000)
    assert.isAtLeast(seen.patienceMs(300), 20_000)
    repeat(20, () => seen.succeeded(0, 300))
    assert.isAtLeast(seen.patienceMs(300), 20_000)
    repeat(2_000, () => seen.succeeded(0, 300))
    assert.isAtMost(seen.patienceMs(300), 1.5 * usual)
  })

  it("is bounded, however long an answer once took", () => {
    const seen = new Reliability()
    seen.succeeded(0, 3_600_000)
    assert.isAtMost(seen.patienceMs(300), 2 * MINUTE)
  })

  it("grows, up to a bound, with every call that was left of a candidate that has never answered", () => {
    const seen = new Reliability()
    let patienceMs = seen.patienceMs(1_000)
    repeat(10, () => {
      seen.failed(0, patienceMs, patienceMs)
      assert.isAtLeast(seen.patienceMs(1_000), patienceMs)
      patienceMs = seen.patienceMs(1_000)
    })
    assert.isAbove(patienceMs, new Reliability().patienceMs(1_000))
    assert.isAtMost(patienceMs, MINUTE)
  })

  it("does not grow while a known candidate hangs", () => {
    const seen = new Reliability()
    seen.succeeded(0, 300)
    const before = seen.patienceMs(300)
    repeat(10, () => seen.failed(0, before, before))
    assert.strictEqual(seen.patienceMs(300), before)
  })
})
