import { Clock, Effect } from "effect"

/**
 * The clock that is in place, with a wall side that `step` sets forward or back. What only measures, sleeps included,
 * does not notice.
 */
export const steppedClock = Effect.map(Clock.Clock, (clock) => {
  let steppedMs = 0
  const nowMs = () => clock.currentTimeMillisUnsafe() + steppedMs
  const nowNanos = () => clock.currentTimeNanosUnsafe() + BigInt(steppedMs) * 1_000_000n
  const stepped: Clock.Clock = {
    // Of a test clock everything, so that it can still be adjusted.
    ...clock,
    sleep: (duration) => clock.sleep(duration),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    currentTimeMillisUnsafe: nowMs,
    currentTimeMillis: Effect.sync(nowMs),
    currentTimeNanosUnsafe: nowNanos,
    currentTimeNanos: Effect.sync(nowNanos),
  }
  const step = (ms: number) => {
    steppedMs += ms
  }
  return { clock: stepped, step }
})

const HOUR_MS = 3_600_000

/** What is done to wall clocks: corrections of a second or an hour, a wrong date and its repair. */
export const CLOCK_STEPS = [1_000, -1_000, HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS]
