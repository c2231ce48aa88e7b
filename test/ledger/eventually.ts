import { assert } from "@effect/vitest"
import { Clock, Effect, Schedule } from "effect"
import { scaled } from "../support/slowness.ts"

export const onLiveClock = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Clock.Clock, Clock.Clock.defaultValue())

/** Waits for what another fiber does with a real database or disk, while virtual time stands still. */
export const eventually = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  condition.pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("20 millis"), times: scaled(250) }),
    Effect.map((holds) => assert.isTrue(holds)),
    onLiveClock,
  )
