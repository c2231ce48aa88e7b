/**
 * Milliseconds of a clock that nobody sets, for every measure of how long something takes or lasts: its zero means
 * nothing, and it never steps. The wall clock is for records and for what comes from outside.
 */
import { type Clock, Effect } from "effect"

/** To the microsecond, which a number holds for centuries. */
export const monotonicMsUnsafe = (clock: Clock.Clock): number =>
  Number(clock.monotonicTimeNanosUnsafe() / 1_000n) / 1e3

export const monotonicMs: Effect.Effect<number> = Effect.clockWith((clock) =>
  Effect.succeed(monotonicMsUnsafe(clock)),
)
