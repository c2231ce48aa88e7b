/**
 * Milliseconds of a clock that nobody sets, for every measure of how long something takes or lasts: its zero means
 * nothing, and it never steps. The wall clock is for records and for what comes from outside.
 */
import { performance } from "node:perf_hooks"
import { Clock, Context, Effect } from "effect"

const live = Context.get(Context.empty(), Clock.Clock)

const ofNanos = (nanos: bigint): number => Number(nanos / 1_000n) / 1e3

/** What `performance.now()` lacks of the live clock: both never step, and begin at different times. */
const ahead = ofNanos(live.monotonicTimeNanosUnsafe()) - performance.now()

/**
 * To the microsecond, which a number holds for centuries. A request asks some twenty times: big integers are dear, and so is the
 * global `performance`, which is looked up anew each time.
 */
export const monotonicMsUnsafe = (clock: Clock.Clock): number =>
  clock === live ? performance.now() + ahead : ofNanos(clock.monotonicTimeNanosUnsafe())

export const monotonicMs: Effect.Effect<number> = Effect.clockWith((clock) =>
  Effect.succeed(monotonicMsUnsafe(clock)),
)
