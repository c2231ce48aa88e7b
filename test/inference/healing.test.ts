import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { makeWorld, takes } from "./load.ts"
import type { Fate } from "./world.ts"

/** How soon traffic follows a provider that gets worse or better. `a` is the better one while it is well. */

const down: Fate = { afterMs: 20, fails: { kind: "connect" } }
const MINUTE = 60_000

/** Number of the first request from `fromMs` on, from 1, with which `a` leads for good, that is for the rest of the run. */
const leadsFrom = (first: ReadonlyArray<readonly [atMs: number, target: string]>, fromMs: number) => {
  const after = first.filter(([atMs]) => atMs >= fromMs)
  return after.findLastIndex(([, target]) => target !== "a/m") + 2
}

describe("a provider that was down and is back", () => {
  for (const [rate, everyMs, outageMs] of [
    ["one request a minute", MINUTE, 30 * MINUTE],
    ["one request in ten seconds", 10_000, 10 * MINUTE],
    ["ten requests a second", 100, MINUTE],
  ] as const) {
    it.effect(`leads again with its third good answer: ${rate}`, () => {
      const warmMs = 20 * everyMs
      const backMs = warmMs + outageMs
      const { firsts, run, send } = makeWorld(({ atMs, target }) =>
        target !== "a/m" ? takes(600) : atMs >= warmMs && atMs < backMs ? down : takes(300),
      )
      return run(
        Effect.gen(function* () {
          yield* send(20 + outageMs / everyMs + Math.max(100, 90_000 / everyMs), everyMs)
          yield* TestClock.adjust(MINUTE)
          const answered = firsts().filter(([atMs, target]) => atMs >= backMs && target === "a/m")
          const [first = [Number.NaN, ""]] = answered
          // Its time is over within a minute, and then it is offered to every fifth request.
          assert.isAtMost(first[0] - backMs, MINUTE + 5 * everyMs)
          // Leads from the third on, but for the requests that pass while a probe is out.
          assert.isAtMost(leadsFrom(firsts(), first[0]), 3 + Math.ceil((3 * 400) / everyMs))
        }),
      )
    })
  }
})

describe("a provider that was down, on a route that never explores", () => {
  for (const model of ["priority", "cheapest", "weighted"]) {
    it.effect(`is left at once and comes back: ${model}`, () => {
      const backMs = 2 * MINUTE
      const { ended, firsts, run, send } = makeWorld(({ atMs, target }) =>
        target === "a/m" && atMs >= MINUTE && atMs < backMs ? down : takes(300),
      )
      const shareOfA = (fromMs: number, toMs: number) => {
        const between = firsts().filter(([atMs]) => atMs >= fromMs && atMs < toMs)
        return between.filter(([, target]) => target === "a/m").length / between.length
      }
      return run(
        Effect.gen(function* () {
          yield* send(2_400, 100, model)
          yield* TestClock.adjust(MINUTE)
          assert.strictEqual(shareOfA(0, MINUTE), 1)
          assert.isBelow(shareOfA(MINUTE, backMs), 0.05)
          // A trip lasts a minute at most.
          assert.strictEqual(shareOfA(3 * MINUTE + 10_000, 4 * MINUTE), 1)
          assert.isTrue(ended.every(({ code }) => code === undefined))
        }),
      )
    })
  }
})

describe("a provider that turns ten times slower", () => {
  // Before answers were taken for news it got 31, 85 and 162 of the 301 requests that follow.
  for (const [rate, everyMs, most] of [
    ["one request in two seconds", 2_000, 5],
    ["five a second", 200, 15],
    ["thirty a second", 33, 45],
  ] as const) {
    it.effect(`is left within few requests: ${rate}`, () => {
      const turnsMs = 100 * everyMs
      const { asked, run, send } = makeWorld(({ atMs, target }) =>
        takes(target === "b/m" ? 600 : atMs < turnsMs ? 300 : 3_000),
      )
      return run(
        Effect.gen(function* () {
          yield* send(401, everyMs)
          assert.isAtMost(asked("a/m", turnsMs), most)
        }),
      )
    })
  }

  for (const [rate, everyMs] of [
    ["one request a minute", MINUTE],
    ["five a second", 200],
  ] as const) {
    it.effect(`in one answer only is not left: ${rate}`, () => {
      let calls = 0
      const { asked, run, send } = makeWorld(({ target }) =>
        takes(target === "b/m" ? 600 : ++calls === 50 ? 3_000 : 300),
      )
      return run(
        Effect.gen(function* () {
          yield* send(100, everyMs)
          assert.strictEqual(asked("b/m"), 0)
        }),
      )
    })
  }
})
