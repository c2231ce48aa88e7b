import { Duration, Effect } from "effect"
import { monotonicMs } from "./monotonic.ts"

/**
 * Fails after a duration. A process that was stopped or kept busy notices late, before it has looked at what came
 * meanwhile: then it has as much longer as it was late, and at most the duration once more.
 */
export const deadline = <E>(duration: Duration.Input, failure: () => E): Effect.Effect<never, E> =>
  Effect.gen(function* () {
    const ms = Duration.toMillis(duration)
    const startedMs = yield* monotonicMs
    yield* Effect.sleep(ms)
    const lateMs = (yield* monotonicMs) - startedMs - ms
    if (lateMs >= 1) yield* Effect.sleep(Math.min(lateMs, ms))
    return yield* Effect.fail(failure())
  })
