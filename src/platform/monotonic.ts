/**
 * Milliseconds of a clock that nobody sets, for every measure of how long something takes or lasts: its zero means
 * nothing, and it never steps. The wall clock is for records and for what comes from outside.
 */
import { Clock, Context, Effect } from "effect"

const live = Context.get(Context.empty(), Clock.Clock)

/** To the microsecond, which a number holds for centuries. A request asks a dozen times, and big integers are dear. */
export const monotonicMsUnsafe = (clock: Clock.Clock): number =>
  clock === live ? performance.now() : Number(clock.monotonicTimeNanosUnsafe() / 1_000n) / 1e3

export const monotonicMs: Effect.Effect<number> = Effect.clockWith((clock) =>
  Effect.succeed(monotonicMsUnsafe(clock)),
)
