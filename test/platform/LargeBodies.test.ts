import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { LargeBodies } from "../../src/platform/LargeBodies.ts"

const SIZE = 1_000_000

/** Keeps the loop to itself for so long. */
const busy = (ms: number, done: Array<string>, name: string) =>
  Effect.sync(() => {
    for (const until = performance.now() + ms; performance.now() < until; );
    done.push(name)
  })

/** Lets bodies come, and tells which were worked on. */
const visitors = Effect.map(LargeBodies, ({ inTurn }) => {
  const done: Array<string> = []
  const come = (name: string, bytes: number) =>
    Effect.forkChild(inTurn(bytes, busy(1, done, name)), { startImmediately: true })
  return { come, done }
})

describe("large bodies", () => {
  it.effect("are understood one after the other, with as much time for others between", () =>
    Effect.gen(function* () {
      const { inTurn } = yield* LargeBodies
      const done: Array<string> = []
      yield* Effect.forkChild(inTurn(SIZE, busy(20, done, "a")))
      yield* Effect.forkChild(inTurn(SIZE, busy(20, done, "b")))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(done, ["a"])
      yield* TestClock.adjust(19)
      assert.deepStrictEqual(done, ["a"])
      yield* TestClock.adjust(250)
      assert.deepStrictEqual(done, ["a", "b"])
    }).pipe(Effect.provide(LargeBodies.layer)),
  )

  it.effect("let small ones pass large ones that have not waited for long", () =>
    Effect.gen(function* () {
      const { come, done } = yield* visitors
      yield* come("first", SIZE)
      yield* come("huge", 32 * SIZE)
      yield* come("large", 4 * SIZE)
      yield* come("small", 200_000)
      yield* TestClock.adjust(10_000)
      assert.deepStrictEqual(done, ["first", "small", "large", "huge"])
    }).pipe(Effect.provide(LargeBodies.layer)),
  )

  it.effect("do not let small ones that go on coming keep a large one waiting", () =>
    Effect.gen(function* () {
      const { come, done } = yield* visitors
      yield* come("first", SIZE)
      yield* come("huge", 200_000)
      // More than there is time for.
      for (let i = 0; i < 5_000 && !done.includes("huge"); i++) {
        yield* come("small", 2_000)
        yield* come("small", 2_000)
        yield* TestClock.adjust(1)
      }
      assert.include(done, "huge")
      assert.include(done, "small")
    }).pipe(Effect.provide(LargeBodies.layer)),
  )

  it.effect("pass the turn on when they fail, and when their clients leave", () =>
    Effect.gen(function* () {
      const { inTurn } = yield* LargeBodies
      assert.isTrue(Exit.isFailure(yield* Effect.exit(inTurn(SIZE, Effect.fail("no JSON")))))
      yield* TestClock.adjust(250)
      const running = yield* Effect.forkChild(inTurn(SIZE, Effect.never), { startImmediately: true })
      const waiting = yield* Effect.forkChild(inTurn(SIZE, Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(waiting)
      yield* Fiber.interrupt(running)
      yield* TestClock.adjust(250)
      assert.strictEqual(yield* inTurn(SIZE, Effect.succeed("understood")), "understood")
    }).pipe(Effect.provide(LargeBodies.layer)),
  )
})
