import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import { MAX_UNCONFIRMED_MS } from "../../src/auth/KeyCache.ts"
import { monotonicMs, monotonicMsUnsafe } from "../../src/platform/monotonic.ts"
import { Feed, feedTest } from "./Feed.ts"

describe("without answers to polls", () => {
  feedTest("known keys are honoured for ten minutes after the last one, and nobody waits", (feed) =>
    Effect.gen(function* () {
      yield* feed.learn("key")
      yield* TestClock.adjust(2 * MAX_UNCONFIRMED_MS)
      assert.strictEqual(yield* feed.find("key"), "known")
      feed.answerMs = undefined
      for (let ms = 0; ms < 10_000; ms += 50) {
        yield* TestClock.adjust(50)
        assert.strictEqual(yield* feed.find("key"), "known", `${ms} ms after the last answer`)
      }
      yield* TestClock.adjust(MAX_UNCONFIRMED_MS - 10_300)
      assert.strictEqual(yield* feed.find("key"), "known")
      yield* TestClock.adjust(300)
      assert.strictEqual(yield* feed.find("key"), "unknown")
    }),
  )

  for (const answerMs of [100, 240, 400, 499, 500, 600, 2_000]) {
    feedTest(
      `nobody waits for a database that takes ${answerMs} ms to answer, and what it says counts`,
      (feed) =>
        Effect.gen(function* () {
          feed.table.change("key")
          yield* TestClock.adjust("1 second")
          yield* feed.learn("key")
          feed.answerMs = answerMs
          for (let ms = 0; ms < 12_000; ms += 10) {
            yield* TestClock.adjust(10)
            assert.strictEqual(yield* feed.find("key"), "known", `at ${ms} ms`)
          }
          feed.table.change("key")
          yield* TestClock.adjust(Math.max(300, 2 * answerMs) + 2 * answerMs)
          assert.strictEqual(yield* feed.find("key"), "unknown")
        }),
    )
  }

  feedTest("refusals are forgotten", (feed) =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      feed.down = true
      const lookup = feed.beginLookup("key")
      feed.cache.endLookup("key", lookup, { changeSeq: 0n, refusedAtMs: yield* monotonicMs })
      yield* TestClock.adjust("300 millis")
      assert.strictEqual(yield* feed.find("key"), "unknown")
    }),
  )

  it.effect("whoever waits for one when the polling ends is let go", () =>
    Effect.gen(function* () {
      const feed = new Feed()
      const scope = yield* Scope.make()
      yield* Scope.provide(feed.start, scope)
      yield* TestClock.adjust(0)
      feed.answerMs = undefined
      yield* TestClock.adjust("300 millis")
      const waiting = yield* Effect.forkChild(feed.cache.news, { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust(0)
      assert.isDefined(waiting.pollUnsafe())
    }),
  )

  it.live("a process that did not run for a while does not blame the database at once", () =>
    Effect.gen(function* () {
      const feed = new Feed()
      yield* feed.start
      yield* feed.learn("key")
      feed.answerMs = undefined
      // So that a poll is under way.
      yield* Effect.sleep("300 millis")
      const clock = yield* Clock.Clock
      const found = yield* Effect.callback<unknown>((resume) => {
        // Due in the same turn of the event loop as the end of the poll's time.
        setTimeout(() => resume(Effect.succeed(feed.cache.find("key", monotonicMsUnsafe(clock)))), 500)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_200)
      })
      assert.strictEqual(found, "stale")
      yield* feed.cache.news
      assert.strictEqual(yield* feed.find("key"), "known")
    }),
  )
})
