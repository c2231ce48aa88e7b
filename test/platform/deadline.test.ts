import { readFile } from "node:fs/promises"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { deadline } from "../../src/platform/deadline.ts"

it.effect("a deadline is over when its time is", () =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.flip(deadline("100 millis", () => "too late")), {
      startImmediately: true,
    })
    yield* TestClock.adjust("99 millis")
    assert.isUndefined(fiber.pollUnsafe())
    yield* TestClock.adjust("1 millis")
    assert.strictEqual(yield* Fiber.join(fiber), "too late")
  }),
)

it.live("one that is noticed late is not over before what came meanwhile was looked at", () =>
  Effect.gen(function* () {
    // Is read in another thread step by step, the first of them while this one is kept busy until after the deadline.
    const answer = Effect.as(
      Effect.promise(() => readFile(import.meta.filename)),
      "answered",
    )
    const racing = yield* Effect.forkChild(
      Effect.raceFirst(
        answer,
        deadline("50 millis", () => "too late"),
      ),
      { startImmediately: true },
    )
    const startedMs = performance.now()
    while (performance.now() - startedMs < 200);
    assert.strictEqual(yield* Fiber.join(racing), "answered")
  }),
)
