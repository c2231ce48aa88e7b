import { Effect, FiberSet } from "effect"
import { monotonicMs } from "../../platform/monotonic.ts"
import type { Measurements } from "./measurements.ts"
import type { Outcome } from "./Outcome.ts"

/**
 * Sends `rate` requests a second at even distances and waits for their ends. A request is never held back by those
 * before it, and its times count from when it was due: a service that stands still does not slow the test down, and the
 * requests that it kept waiting are all seen.
 */
export const openLoop = Effect.fn("openLoop")(function* (options: {
  readonly rate: number
  readonly durationMs: number
  readonly send: Effect.Effect<Outcome>
  readonly measurements: Measurements
}) {
  const { rate, durationMs, send, measurements } = options
  const running = yield* FiberSet.make<void>()
  const startMs = yield* monotonicMs
  measurements.start(startMs)
  const total = Math.max(1, Math.round((rate * durationMs) / 1_000))
  for (let i = 0; i < total; i++) {
    const dueMs = startMs + (i * 1_000) / rate
    const waitMs = dueMs - (yield* monotonicMs)
    // Whole milliseconds, rounded up: a timer that is early would make a request look faster than it was.
    if (waitMs > 0) yield* Effect.sleep(Math.ceil(waitMs))
    measurements.sent(yield* monotonicMs)
    yield* FiberSet.run(
      running,
      Effect.map(send, (outcome) => measurements.ended(dueMs, outcome)),
    )
  }
  yield* FiberSet.awaitEmpty(running)
}, Effect.scoped)
