import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { RequestId } from "../../src/domain/Ids.ts"
import { RequestRecorder } from "../../src/inference/RequestRecorder.ts"
import { monotonicMs } from "../../src/platform/monotonic.ts"
import { steppedClock } from "../support/stepped-clock.ts"

const BEFORE_MIDNIGHT = Date.UTC(2026, 11, 31, 23, 59, 59, 500)

const begun = Effect.gen(function* () {
  yield* TestClock.setTime(BEFORE_MIDNIGHT)
  const { clock, step } = yield* steppedClock
  const begin = () => new RequestRecorder(RequestId.make("request"), "/infer", clock)
  return { begin, recorder: begin(), step }
})

describe("a request's time line", () => {
  it.effect("goes on over the end of a year", () =>
    Effect.gen(function* () {
      const { recorder } = yield* begun
      yield* TestClock.adjust(700)
      const startedAt = recorder.attemptStarted(yield* monotonicMs)
      assert.strictEqual(new Date(startedAt).toISOString(), "2027-01-01T00:00:00.200Z")
    }),
  )

  it.effect("has only what passed, when the wall clock repeats a leap second or is set", () =>
    Effect.gen(function* () {
      const { recorder, step } = yield* begun
      for (const ms of [-1_000, 86_400_000, -2 * 86_400_000]) {
        step(ms)
        yield* TestClock.adjust(100)
      }
      assert.strictEqual(recorder.now() - recorder.startedAt, 300)
      assert.strictEqual(recorder.startedAt, BEFORE_MIDNIGHT)
    }),
  )

  it.effect("of the first request after a night's sleep of the machine begins in the morning", () =>
    Effect.gen(function* () {
      const { begin, recorder, step } = yield* begun
      step(9 * 3_600_000)
      yield* TestClock.adjust(50)
      const morning = begin()
      assert.strictEqual(new Date(morning.startedAt).toISOString(), "2027-01-01T08:59:59.550Z")
      // A call under way over the night took as long as the process ran.
      assert.strictEqual(recorder.now() - recorder.startedAt, 50)
    }),
  )
})
