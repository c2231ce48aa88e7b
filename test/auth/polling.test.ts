import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import { MAX_CHANGES } from "../../src/auth/KeyRecords.ts"
import { monotonicMs } from "../../src/platform/monotonic.ts"
import { Feed, feedTest } from "./Feed.ts"

/** Five seconds, and the poll after them. */
const COMPARED_WITHIN_MS = 5_300

describe("polling for changes of keys", () => {
  feedTest("forgets a changed key at the next poll and keeps the others", (feed) =>
    Effect.gen(function* () {
      yield* feed.learn("kept")
      for (let round = 0; round < 20; round++) {
        yield* feed.learn("changed")
        yield* TestClock.adjust(round * 13)
        feed.table.change("changed")
        yield* TestClock.adjust(300)
        assert.deepStrictEqual([yield* feed.find("changed"), yield* feed.find("kept")], ["unknown", "known"])
      }
    }),
  )

  feedTest("asks one question three times a second", (feed) =>
    Effect.gen(function* () {
      yield* feed.learn("key")
      feed.polls = 0
      yield* TestClock.adjust("30 seconds")
      // 100, one more that saw the new key, and a comparison of everything once in five seconds.
      assert.strictEqual(feed.polls, 106)
    }),
  )

  feedTest("forgets a change that was drawn before a seen one and committed after it", (feed) =>
    Effect.gen(function* () {
      yield* feed.learn("late")
      yield* feed.learn("early")
      yield* TestClock.adjust("1 second")
      const late = feed.table.begin("late")
      feed.table.change("early")
      yield* TestClock.adjust("300 millis")
      assert.strictEqual(yield* feed.find("early"), "unknown")
      assert.strictEqual(yield* feed.find("late"), "known")
      feed.table.commit(late)
      yield* TestClock.adjust("300 millis")
      assert.strictEqual(yield* feed.find("late"), "unknown")
    }),
  )

  feedTest("keeps what it read again although an old transaction keeps the change in sight", (feed) =>
    Effect.gen(function* () {
      feed.table.transaction()
      yield* feed.learn("key")
      yield* TestClock.adjust("1 minute")
      feed.table.change("key")
      yield* TestClock.adjust("300 millis")
      assert.strictEqual(yield* feed.find("key"), "unknown")
      yield* feed.learn("key")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* feed.find("key"), "known")
    }),
  )

  feedTest("keeps no verdict of a row that was read before its change", (feed) =>
    Effect.gen(function* () {
      feed.table.change("key")
      yield* TestClock.adjust("300 millis")
      const before = feed.beginLookup("key")
      feed.readRow(before)
      const old = feed.table.rows.get("key")
      feed.table.change("key")
      yield* TestClock.adjust("300 millis")
      yield* feed.endLookup(before, old)
      assert.strictEqual(yield* feed.find("key"), "unknown")

      const after = feed.beginLookup("key")
      feed.readRow(after)
      yield* TestClock.adjust("10 seconds")
      yield* feed.endLookup(after)
      assert.strictEqual(yield* feed.find("key"), "known")
    }),
  )

  feedTest("keeps no verdict of a row that may have been read before a comparison", (feed) =>
    Effect.gen(function* () {
      const old = feed.table.change("key")
      const lookup = feed.beginLookup("key")
      feed.table.rows.delete("key")
      yield* TestClock.adjust(COMPARED_WITHIN_MS)
      yield* feed.endLookup(lookup, old)
      assert.strictEqual(yield* feed.find("key"), "unknown")
    }),
  )

  feedTest("keeps no verdict of a row that was not read yet when all of its key was forgotten", (feed) =>
    Effect.gen(function* () {
      const lookup = feed.beginLookup("key")
      feed.cache.forget("key")
      yield* feed.endLookup(lookup, 1n)
      assert.strictEqual(yield* feed.find("key"), "unknown")
    }),
  )

  feedTest("compares refusals for as long as they are remembered", (feed) =>
    Effect.gen(function* () {
      const lookup = feed.beginLookup("key")
      feed.cache.endLookup("key", lookup, { changeSeq: 7n, refusedAtMs: yield* monotonicMs })
      assert.deepStrictEqual(feed.cache.versions(yield* monotonicMs), [{ id: "key", changeSeq: 7n }])
      assert.deepStrictEqual(feed.cache.versions((yield* monotonicMs) + 5_000), [])
    }),
  )

  feedTest("forgets a refusal when the key appears", (feed) =>
    Effect.gen(function* () {
      const lookup = feed.beginLookup("key")
      feed.cache.endLookup("key", lookup, { changeSeq: 0n, refusedAtMs: yield* monotonicMs })
      assert.strictEqual(yield* feed.find("key"), "refused")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* feed.find("key"), "refused")
      feed.table.change("key")
      yield* TestClock.adjust("300 millis")
      assert.strictEqual(yield* feed.find("key"), "unknown")
    }),
  )

  feedTest("compares everything when there are too many changes to tell", (feed) =>
    Effect.gen(function* () {
      yield* feed.learn("kept")
      yield* feed.learn("changed")
      yield* TestClock.adjust("1 second")
      for (let n = 0; n <= MAX_CHANGES; n++) feed.table.change(`bulk ${n}`)
      // The answer has no room for this one.
      feed.table.change("changed")
      yield* TestClock.adjust("300 millis")
      assert.deepStrictEqual([yield* feed.find("changed"), yield* feed.find("kept")], ["unknown", "known"])
    }),
  )

  feedTest("forgets a row that vanished at the next comparison", (feed) =>
    Effect.gen(function* () {
      yield* feed.learn("vanished")
      yield* feed.learn("last")
      feed.table.rows.delete("vanished")
      yield* TestClock.adjust(COMPARED_WITHIN_MS)
      assert.deepStrictEqual([yield* feed.find("vanished"), yield* feed.find("last")], ["unknown", "known"])
    }),
  )

  feedTest("compares everything when the table has an older past than before", (feed) =>
    Effect.gen(function* () {
      yield* feed.learn("restored")
      const old = feed.table.rows.get("restored") ?? assert.fail("no row")
      feed.table.change("restored")
      feed.table.change("lost")
      yield* TestClock.adjust("1 second")
      yield* feed.learn("restored")
      feed.table.rows.set("restored", old)
      feed.table.rows.delete("lost")
      yield* TestClock.adjust("300 millis")
      assert.strictEqual(yield* feed.find("restored"), "unknown")
    }),
  )

  feedTest("compares everything after a poll that failed: another server may have taken over", (feed) =>
    Effect.gen(function* () {
      yield* feed.learn("changed")
      yield* feed.learn("last")
      yield* TestClock.adjust("1 second")
      feed.down = true
      yield* TestClock.adjust("300 millis")
      feed.table.rows.delete("changed")
      feed.down = false
      yield* TestClock.adjust("300 millis")
      assert.deepStrictEqual([yield* feed.find("changed"), yield* feed.find("last")], ["unknown", "known"])
    }),
  )
})

describe("the log of polling", () => {
  const lines: Array<unknown> = []
  const captured = Logger.layer([Logger.make(({ message }) => lines.push(message))])

  it.effect("says nothing of a database that starts with the process, and then what changes", () =>
    Effect.gen(function* () {
      const feed = new Feed()
      feed.down = true
      yield* feed.start
      yield* TestClock.adjust("5 seconds")
      feed.down = false
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(lines, [])
      feed.down = true
      yield* TestClock.adjust("5 seconds")
      feed.down = false
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(lines, [
        ["API key changes cannot be read; known keys are served from memory"],
        ["API key changes are read again"],
      ])
    }).pipe(Effect.scoped, Effect.provide(captured)),
  )
})
