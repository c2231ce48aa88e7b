import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Queue } from "effect"
import { SqlError } from "effect/sql"
import { TestClock } from "effect/testing"
import type { AuthError } from "../../src/auth/Authenticator.ts"
import { type Flight, KeyCache, MAX_UNCONFIRMED_MS, monotonicMsUnsafe } from "../../src/auth/KeyCache.ts"
import { KeyChanges } from "../../src/auth/KeyChanges.ts"
import { KeyRecords } from "../../src/auth/KeyRecords.ts"
import type { Principal } from "../../src/auth/Principal.ts"
import { KeyId } from "../../src/domain/Ids.ts"

const lost = new SqlError.SqlError({
  reason: new SqlError.ConnectionError({ cause: "lost", message: "lost", operation: "listen" }),
})

/** A change feed under virtual time, over a database that does what the test says. */
class Feed {
  readonly cache = new KeyCache()
  readonly rows = new Map<string, bigint>()
  readonly #listeners: Array<Queue.Queue<{ payload: string }, SqlError.SqlError>> = []
  /** Until LISTEN is confirmed; undefined: it never is. */
  listenMs: number | undefined = 0
  /** Until a question is answered; undefined: it never is. */
  answerMs: number | undefined = 0

  readonly start = Effect.gen({ self: this }, function* () {
    const services = yield* Layer.build(
      KeyChanges.layerListenNoDeps.pipe(
        Layer.provide([
          Layer.succeed(KeyRecords, {
            find: () => Effect.die("not asked here"),
            changesAfter: () => Effect.die("not asked here"),
            lastChange: Effect.die("not asked here"),
            changeSeqs: (ids) =>
              Effect.suspend(() => waiting(this.answerMs)).pipe(
                Effect.map(
                  () =>
                    new Map(
                      ids.flatMap((id) => {
                        const changeSeq = this.rows.get(id)
                        return changeSeq === undefined ? [] : [[id, changeSeq] as const]
                      }),
                    ),
                ),
              ),
          }),
          // Of a client nothing but this is used.
          Layer.succeed(PgClient.PgClient, {
            listen: () =>
              Effect.suspend(() => waiting(this.listenMs)).pipe(
                Effect.andThen(Queue.unbounded<{ payload: string }, SqlError.SqlError>()),
                Effect.tap((listener) => Effect.sync(() => this.#listeners.push(listener))),
              ),
          } as never),
        ]),
      ),
    )
    yield* Context.get(services, KeyChanges).follow(this.cache)
    yield* TestClock.adjust(0)
  })

  get listens(): number {
    return this.#listeners.length
  }

  announce(id: string) {
    return Queue.offer(this.#listeners.at(-1) ?? assert.fail("nobody listens"), { payload: id })
  }

  get loseListener() {
    return Queue.fail(this.#listeners.at(-1) ?? assert.fail("nobody listens"), lost)
  }

  /** A check that starts now and reads the row as it is. */
  takeOff(id: string): Flight {
    const flight = { id, result: Deferred.makeUnsafe<Principal, AuthError>() }
    this.cache.takeOff(id, flight)
    return flight
  }

  land(flight: Flight, changeSeq = 1n) {
    return Effect.clockWith((clock) =>
      Effect.sync(() =>
        this.cache.land(flight.id, flight, {
          principal: { keyId: KeyId.make("AdaAdaAdaAda"), name: "a key" },
          changeSeq,
          checkedAtMs: monotonicMsUnsafe(clock),
          validUntilMs: Number.POSITIVE_INFINITY,
        }),
      ),
    )
  }

  /** A key that is known and unchanged. */
  learn(id: string) {
    this.rows.set(id, 1n)
    return this.land(this.takeOff(id))
  }

  knows(id: string) {
    return Effect.clockWith((clock) =>
      Effect.succeed(this.cache.read(id, monotonicMsUnsafe(clock)) !== undefined),
    )
  }
}

const waiting = (ms: number | undefined) => (ms === undefined ? Effect.never : Effect.sleep(ms))

describe("listening for changes of keys", () => {
  it.effect("confirms what it compares, for as long as the database answers", () =>
    Effect.gen(function* () {
      const feed = new Feed()
      yield* feed.start
      yield* feed.learn("key")
      yield* TestClock.adjust(2 * MAX_UNCONFIRMED_MS)
      assert.isTrue(yield* feed.knows("key"))
      feed.answerMs = undefined
      yield* TestClock.adjust(MAX_UNCONFIRMED_MS - 6_000)
      assert.isTrue(yield* feed.knows("key"))
      yield* TestClock.adjust(6_000)
      assert.isFalse(yield* feed.knows("key"))
    }),
  )

  it.effect("compares what was known before it heard anything", () =>
    Effect.gen(function* () {
      const feed = new Feed()
      feed.listenMs = 100
      yield* feed.start
      yield* feed.learn("kept")
      yield* feed.learn("changed")
      feed.rows.set("changed", 2n)
      const early = feed.takeOff("read before")
      yield* TestClock.adjust(100)
      assert.strictEqual(feed.listens, 1)
      assert.isTrue(yield* feed.knows("kept"))
      assert.isFalse(yield* feed.knows("changed"))
      yield* feed.land(early)
      assert.isFalse(yield* feed.knows("read before"))
    }),
  )

  it.effect("trusts nothing that was being read when the listener was lost", () =>
    Effect.gen(function* () {
      const feed = new Feed()
      yield* feed.start
      const flight = feed.takeOff("key")
      feed.listenMs = undefined
      feed.answerMs = undefined
      yield* feed.loseListener
      yield* TestClock.adjust(0)
      assert.isTrue(feed.cache.inDoubt)
      yield* feed.land(flight)
      assert.isFalse(yield* feed.knows("key"))
    }),
  )

  it.effect("keeps a listener through a time without answers", () =>
    Effect.gen(function* () {
      const feed = new Feed()
      yield* feed.start
      yield* feed.learn("key")
      feed.answerMs = undefined
      yield* TestClock.adjust("1 minute")
      assert.isFalse(feed.cache.inDoubt)
      yield* feed.announce("key")
      yield* TestClock.adjust(0)
      assert.isFalse(yield* feed.knows("key"))
      assert.strictEqual(feed.listens, 1)
    }),
  )

  it.effect("leaves a listener that did not hear of a change", () =>
    Effect.gen(function* () {
      const feed = new Feed()
      yield* feed.start
      yield* feed.learn("key")
      feed.rows.set("key", 2n)
      yield* TestClock.adjust("5 seconds")
      assert.isFalse(yield* feed.knows("key"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(feed.listens, 2)
    }),
  )

  it.effect("compares four times a second for as long as nobody listens", () =>
    Effect.gen(function* () {
      const feed = new Feed()
      feed.listenMs = undefined
      yield* feed.start
      for (let round = 0; round < 40; round++) {
        yield* feed.learn("key")
        feed.rows.delete("key")
        yield* TestClock.adjust("500 millis")
        assert.isFalse(yield* feed.knows("key"), `round ${round}`)
      }
    }),
  )

  it.effect("ends a doubt after a second, and takes an answer that comes later all the same", () =>
    Effect.gen(function* () {
      const feed = new Feed()
      yield* feed.start
      yield* feed.learn("key")
      feed.rows.delete("key")
      feed.listenMs = undefined
      feed.answerMs = 2_000
      yield* feed.loseListener
      yield* TestClock.adjust(999)
      assert.isTrue(feed.cache.inDoubt)
      yield* TestClock.adjust(1)
      assert.isFalse(feed.cache.inDoubt)
      assert.isTrue(yield* feed.knows("key"))
      yield* TestClock.adjust(1_000)
      assert.isFalse(yield* feed.knows("key"))
    }),
  )
})
