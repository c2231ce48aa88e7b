import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Random } from "effect"
import { VirtualTime } from "./virtual-time.ts"

const run = <A, E>(effect: Effect.Effect<A, E>): A => {
  const exit = new VirtualTime(0).run(effect)
  if (Exit.isFailure(exit)) throw new Error(`failed: ${exit.cause}`)
  return exit.value
}

describe("VirtualTime", () => {
  it("passes hours at once, and wakes sleepers in the order of their times", () => {
    const seen: Array<string> = []
    const sleeper = (name: string, ms: number) =>
      Effect.flatMap(Effect.sleep(ms), () =>
        Clock.currentTimeMillis.pipe(Effect.map((now) => seen.push(`${name} ${now}`))),
      )
    run(Effect.all([sleeper("late", 3_600_000), sleeper("early", 5), sleeper("next", 5)], { concurrency: 3 }))
    assert.deepStrictEqual(seen, ["early 5", "next 5", "late 3600000"])
  })

  it("keeps thousands of sleepers in order", () => {
    const woken = run(
      Effect.gen(function* () {
        const times: Array<number> = []
        yield* Effect.forEach(
          Array.from({ length: 5_000 }),
          () =>
            Effect.flatMap(Random.nextIntBetween(1, 100_000), (ms) =>
              Effect.andThen(
                Effect.sleep(ms),
                Effect.sync(() => times.push(ms)),
              ),
            ),
          { concurrency: "unbounded", discard: true },
        )
        return times
      }).pipe(Random.withSeed("order")),
    )
    assert.deepStrictEqual(
      woken,
      [...woken].sort((one, other) => one - other),
    )
  })

  it("does not wait for who was interrupted", () => {
    const atMs = run(
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Effect.sleep(60_000))
        yield* Effect.sleep(10)
        yield* Fiber.interrupt(fiber)
        return yield* Clock.currentTimeMillis
      }),
    )
    assert.strictEqual(atMs, 10)
  })

  it("says that a run is stuck", () => {
    assert.throws(() => run(Effect.never), /Every fiber waits/)
  })
})
