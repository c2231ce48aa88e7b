import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Deferred, Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  KeyCache,
  type Lookup,
  MAX_UNCONFIRMED_MS,
  monotonicMs,
  monotonicMsUnsafe,
} from "../../src/auth/KeyCache.ts"
import { KeyChanges } from "../../src/auth/KeyChanges.ts"
import { KeyRecords, KeyRecordsUnavailable, MAX_CHANGES } from "../../src/auth/KeyRecords.ts"
import { KeyId } from "../../src/domain/Ids.ts"
import { KeyTable } from "./KeyTable.ts"
import { START_MS } from "./world.ts"

/** Five seconds, and the poll after them. */
const COMPARED_WITHIN_MS = 5_300

/** Polls under virtual time, of a database that does what the test says. */
class Feed {
  readonly cache = new KeyCache()
  readonly table = new KeyTable()
  polls = 0
  /** Until an answer arrives; undefined: never. */
  answerMs: number | undefined = 0
  down = false

  readonly start = Effect.gen({ self: this }, function* () {
    const records = this.table.records((answer) => {
      this.polls += 1
      if (this.down) return new KeyRecordsUnavailable({ cause: "down" })
      return Effect.as(this.answerMs === undefined ? Effect.never : Effect.sleep(this.answerMs), answer)
    })
    const services = yield* Layer.build(
      KeyChanges.layerNoDeps.pipe(Layer.provide(Layer.succeed(KeyRecords, records))),
    )
    yield* Context.get(services, KeyChanges).follow(this.cache)
  })

  /** Starts a check whose row was not read yet. */
  beginLookup(id: string): Lookup {
    const lookup: Lookup = { id, result: Deferred.makeUnsafe(), changeSeq: undefined }
    this.cache.beginLookup(id, lookup)
    return lookup
  }

  readRow(lookup: Lookup): void {
    lookup.changeSeq = this.table.rows.get(lookup.id)
  }

  /** Ends a check with the verdict that the row it read deserves. */
  endLookup(lookup: Lookup, changeSeq = lookup.changeSeq ?? assert.fail("no row was read")) {
    return Effect.map(monotonicMs, (checkedAtMs) =>
      this.cache.endLookup(lookup.id, lookup, {
        principal: Exit.succeed({ keyId: KeyId.make("AdaAdaAdaAda"), name: "a key" }),
        changeSeq,
        checkedAtMs,
        validUntilMs: Number.POSITIVE_INFINITY,
      }),
    )
  }

  /** Makes a key known as it is, creating it if need be. */
  learn(id: string) {
    if (!this.table.rows.has(id)) this.table.change(id)
    const lookup = this.beginLookup(id)
    this.readRow(lookup)
    return this.endLookup(lookup)
  }

  find(id: string) {
    return Effect.map(monotonicMs, (nowMs) => {
      const found = this.cache.find(id, nowMs)
      return typeof found === "object" ? "known" : (found ?? "unknown")
    })
  }
}

const feedTest = (name: string, body: (feed: Feed) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(name, () => {
    const feed = new Feed()
    return TestClock.setTime(START_MS).pipe(
      Effect.andThen(feed.start),
      Effect.andThen(TestClock.adjust(0)),
      Effect.andThen(body(feed)),
    )
  })

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
