import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Settings } from "../../src/config/Settings.ts"
import { EventLoopDelay } from "../../src/limits/EventLoopDelay.ts"
import { LoadShedder } from "../../src/limits/LoadShedder.ts"
import { startedClock } from "../support/started-clock.ts"

const limited = Layer.effect(
  Settings,
  Effect.gen(function* () {
    const settings = yield* Settings
    const limits = { ...settings.gateway.limits, maxInFlight: 2, maxEventLoopDelayMs: 100 }
    return { ...settings, gateway: { ...settings.gateway, limits } }
  }),
).pipe(Layer.provide(Settings.layerTest()))

/** A shedder whose event loop delay the test sets. */
const shedder = (delay: { ms: number } = { ms: 0 }) =>
  LoadShedder.layerNoDeps.pipe(
    Layer.provide([startedClock, limited, Layer.succeed(EventLoopDelay, { take: () => delay.ms })]),
  )

/** A request: it holds its slot until its work ends, however that is. */
const holding = Effect.map(LoadShedder, ({ enter, inFlight }) => ({
  inFlight,
  withSlot: <A, E>(work: Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(
      Effect.suspend(() => Effect.fromResult(enter())),
      () => work,
      (leave) => Effect.sync(leave),
    ),
}))

const samplePeriods = (n: number) => TestClock.adjust(250 * n)

describe("load shedder", () => {
  it.effect("refuses above the limit without starting the work, and admits again when a slot is free", () =>
    Effect.gen(function* () {
      const { withSlot, inFlight } = yield* holding
      const gate = yield* Deferred.make<void>()
      const running = yield* Effect.forEach([1, 2], () =>
        Effect.forkChild(withSlot(Deferred.await(gate)), { startImmediately: true }),
      )
      assert.strictEqual(inFlight(), 2)
      let started = false
      const refused = yield* Effect.flip(
        withSlot(
          Effect.sync(() => {
            started = true
          }),
        ),
      )
      assert.strictEqual(refused.reason, "in_flight")
      assert.isAbove(refused.retryAfterMs, 0)
      assert.isFalse(started)
      assert.strictEqual(inFlight(), 2)

      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach(running, Fiber.join)
      assert.strictEqual(inFlight(), 0)
      assert.strictEqual(yield* withSlot(Effect.succeed("in")), "in")
    }).pipe(Effect.provide(shedder())),
  )

  it.effect("gives the slot back after success, failure, defect and interruption", () =>
    Effect.gen(function* () {
      const { withSlot, inFlight } = yield* holding
      for (let i = 0; i < 5; i++) {
        yield* withSlot(Effect.void)
        assert.isTrue(Exit.isFailure(yield* Effect.exit(withSlot(Effect.fail("typed")))))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(withSlot(Effect.die("defect")))))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(withSlot(Effect.interrupt))))
        const hanging = yield* Effect.forkChild(withSlot(Effect.never), { startImmediately: true })
        assert.strictEqual(inFlight(), 1)
        yield* Fiber.interrupt(hanging)
        assert.strictEqual(inFlight(), 0)
      }
    }).pipe(Effect.provide(shedder())),
  )

  it.effect("sheds while the event loop stays late, and stops when it recovers", () => {
    const delay = { ms: 0 }
    return Effect.gen(function* () {
      const { withSlot, inFlight } = yield* holding
      yield* samplePeriods(2)
      yield* withSlot(Effect.void)
      delay.ms = 101
      yield* samplePeriods(2)
      const refused = yield* Effect.flip(withSlot(Effect.void))
      assert.strictEqual(refused.reason, "event_loop_delay")
      assert.strictEqual(inFlight(), 0)
      delay.ms = 100
      yield* samplePeriods(1)
      yield* withSlot(Effect.void)
    }).pipe(Effect.provide(shedder(delay)))
  })

  it.effect("one late period alone sheds nothing", () => {
    const delay = { ms: 0 }
    return Effect.gen(function* () {
      const { withSlot } = yield* holding
      yield* samplePeriods(2)
      delay.ms = 5_000
      yield* samplePeriods(1)
      delay.ms = 0
      yield* withSlot(Effect.void)
      yield* samplePeriods(1)
      yield* withSlot(Effect.void)
    }).pipe(Effect.provide(shedder(delay)))
  })
})

describe("event loop delay", () => {
  it.live("reads near zero when idle and the length of a turn when blocked", () =>
    Effect.gen(function* () {
      const { take } = yield* EventLoopDelay
      const turns = (busyMs: number, n: number) =>
        Effect.repeat(
          Effect.andThen(
            Effect.sync(() => {
              const end = performance.now() + busyMs
              while (performance.now() < end);
            }),
            Effect.sleep(busyMs === 0 ? 30 : 1),
          ),
          { times: n },
        )
      take()
      yield* turns(0, 5)
      const idle = take()
      yield* turns(200, 3)
      const busy = take()
      assert.isAbove(busy, 100)
      assert.isBelow(idle, busy)
    }).pipe(Effect.provide(EventLoopDelay.layer)),
  )
})
