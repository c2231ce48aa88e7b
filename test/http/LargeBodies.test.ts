import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { LargeBodies } from "../../src/http/LargeBodies.ts"

/** Keeps the loop to itself for so long. */
const busy = (ms: number, done: Array<string>, name: string) =>
  Effect.sync(() => {
    for (const until = performance.now() + ms; performance.now() < until; );
    done.push(name)
  })

describe("large bodies", () => {
  it.effect("are understood one after the other, with as much time for others between", () =>
    Effect.gen(function* () {
      const { inTurn } = yield* LargeBodies
      const done: Array<string> = []
      yield* Effect.forkChild(inTurn(busy(20, done, "a")))
      yield* Effect.forkChild(inTurn(busy(20, done, "b")))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(done, ["a"])
      yield* TestClock.adjust(19)
      assert.deepStrictEqual(done, ["a"])
      yield* TestClock.adjust(250)
      assert.deepStrictEqual(done, ["a", "b"])
    }).pipe(Effect.provide(LargeBodies.layer)),
  )

  it.effect("pass the turn on when they fail, and when their clients leave", () =>
    Effect.gen(function* () {
      const { inTurn } = yield* LargeBodies
      assert.isTrue(Exit.isFailure(yield* Effect.exit(inTurn(Effect.fail("no JSON")))))
      yield* TestClock.adjust(250)
      const running = yield* Effect.forkChild(inTurn(Effect.never), { startImmediately: true })
      const waiting = yield* Effect.forkChild(inTurn(Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(waiting)
      yield* Fiber.interrupt(running)
      yield* TestClock.adjust(250)
      assert.strictEqual(yield* inTurn(Effect.succeed("understood")), "understood")
    }).pipe(Effect.provide(LargeBodies.layer)),
  )
})
