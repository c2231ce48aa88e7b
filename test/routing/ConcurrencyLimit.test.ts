import { assert, describe, it } from "@effect/vitest"
import { ConcurrencyLimit } from "../../src/routing/ConcurrencyLimit.ts"

const ROUND_MS = 300

/**
 * Rounds of calls that begin together, as many as are wanted and allowed, to a provider with room for some: the others
 * end as `over` says. Returns what the limit was in each.
 */
const play = (
  limit: ConcurrencyLimit,
  rounds: number,
  wanted: number,
  room: number,
  over: "overloaded" | "limited" | "timedOut" | "failed" | "slow",
  fromMs = 0,
) =>
  Array.from({ length: rounds }, (_, round) => {
    const startedMs = fromMs + round * ROUND_MS
    const nowMs = startedMs + ROUND_MS - 1
    const calls = Math.min(wanted, limit.value)
    for (let inFlight = 1; inFlight <= calls; inFlight++) {
      const call = { startedMs, inFlight }
      if (inFlight <= room) limit.answered(call, 1, nowMs)
      else if (over === "slow") limit.answered(call, calls / room, nowMs)
      else limit[over](call, nowMs)
    }
    return limit.value
  })

const most = (values: ReadonlyArray<number>) => Math.max(...values)
const least = (values: ReadonlyArray<number>) => Math.min(...values)
const PLENTY = Number.POSITIVE_INFINITY

describe("a limit of calls in flight", () => {
  it("does not bind who is answered, and at most doubles with each round", () => {
    const limit = new ConcurrencyLimit()
    for (const wanted of [20, 40, 60, 100, 180, 300, 500, 900]) {
      const before = limit.value
      play(limit, 1, wanted, PLENTY, "failed")
      assert.isAtLeast(limit.value, Math.min(wanted, before))
      assert.isAtMost(limit.value, 2 * before)
    }
    play(limit, 5, 900, PLENTY, "failed")
    assert.isAbove(limit.value, 900)
  })

  it("follows what is needed down again, so that what may hang is in proportion", () => {
    const limit = new ConcurrencyLimit()
    play(limit, 10, 500, PLENTY, "failed")
    assert.isAbove(limit.value, 500)
    play(limit, 1_000, 20, PLENTY, "failed", 10 * ROUND_MS)
    assert.strictEqual(limit.value, 64)
  })

  for (const over of ["overloaded", "limited", "timedOut", "slow"] as const) {
    it(`finds how many there is room for: ${over}`, () => {
      const limit = new ConcurrencyLimit()
      const values = play(limit, 400, 300, 30, over).slice(20)
      assert.isAtMost(most(values), 2 * 30 + 4)
      assert.isAtLeast(least(values), 12)
      // The room is back: careful for a minute, and then it grows as ever.
      play(limit, 260, 300, PLENTY, over, 400 * ROUND_MS)
      assert.isAtLeast(limit.value, 300)
    })

    it(`is never less than a few: ${over}`, () => {
      const limit = new ConcurrencyLimit()
      const values = play(limit, 400, 300, 0.01, over)
      assert.isAtLeast(least(values), over === "overloaded" ? 2 : 8)
    })
  }

  it("is not moved by single failures or silences of a candidate that has room", () => {
    const limit = new ConcurrencyLimit()
    for (let i = 0; i < 100; i++) {
      limit.failed({ startedMs: i, inFlight: 5 }, i)
      limit.timedOut({ startedMs: i, inFlight: 5 }, i)
    }
    assert.strictEqual(limit.value, 64)
  })

  it("shrinks once for calls that were under way together", () => {
    const limit = new ConcurrencyLimit()
    for (let inFlight = 64; inFlight > 32; inFlight--) limit.overloaded({ startedMs: 0, inFlight }, 100)
    assert.strictEqual(limit.value, 48)
  })
})

describe("after a trip", () => {
  const tripped = (atMs: number, limit = new ConcurrencyLimit()) => {
    limit.tripped(atMs)
    return limit
  }

  it("it is one until the first answer, then a few, and doubles with each round up to what it was", () => {
    const limit = tripped(1_000)
    assert.strictEqual(limit.value, 1)
    // Sent before.
    limit.answered({ startedMs: 999, inFlight: 30 }, 1, 1_000)
    assert.strictEqual(limit.value, 1)
    assert.deepStrictEqual(play(limit, 1, 1, PLENTY, "failed", 1_000), [8])
    assert.isAtMost(play(limit, 1, 100, PLENTY, "failed", 2_000)[0] ?? Number.NaN, 16)
    assert.isAtLeast(play(limit, 4, 100, PLENTY, "failed", 3_000).at(-1) ?? Number.NaN, 64)
  })

  it("failures of any kind show that it is too much, until it has its traffic back", () => {
    const limit = tripped(0)
    const values = play(limit, 200, 100, 20, "failed", 1).slice(5)
    assert.isAtMost(most(values), 41)
    assert.isAtLeast(least(values), 12)
    play(limit, 10, 3, PLENTY, "failed", 100_000)
    const { value } = limit
    limit.failed({ startedMs: 200_000, inFlight: value }, 200_000)
    assert.strictEqual(limit.value, value)
  })

  it("one trip after another makes the first answer worth less", () => {
    const limit = new ConcurrencyLimit()
    const firsts = [0, 1, 2, 3, 4].map((i) => {
      limit.tripped(1_000 * i)
      limit.answered({ startedMs: 1_000 * i, inFlight: 1 }, 1, 1_000 * i + 1)
      return limit.value
    })
    assert.deepStrictEqual(firsts, [8, 4, 2, 2, 2])
  })
})
