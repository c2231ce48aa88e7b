import { Clock, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import type { Dice } from "../fuzz/Dice.ts"
import { START_MS, startedClock } from "../support/started-clock.ts"

/** The clock of a fleet. */
export const virtualTime = Layer.provideMerge(startedClock, TestClock.layer())

/** Virtual time since the start of a fleet, and what happens in it. */
export const makeTimeline = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const nowMs = (): number => clock.currentTimeMillisUnsafe() - START_MS
  return {
    nowMs,
    /** Has something happen in so many milliseconds. */
    later: (ms: number, happen: () => void): void => {
      runFork(Effect.andThen(Effect.sleep(ms), Effect.sync(happen)))
    },
    /** Lets that many seconds pass, in which requests arrive at random moments. */
    pass: Effect.fnUntraced(function* (
      seconds: number,
      perSecond: number,
      dice: Dice,
      arrive: Effect.Effect<void>,
    ) {
      const endMs = nowMs() + seconds * 1_000
      for (let dueMs = nowMs(); ; ) {
        dueMs -= (Math.log(1 - dice.next()) * 1_000) / perSecond
        const atMs = Math.min(Math.ceil(dueMs), endMs)
        if (atMs > nowMs()) yield* TestClock.adjust(atMs - nowMs())
        if (atMs === endMs) return
        yield* arrive
      }
    }),
  }
})
