import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Option, Result } from "effect"
import { TestClock } from "effect/testing"
import type { GatewayConfig } from "../../src/config/GatewayConfig.ts"
import { Settings } from "../../src/config/Settings.ts"
import { Admission, type Slot } from "../../src/limits/Admission.ts"
import { EventLoopDelay } from "../../src/limits/EventLoopDelay.ts"
import { startedClock } from "../support/started-clock.ts"

const settings = (limits: Partial<GatewayConfig["limits"]>) =>
  Layer.effect(
    Settings,
    Effect.map(Settings, (settings) => ({
      ...settings,
      gateway: { ...settings.gateway, limits: { ...settings.gateway.limits, ...limits } },
    })),
  ).pipe(Layer.provide(Settings.layerTest()))

/** Room for two requests, and an event loop delay that the test sets. */
const admission = (
  delay: { ms: number } = { ms: 0 },
  limits: Partial<GatewayConfig["limits"]> = { maxInFlight: 2, maxKeyShare: 1 },
) =>
  Admission.layerNoDeps.pipe(
    Layer.provide([
      startedClock,
      settings({ maxEventLoopDelayMs: 100, ...limits }),
      Layer.succeed(EventLoopDelay, { take: () => delay.ms }),
    ]),
  )

/** A request: it holds its place until its work ends, however that is. */
const holding = Effect.map(Admission, ({ enter, saturation }) => ({
  saturation,
  withSlot: <A, E>(work: Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(
      Effect.suspend(() => Effect.fromResult(enter("key"))),
      () => work,
      (slot) => Effect.sync(() => slot.leave()),
    ),
}))

const samplePeriods = (n: number) => TestClock.adjust(250 * n)

describe("admission", () => {
  it.effect("refuses above the limit without starting the work, and admits again when a slot is free", () =>
    Effect.gen(function* () {
      const { withSlot, saturation } = yield* holding
      const gate = yield* Deferred.make<void>()
      const running = yield* Effect.forEach([1, 2], () =>
        Effect.forkChild(withSlot(Deferred.await(gate)), { startImmediately: true }),
      )
      assert.strictEqual(saturation()?.reason, "in_flight")
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
      assert.strictEqual(saturation()?.reason, "in_flight")

      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach(running, Fiber.join)
      assert.isUndefined(saturation())
      assert.strictEqual(yield* withSlot(Effect.succeed("in")), "in")
    }).pipe(Effect.provide(admission())),
  )

  it.effect("is busy before it is full", () =>
    Effect.gen(function* () {
      const { enter, isBusy } = yield* Admission
      const busy = () => {
        enter("key")
        return isBusy()
      }
      assert.deepStrictEqual([isBusy(), busy(), busy(), busy(), busy()], [false, false, false, true, true])
    }).pipe(Effect.provide(admission({ ms: 0 }, { maxInFlight: 4, maxKeyShare: 1 }))),
  )

  it.effect("gives the slot back after success, failure, defect and interruption", () =>
    Effect.gen(function* () {
      const { withSlot, saturation } = yield* holding
      for (let i = 0; i < 5; i++) {
        yield* withSlot(Effect.void)
        assert.isTrue(Exit.isFailure(yield* Effect.exit(withSlot(Effect.fail("typed")))))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(withSlot(Effect.die("defect")))))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(withSlot(Effect.interrupt))))
        const hanging = yield* Effect.forkChild(withSlot(Effect.never), { startImmediately: true })
        const other = yield* Effect.forkChild(withSlot(Effect.never), { startImmediately: true })
        assert.strictEqual(saturation()?.reason, "in_flight")
        yield* Fiber.interrupt(hanging)
        yield* Fiber.interrupt(other)
        assert.isUndefined(saturation())
      }
    }).pipe(Effect.provide(admission())),
  )

  it.effect("sheds while the event loop stays late, and stops when it recovers", () => {
    const delay = { ms: 0 }
    return Effect.gen(function* () {
      const { withSlot, saturation } = yield* holding
      yield* samplePeriods(2)
      yield* withSlot(Effect.void)
      delay.ms = 101
      yield* samplePeriods(2)
      const refused = yield* Effect.flip(withSlot(Effect.void))
      assert.strictEqual(refused.reason, "event_loop_delay")
      assert.strictEqual(saturation()?.reason, "event_loop_delay")
      delay.ms = 100
      yield* samplePeriods(1)
      yield* withSlot(Effect.void)
    }).pipe(Effect.provide(admission(delay)))
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
    }).pipe(Effect.provide(admission(delay)))
  })
})

describe("a place among those that are worked on", () => {
  const few = { maxInFlight: 4, maxStreams: 8, maxKeyShare: 0.75, maxBodyBytesInFlight: 1_000 }
  const enterAs = Effect.map(Admission, ({ enter }) => (key: string) => {
    const entered = enter(key)
    return Result.isSuccess(entered) ? entered.success : entered.failure.reason
  })
  const slot = (entered: Slot | string): Slot => {
    if (typeof entered === "string") throw new Error(entered)
    return entered
  }

  it.effect("is for others too, whatever one key wants", () =>
    Effect.gen(function* () {
      const enter = yield* enterAs
      const mine = [slot(enter("greedy")), slot(enter("greedy")), slot(enter("greedy"))]
      assert.strictEqual(enter("greedy"), "key_in_flight")
      const other = slot(enter("other"))
      assert.strictEqual(enter("third"), "in_flight")
      other.leave()
      mine[0]?.leave()
      mine[0]?.leave()
      slot(enter("greedy"))
      assert.strictEqual(enter("greedy"), "key_in_flight")
    }).pipe(Effect.provide(admission({ ms: 0 }, few))),
  )

  it.effect("is given up for one among the streams when an answer begins, as far as there is room", () =>
    Effect.gen(function* () {
      const enter = yield* enterAs
      const streams = Array.from({ length: 6 }, () => {
        const begun = slot(enter("greedy"))
        begun.streaming()
        begun.streaming()
        return begun
      })
      // Two are left for others, so that the next stay among the requests.
      for (let i = 0; i < 3; i++) slot(enter("greedy")).streaming()
      assert.strictEqual(enter("greedy"), "key_in_flight")
      slot(enter("other")).streaming()
      slot(enter("other"))
      for (const stream of streams) {
        stream.leave()
        stream.streaming()
      }
      assert.strictEqual(enter("third"), "in_flight")
    }).pipe(Effect.provide(admission({ ms: 0 }, few))),
  )

  it.effect("holds bytes until it is left", () =>
    Effect.gen(function* () {
      const enter = yield* enterAs
      const reasons = (slot: Slot, ...bytes: ReadonlyArray<number>) =>
        bytes.map((each) => Option.getOrUndefined(Result.getFailure(slot.takeBytes(each)))?.reason)
      const greedy = slot(enter("greedy"))
      assert.deepStrictEqual(reasons(greedy, 700, 60, 50, 1), [
        undefined,
        "key_body_bytes",
        undefined,
        "key_body_bytes",
      ])
      const other = slot(enter("other"))
      assert.deepStrictEqual(reasons(other, 251, 250, 1), ["body_bytes", undefined, "body_bytes"])
      greedy.leave()
      assert.deepStrictEqual(reasons(greedy, 1_000), [undefined], "nobody counts what came too late")
      assert.deepStrictEqual(reasons(other, 1), [undefined])
    }).pipe(Effect.provide(admission({ ms: 0 }, few))),
  )
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
