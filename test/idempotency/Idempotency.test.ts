import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { AnswerRoom } from "../../src/domain/AnswerRoom.ts"
import { KeyId } from "../../src/domain/Ids.ts"
import { ClaimStore } from "../../src/idempotency/ClaimStore.ts"
import { ClaimStoreUnavailable } from "../../src/idempotency/claim.ts"
import type {
  Begin,
  FinishedRun,
  IdempotencyError,
  IdempotentReply,
} from "../../src/idempotency/claimed-run.ts"
import { Idempotency } from "../../src/idempotency/Idempotency.ts"
import { IdempotencyLimits } from "../../src/idempotency/IdempotencyLimits.ts"
import { ReplayableBody } from "../../src/responses/ReplayableBody.ts"
import { startedClock } from "../support/started-clock.ts"
import { CLOCK_STEPS, steppedClock } from "../support/stepped-clock.ts"
import { ada, answer, bob, bodyPrint, claimId, kept, request, retryable, text } from "./requests.ts"

const limits = IdempotencyLimits.defaultValue()
const { leaseMs, renewEveryMs, waitMs, drainMs, expireMs, cleanupEveryMs, deliverAnywayMs } = limits

/** Another service over the store of the test: another process, or the same one started again. */
const replica = Effect.map(Layer.build(Layer.fresh(Idempotency.layerNoDeps)), Context.get(Idempotency))

/** Work that a test ends by hand, and that counts its runs. */
const gated = Effect.gen(function* () {
  const gate = yield* Deferred.make<FinishedRun>()
  const seen = { runs: 0, interrupted: 0 }
  const work = Effect.suspend(() => {
    seen.runs++
    return Deferred.await(gate)
  }).pipe(Effect.onInterrupt(() => Effect.sync(() => void seen.interrupted++)))
  return { work, seen, finish: (outcome: FinishedRun) => Deferred.succeed(gate, outcome) }
})

/** Starts a call and lets it get as far as it can without time passing. */
const start = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.forkChild(call, { startImmediately: true }).pipe(Effect.tap(() => settled))
const settled = TestClock.adjust(0)

/** Calls that a test leaves behind hold its end up for their grace period: time passes for them. */
const letTimePass = Effect.forkDetach(Effect.repeat(TestClock.adjust(drainMs), { times: 100 }))

const test = (name: string, body: Effect.Effect<unknown, unknown, Idempotency | ClaimStore | Scope.Scope>) =>
  it.effect(name, () =>
    body.pipe(
      Effect.onExit(() => letTimePass),
      Effect.provide(
        Idempotency.layerNoDeps.pipe(Layer.provideMerge(ClaimStore.layerMemory), Layer.provide(startedClock)),
      ),
    ),
  )

/** All that a client of a stream gets. */
const read = async ({ response: { body } }: IdempotentReply): Promise<string> => {
  assert.instanceOf(body, ReplayableBody)
  let all = ""
  for await (const chunk of body.read()) all += chunk
  return all
}

const reasonOf = (exit: Exit.Exit<unknown, IdempotencyError>) =>
  Option.getOrUndefined(Exit.findErrorOption(exit))?.reason

const withLimits =
  (changed: Partial<typeof limits>) =>
  <A, E>(body: Effect.Effect<A, E, Idempotency>) =>
    body.pipe(
      Effect.onExit(() => letTimePass),
      Effect.provide(
        Idempotency.layerMemory.pipe(
          Layer.provide(startedClock),
          Layer.provide(Layer.succeed(IdempotencyLimits, { ...limits, ...changed })),
        ),
      ),
    )

describe("replays of large answers", () => {
  const large = kept("x".repeat(200_000))

  const roomFor = (hasRoom: boolean) => {
    const seen = { bytes: 0, ended: 0, resume: () => {} }
    const room: AnswerRoom = {
      goesOn: (bytes, resume) => {
        seen.bytes += bytes
        seen.resume = resume
        return hasRoom
      },
      readEnds: (resume) => {
        seen.ended += resume === seen.resume ? 1 : 0
      },
    }
    return { seen, room }
  }

  test(
    "are fetched when there is room for them, and are counted",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      yield* run(request("k"), () => Effect.succeed(large))
      const { room, seen } = roomFor(false)
      const replay = yield* start(run(request("k"), () => Effect.die("runs again"), undefined, room))
      yield* TestClock.adjust(waitMs - 1)
      assert.isUndefined(replay.pollUnsafe())
      assert.deepInclude(seen, { bytes: 0, ended: 0 })
      seen.resume()
      const reply = yield* Fiber.join(replay)
      assert.isTrue(reply.replayed)
      assert.strictEqual(text(reply).length, 200_000)
      assert.deepInclude(seen, { bytes: 200_000, ended: 1 })
    }),
  )

  test(
    "that find no room in time are asked for again, and run no more than once",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const ask = (room: AnswerRoom) => run(request("k"), () => Effect.succeed(large), undefined, room)
      yield* ask(roomFor(true).room)
      const { room, seen } = roomFor(false)
      const refused = yield* start(Effect.flip(ask(room)))
      yield* TestClock.adjust(waitMs)
      assert.deepInclude(yield* Fiber.join(refused), { reason: "unread", retryAfterMs: limits.retryAfterMs })
      assert.deepInclude(seen, { bytes: 0, ended: 1 })
      assert.isTrue((yield* ask(roomFor(true).room)).replayed)
    }),
  )

  test(
    "are counted for everyone who has one, and small ones for nobody",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const { finish, work } = yield* gated
      yield* start(run(request("k"), () => work))
      const { room, seen } = roomFor(true)
      const joined = yield* start(run(request("k"), () => work, undefined, room))
      yield* finish(large)
      yield* Fiber.join(joined)
      assert.deepInclude(seen, { bytes: 200_000, ended: 1 })

      const small = roomFor(false)
      const ask = run(request("small"), () => Effect.succeed(kept("small")), undefined, small.room)
      yield* ask
      assert.isTrue((yield* ask).replayed)
      assert.deepInclude(small.seen, { bytes: 0, ended: 0 })
    }),
  )
})

describe("runs that outlive their clients", () => {
  it.effect("are bounded in number: one more is refused until one has ended", () =>
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const { work, finish } = yield* gated
      const left = yield* start(run(request("one"), () => work))
      yield* Fiber.interrupt(left)
      const refused = yield* Effect.flip(run(request("two"), () => Effect.succeed(kept("two"))))
      assert.strictEqual(refused.reason, "overloaded")
      yield* finish(kept("one"))
      yield* settled
      assert.strictEqual(text(yield* run(request("two"), () => Effect.succeed(kept("two")))), "two")
    }).pipe(withLimits({ maxRunning: 1 })),
  )

  it.effect("of one API key leave room for the others, and none is refused for what has ended", () =>
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const { work, finish } = yield* gated
      const abandon = (keyId: KeyId, count: number) =>
        Effect.forEach(Array.from({ length: count }), (_, i) =>
          Effect.flatMap(start(run(request(`left-${i}`, "hello", keyId), () => work)), Fiber.interrupt),
        )
      const quick = (keyId: KeyId) =>
        run(request("quick", "hello", keyId), () => Effect.succeed(kept("served")))
      yield* abandon(ada, 50)
      assert.deepInclude(yield* Effect.flip(quick(ada)), {
        reason: "key_overloaded",
        retryAfterMs: limits.retryAfterMs,
      })
      assert.strictEqual(text(yield* quick(bob)), "served")
      yield* abandon(bob, 25)
      assert.strictEqual((yield* Effect.flip(quick(bob))).reason, "key_overloaded")
      assert.strictEqual(text(yield* quick(KeyId.make("CyrCyrCyrCyr"))), "served")
      yield* finish(kept("over"))
      yield* settled
      assert.deepStrictEqual([text(yield* quick(ada)), text(yield* quick(bob))], ["served", "served"])
    }).pipe(withLimits({ maxRunning: 100 })),
  )

  it.effect("keep no more for replays than they leave for another API key's, until they end", () =>
    Effect.gen(function* () {
      const { replayableBody } = yield* Idempotency
      const streams = (keyId: KeyId, count: number) =>
        Array.from({ length: count }, () => {
          const body = replayableBody(keyId)
          body.write(Buffer.alloc(900))
          body.write(Buffer.alloc(900))
          return body
        })
      const replayable = (bodies: ReadonlyArray<ReplayableBody>) =>
        bodies.filter(({ replayable }) => replayable).length
      const adas = streams(ada, 20)
      assert.strictEqual(replayable(adas), 5)
      assert.strictEqual(replayable(streams(bob, 1)), 1)
      for (const body of adas) body.release()
      assert.strictEqual(replayable(streams(ada, 1)), 1)
    }).pipe(withLimits({ maxReplayBytes: 10 * 2 * 1_100 })),
  )
})

describe("duplicates in one process", () => {
  test(
    "join the running call: one run, equal answers, one of them not a replay",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const { work, seen, finish } = yield* gated
      const callers = yield* start(
        Effect.forEach(Array.from({ length: 50 }), () => run(request("k"), () => work), {
          concurrency: "unbounded",
        }),
      )
      yield* finish(kept("once"))
      const replies = yield* Fiber.join(callers)
      assert.strictEqual(seen.runs, 1)
      assert.deepStrictEqual(new Set(replies.map(text)), new Set(["once"]))
      assert.strictEqual(replies.filter((reply) => !reply.replayed).length, 1)
      const later = yield* run(request("k"), () => work)
      assert.deepStrictEqual([text(later), later.replayed, seen.runs], ["once", true, 1])
    }),
  )

  test(
    "with another body are refused while it runs and afterwards; another API key is another claim",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const { work, seen, finish } = yield* gated
      const first = yield* start(run(request("k"), () => work))
      const reused = { reason: "reused" } as const
      assert.include(yield* Effect.flip(run(request("k", "other"), () => work)), reused)
      assert.strictEqual(
        text(yield* run(request("k", "hello", bob), () => Effect.succeed(kept("bob's")))),
        "bob's",
      )
      yield* finish(kept("once"))
      yield* Fiber.join(first)
      assert.include(yield* Effect.flip(run(request("k", "other"), () => work)), reused)
      assert.strictEqual(seen.runs, 1)
    }),
  )

  test(
    "share a retryable answer, and the next request runs again at once",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const { work, finish } = yield* gated
      const both = yield* start(
        Effect.all([run(request("k"), () => work), run(request("k"), () => work)], { concurrency: 2 }),
      )
      yield* finish(retryable("busy"))
      assert.deepStrictEqual((yield* Fiber.join(both)).map(text), ["busy", "busy"])
      const again = yield* run(request("k"), () => Effect.succeed(kept("fine")))
      assert.deepStrictEqual([text(again), again.replayed], ["fine", false])
    }),
  )
})

describe("a caller", () => {
  test(
    "that leaves does not stop the run, whose answer the next one gets",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const { work, seen, finish } = yield* gated
      const caller = yield* start(run(request("k"), () => work))
      const joined = yield* start(run(request("k"), () => work))
      yield* Fiber.interrupt(caller)
      yield* Fiber.interrupt(joined)
      yield* finish(kept("finished alone"))
      yield* settled
      const later = yield* run(request("k"), () => work)
      assert.deepStrictEqual(
        [text(later), later.replayed, seen],
        ["finished alone", true, { runs: 1, interrupted: 0 }],
      )
    }),
  )

  test(
    "gets a defect of the run, and its claim is free again",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const exit = yield* Effect.exit(run(request("k"), () => Effect.die(new Error("bug"))))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.isFalse((yield* run(request("k"), () => Effect.succeed(kept("fine")))).replayed)
    }),
  )

  test(
    "gets the large answer of its own run; a repetition is told that it was not kept, and does not run",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const body = new Uint8Array(limits.maxStoredBytes + 1)
      const first = yield* run(request("k"), () =>
        Effect.succeed({ response: { ...answer(""), body }, keep: true }),
      )
      assert.strictEqual(first.response.body, body)
      const { work, seen } = yield* gated
      assert.include(yield* Effect.flip(run(request("k"), () => work)), { reason: "not_stored" })
      assert.strictEqual(seen.runs, 0)
    }),
  )

  class Greeting extends Context.Service<Greeting, string>()("test/Greeting") {}

  test(
    "lends its services to the run",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const reply = yield* run(request("k"), () => Effect.map(Greeting, kept)).pipe(
        Effect.provideService(Greeting, "hi"),
      )
      assert.strictEqual(text(reply), "hi")
    }),
  )
})

describe("a streamed answer", () => {
  /** Begins at once; the test ends it. */
  const streaming = Effect.gen(function* () {
    const { work, seen, finish } = yield* gated
    const body = (yield* Idempotency).replayableBody(ada)
    const response = { ...answer(""), body }
    return {
      body,
      seen,
      work: (begin: Begin) => {
        begin(response)
        return work
      },
      finish: (keep: boolean) => {
        body.broken = !keep
        body.end(Buffer.from("."))
        return finish({ response, keep })
      },
    }
  })

  test(
    "is there for every caller from its first event while it runs, and is replayed afterwards",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const { work, body, seen, finish } = yield* streaming
      const first = yield* run(request("k"), work)
      body.write(Buffer.from("one,"))
      const joined = yield* run(request("k"), work)
      assert.deepStrictEqual([first.replayed, joined.replayed, text(joined)], [false, true, "one,"])
      body.write(Buffer.from("two"))
      assert.deepStrictEqual([text(first), text(joined)], ["one,two", "one,two"])
      yield* finish(true)
      yield* settled
      const later = yield* run(request("k"), work)
      assert.deepStrictEqual([text(later), later.replayed, seen.runs], ["one,two.", true, 1])
      assert.instanceOf(later.response.body, Uint8Array)
    }),
  )

  test(
    "ends for nobody before it is stored",
    Effect.gen(function* () {
      const store = yield* ClaimStore
      const stored = yield* Deferred.make<void>()
      const slow = ClaimStore.of({
        ...store,
        complete: (...args) => Effect.andThen(Deferred.await(stored), store.complete(...args)),
      })
      const { run } = yield* Effect.provideService(replica, ClaimStore, slow)
      const { work, body, finish } = yield* streaming
      const client = yield* run(request("k"), work)
      const reading = yield* Effect.forkChild(
        Effect.promise(() => read(client)),
        { startImmediately: true },
      )
      body.write(Buffer.from("one"))
      yield* finish(true)
      yield* settled
      assert.deepStrictEqual([text(client), reading.pollUnsafe()], ["one.", undefined])
      yield* Deferred.succeed(stored, undefined)
      assert.strictEqual(yield* Fiber.join(reading), "one.")
    }),
  )

  test(
    "ends although it cannot be stored, after a bounded wait",
    Effect.gen(function* () {
      const store = yield* ClaimStore
      const down = ClaimStore.of({
        ...store,
        complete: () => Effect.fail(new ClaimStoreUnavailable({ message: "down" })),
      })
      const { run } = yield* Effect.provideService(replica, ClaimStore, down)
      const { work, finish } = yield* streaming
      const client = yield* run(request("k"), work)
      const reading = yield* Effect.forkChild(
        Effect.promise(() => read(client)),
        { startImmediately: true },
      )
      yield* finish(true)
      yield* TestClock.adjust(deliverAnywayMs - 1)
      assert.isUndefined(reading.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(reading), ".")
    }),
  )

  test(
    "that breaks is not kept: the next caller runs again",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const { work, finish } = yield* streaming
      yield* run(request("k"), work)
      yield* finish(false)
      yield* settled
      assert.isFalse((yield* run(request("k"), () => Effect.succeed(kept("second try")))).replayed)
    }),
  )

  test(
    "that broke is nothing for who comes after: not even while its claim is still being released",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const { work, body, finish } = yield* streaming
      yield* run(request("k"), work)
      body.broken = true
      body.end(Buffer.from("."))
      const again = yield* start(run(request("k"), () => Effect.succeed(kept("second try"))))
      assert.isUndefined(again.pollUnsafe())
      yield* finish(false)
      assert.strictEqual(text(yield* Fiber.join(again)), "second try")
    }),
  )

  test(
    "longer than its buffer goes on for its callers; a repetition is told so during and after it, and does not run",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const { work, body, seen, finish } = yield* streaming
      yield* run(request("k"), work)
      body.write(Buffer.alloc(limits.maxStoredBytes))
      body.write(Buffer.from("more"))
      assert.include(yield* Effect.flip(run(request("k"), work)), { reason: "not_stored" })
      yield* finish(true)
      yield* settled
      assert.include(yield* Effect.flip(run(request("k"), work)), { reason: "not_stored" })
      assert.strictEqual(seen.runs, 1)
    }),
  )
})

describe("two processes", () => {
  test(
    "make one run; the other process waits for its answer",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const other = yield* replica
      const { work, seen, finish } = yield* gated
      const first = yield* start(run(request("k"), () => work))
      const waiting = yield* start(other.run(request("k"), () => work))
      yield* TestClock.adjust(waitMs - 1_000)
      assert.include(yield* Effect.flip(other.run(request("k", "other"), () => work)), { reason: "reused" })
      yield* finish(kept("once"))
      yield* TestClock.adjust(limits.pollEveryMs)
      const replies = [yield* Fiber.join(first), yield* Fiber.join(waiting)]
      assert.deepStrictEqual(
        replies.map((reply) => [text(reply), reply.replayed]),
        [
          ["once", false],
          ["once", true],
        ],
      )
      assert.strictEqual(seen.runs, 1)
    }),
  )

  test(
    "give up waiting in time and say when to come back",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const other = yield* replica
      const { work, seen, finish } = yield* gated
      const first = yield* start(run(request("k"), () => work))
      const waiting = yield* start(Effect.flip(other.run(request("k"), () => work)))
      yield* TestClock.adjust(waitMs - 1)
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust(limits.pollEveryMs + 1)
      assert.include(yield* Fiber.join(waiting), { reason: "in_progress", retryAfterMs: limits.retryAfterMs })
      yield* finish(kept("once"))
      yield* Fiber.join(first)
      assert.isTrue((yield* other.run(request("k"), () => work)).replayed)
      assert.strictEqual(seen.runs, 1)
    }),
  )

  test(
    "hand a released claim on: the waiting one runs",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const other = yield* replica
      const { work, finish } = yield* gated
      const first = yield* start(run(request("k"), () => work))
      const waiting = yield* start(other.run(request("k"), () => Effect.succeed(kept("second try"))))
      yield* finish(retryable("busy"))
      yield* TestClock.adjust(limits.pollEveryMs)
      assert.strictEqual(text(yield* Fiber.join(first)), "busy")
      const second = yield* Fiber.join(waiting)
      assert.deepStrictEqual([text(second), second.replayed], ["second try", false])
    }),
  )

  test(
    "keep a run that outlasts its lease many times, by renewal",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const other = yield* replica
      const { work, seen, finish } = yield* gated
      const first = yield* start(run(request("k"), () => work))
      for (let passed = 0; passed < 5 * leaseMs; passed += renewEveryMs) {
        yield* TestClock.adjust(renewEveryMs)
        const waiting = yield* start(Effect.exit(other.run(request("k"), () => work)))
        yield* TestClock.adjust(waitMs + limits.pollEveryMs)
        assert.strictEqual(reasonOf(yield* Fiber.join(waiting)), "in_progress")
      }
      yield* finish(kept("slow"))
      assert.strictEqual(text(yield* Fiber.join(first)), "slow")
      assert.strictEqual(seen.runs, 1)
    }),
  )

  test(
    "after a crash: refused until the lease is over, then exactly one run",
    Effect.gen(function* () {
      const { run } = yield* Idempotency
      const other = yield* replica
      const store = yield* ClaimStore
      yield* store.claim(claimId("k"), bodyPrint("hello"), "crashed owner")
      const early = yield* start(Effect.exit(run(request("k"), () => Effect.succeed(kept("too early")))))
      yield* TestClock.adjust(leaseMs - 1_000)
      assert.strictEqual(reasonOf(yield* Fiber.join(early)), "in_progress")
      const { work, seen, finish } = yield* gated
      const logged: Array<string> = []
      const logger = Logger.make(({ message }) => void logged.push(String(message)))
      const callers = yield* start(
        Effect.forEach([run, other.run, run, other.run], (each) => each(request("k"), () => work), {
          concurrency: "unbounded",
        }).pipe(Effect.provide(Logger.layer([logger]))),
      )
      assert.strictEqual(seen.runs, 0)
      yield* TestClock.adjust(1_000 + limits.pollEveryMs)
      yield* finish(kept("again"))
      yield* TestClock.adjust(limits.pollEveryMs)
      const replies = yield* Fiber.join(callers)
      assert.strictEqual(seen.runs, 1)
      assert.strictEqual(logged.filter((message) => message.includes("outcome is unknown")).length, 1)
      assert.deepStrictEqual(replies.map(text), ["again", "again", "again", "again"])
      assert.strictEqual(replies.filter((reply) => !reply.replayed).length, 1)
    }),
  )
})

/** The test's store with a fault: what `broken` holds replaces its methods. */
const withStore = Effect.fnUntraced(function* (
  broken: (store: ClaimStore["Service"]) => Partial<ClaimStore["Service"]>,
) {
  const store = yield* ClaimStore
  return yield* replica.pipe(Effect.provideService(ClaimStore, { ...store, ...broken(store) }))
})
const down = Effect.fail(new ClaimStoreUnavailable({ message: "test" }))

describe("an owner that lost its claim", () => {
  test(
    "is stopped as soon as it learns so, and its callers are sent to the new owner's answer",
    Effect.gen(function* () {
      let stalled = true
      const late = yield* withStore((store) => ({
        renew: (id, owner) => (stalled ? down : store.renew(id, owner)),
      }))
      const { run } = yield* Idempotency
      const first = yield* gated
      const second = yield* gated
      const stale = yield* start(Effect.exit(late.run(request("k"), () => first.work)))
      yield* TestClock.adjust(leaseMs + 500)
      const fresh = yield* start(run(request("k"), () => second.work))
      assert.strictEqual(second.seen.runs, 1)
      assert.strictEqual(first.seen.interrupted, 0)
      stalled = false
      yield* TestClock.adjust(limits.retryEveryMs)
      assert.strictEqual(first.seen.interrupted, 1)
      assert.strictEqual(reasonOf(yield* Fiber.join(stale)), "in_progress")
      yield* second.finish(kept("the new owner's"))
      assert.strictEqual(text(yield* Fiber.join(fresh)), "the new owner's")
      assert.strictEqual(text(yield* late.run(request("k"), () => first.work)), "the new owner's")
    }),
  )

  test(
    "cannot put its answer over the new owner's, nor deliver it",
    Effect.gen(function* () {
      const late = yield* withStore(() => ({ renew: () => down }))
      const { run } = yield* Idempotency
      const { work, finish } = yield* gated
      const stale = yield* start(Effect.exit(late.run(request("k"), () => work)))
      yield* TestClock.adjust(leaseMs + 500)
      yield* run(request("k"), () => Effect.succeed(kept("the new owner's")))
      yield* finish(kept("late"))
      assert.strictEqual(reasonOf(yield* Fiber.join(stale)), "in_progress")
      assert.strictEqual(text(yield* run(request("k"), () => work)), "the new owner's")
    }),
  )
})

describe("a stream whose claim was lost", () => {
  test(
    "does not end as a whole answer beside the new owner's",
    Effect.gen(function* () {
      const late = yield* withStore(() => ({ renew: () => down }))
      const { run } = yield* Idempotency
      const body = late.replayableBody(request("k").keyId)
      const response = { status: 200, headers: {}, body }
      const { work, finish } = yield* gated
      const streamed = (begin: Begin) =>
        Effect.suspend(() => {
          body.write(Buffer.from("data: late\n\n"))
          begin(response)
          return work
        })
      const client = yield* late.run(request("k"), streamed)
      const reading = yield* Effect.forkChild(Effect.promise(() => read(client)))
      yield* TestClock.adjust(leaseMs + 500)
      yield* run(request("k"), () => Effect.succeed(kept("the new owner's")))
      body.end(Buffer.from("data: [DONE]\n\n"), () => Buffer.from("data: error\n\n"))
      yield* finish({ response, keep: true })
      assert.strictEqual(yield* Fiber.join(reading), "data: late\n\ndata: error\n\n")
      assert.strictEqual(text(yield* late.run(request("k"), streamed)), "the new owner's")
    }),
  )
})

describe("without the database", () => {
  test(
    "nothing runs",
    Effect.gen(function* () {
      const { run } = yield* withStore(() => ({ claim: () => down, release: () => down }))
      const { work, seen } = yield* gated
      assert.include(yield* Effect.flip(run(request("k"), () => work)), {
        reason: "unavailable",
        retryAfterMs: limits.retryAfterMs,
      })
      assert.strictEqual(seen.runs, 0)
    }),
  )

  test(
    "a claim whose reply was lost does not block its key",
    Effect.gen(function* () {
      let lossy = true
      const { run } = yield* withStore((store) => ({
        claim: (...claim) => (lossy ? Effect.andThen(store.claim(...claim), down) : store.claim(...claim)),
      }))
      assert.include(yield* Effect.flip(run(request("k"), () => Effect.succeed(kept("")))), {
        reason: "unavailable",
      })
      yield* settled
      lossy = false
      assert.strictEqual(text(yield* run(request("k"), () => Effect.succeed(kept("fine")))), "fine")
    }),
  )

  /** A run whose answer is ready and cannot be stored while `away` says so. */
  const ready = Effect.gen(function* () {
    const database = { away: true }
    const { run } = yield* withStore((store) => ({
      complete: (...finished) => Effect.suspend(() => (database.away ? down : store.complete(...finished))),
    }))
    const { work, seen, finish } = yield* gated
    yield* finish(kept("once"))
    const call = () => start(run(request("k"), () => work))
    return { database, call, seen, work, first: yield* call() }
  })

  test(
    "an answer goes out as soon as it is stored, and to nobody before",
    Effect.gen(function* () {
      const { database, call, first, seen, work } = yield* ready
      const joined = yield* call()
      yield* TestClock.adjust(deliverAnywayMs - limits.retryEveryMs - 1)
      assert.deepStrictEqual([first.pollUnsafe(), joined.pollUnsafe()], [undefined, undefined])
      database.away = false
      yield* TestClock.adjust(limits.retryEveryMs)
      const replies = [yield* Fiber.join(first), yield* Fiber.join(joined)]
      assert.deepStrictEqual(
        replies.map((reply) => [text(reply), reply.replayed]),
        [
          ["once", false],
          ["once", true],
        ],
      )
      const elsewhere = yield* (yield* Idempotency).run(request("k"), () => work)
      assert.deepStrictEqual([elsewhere.replayed, seen.runs], [true, 1])
    }),
  )

  test(
    "an answer that could not be stored for too long goes out, to duplicates too, and is stored when the database is back",
    Effect.gen(function* () {
      const { database, call, first, seen, work } = yield* ready
      yield* TestClock.adjust(deliverAnywayMs - 1)
      assert.isUndefined(first.pollUnsafe())
      yield* TestClock.adjust(1)
      const replies = [yield* Fiber.join(first), yield* Fiber.join(yield* call())]
      assert.deepStrictEqual([...replies.map(text), replies[1]?.replayed], ["once", "once", true])
      database.away = false
      yield* TestClock.adjust(limits.retryEveryMs)
      assert.isTrue((yield* (yield* Idempotency).run(request("k"), () => work)).replayed)
      assert.strictEqual(seen.runs, 1)
    }),
  )

  it.effect.each(CLOCK_STEPS)(
    "a finished run is stored all the same after a step of the wall clock (%i ms)",
    (ms) =>
      Effect.gen(function* () {
        const { clock, step } = yield* steppedClock
        yield* Effect.gen(function* () {
          let away = true
          const { run } = yield* withStore((store) => ({
            complete: (...finished) => Effect.suspend(() => (away ? down : store.complete(...finished))),
          }))
          const other = yield* Idempotency
          const { work, seen, finish } = yield* gated
          yield* finish(kept("once"))
          yield* start(run(request("k"), () => work))
          yield* TestClock.adjust(2 * limits.retryEveryMs)
          step(ms)
          yield* TestClock.adjust(leaseMs / 2)
          away = false
          yield* TestClock.adjust(limits.retryEveryMs)
          assert.isTrue((yield* other.run(request("k"), () => work)).replayed)
          assert.strictEqual(seen.runs, 1)
        }).pipe(
          Effect.onExit(() => letTimePass),
          Effect.provide(
            Idempotency.layerNoDeps.pipe(
              Layer.provideMerge(ClaimStore.layerMemory),
              Layer.provide(startedClock),
            ),
          ),
          Effect.provideService(Clock.Clock, clock),
        )
      }),
  )

  test(
    "a finished run that can never be stored is forgotten with its lease",
    Effect.gen(function* () {
      const { database, call, first, seen } = yield* ready
      yield* TestClock.adjust(leaseMs + 5 * limits.retryEveryMs)
      assert.strictEqual(text(yield* Fiber.join(first)), "once")
      database.away = false
      assert.isFalse((yield* Fiber.join(yield* call())).replayed)
      assert.strictEqual(seen.runs, 2)
    }),
  )

  test(
    "a run goes on while its lease cannot be renewed",
    Effect.gen(function* () {
      const { run } = yield* withStore(() => ({ renew: () => down }))
      const { work, seen, finish } = yield* gated
      const call = yield* start(run(request("k"), () => work))
      yield* TestClock.adjust(3 * leaseMs)
      yield* finish(kept("late but ours"))
      assert.strictEqual(text(yield* Fiber.join(call)), "late but ours")
      assert.deepStrictEqual(seen, { runs: 1, interrupted: 0 })
    }),
  )
})

describe("a stopping process", () => {
  const stoppable = Effect.gen(function* () {
    const scope = yield* Scope.make()
    return { idempotency: yield* Scope.provide(replica, scope), stop: Scope.close(scope, Exit.void) }
  })

  test(
    "waits for running work, whose client may be gone, and takes no more",
    Effect.gen(function* () {
      const { idempotency, stop } = yield* stoppable
      const other = yield* Idempotency
      const { work, seen, finish } = yield* gated
      const client = yield* start(idempotency.run(request("k"), () => work))
      yield* Fiber.interrupt(client)
      const stopping = yield* start(stop)
      yield* TestClock.adjust(drainMs - 1_000)
      assert.isUndefined(stopping.pollUnsafe())
      assert.include(yield* Effect.flip(idempotency.run(request("new"), () => work)), {
        reason: "unavailable",
      })
      yield* finish(kept("in time"))
      yield* Fiber.join(stopping)
      assert.strictEqual(text(yield* other.run(request("k"), () => work)), "in time")
      assert.strictEqual(seen.runs, 1)
    }),
  )

  test(
    "cuts off what exceeds the grace period, tells its callers, and frees its claim",
    Effect.gen(function* () {
      const idempotency = yield* replica
      const other = yield* Idempotency
      const { work, seen } = yield* gated
      const caller = yield* start(Effect.exit(idempotency.run(request("k"), () => work)))
      const draining = yield* start(idempotency.drain)
      yield* TestClock.adjust(drainMs)
      yield* Fiber.join(draining)
      assert.strictEqual(reasonOf(yield* Fiber.join(caller)), "unavailable")
      assert.strictEqual(seen.interrupted, 1)
      assert.isFalse((yield* other.run(request("k"), () => Effect.succeed(kept("elsewhere")))).replayed)
    }),
  )
})

test(
  "an answer that waits to be stored when the process stops is not thrown away",
  Effect.gen(function* () {
    const idempotency = yield* withStore(() => ({ complete: () => Effect.never }))
    const { work, finish } = yield* gated
    const caller = yield* start(idempotency.run(request("k"), () => work))
    const draining = yield* start(idempotency.drain)
    yield* TestClock.adjust(drainMs - 1)
    yield* finish(kept("late"))
    yield* TestClock.adjust(1)
    yield* Fiber.join(draining)
    assert.strictEqual(text(yield* Fiber.join(caller)), "late")
  }),
)

test(
  "expired answers are removed, batch after batch",
  Effect.gen(function* () {
    const store = yield* ClaimStore
    const { run } = yield* Idempotency
    const keys = Array.from({ length: limits.cleanupBatch + 1 }, (_, i) => `k${i}`)
    yield* Effect.forEach(keys, (key) => run(request(key), () => Effect.succeed(kept("old"))), {
      concurrency: 50,
    })
    yield* TestClock.adjust(expireMs - 1)
    assert.isTrue((yield* run(request("k0"), () => Effect.succeed(kept("new")))).replayed)
    yield* TestClock.adjust(cleanupEveryMs)
    assert.strictEqual(yield* store.cleanup(1), 0)
    assert.isFalse((yield* run(request("k0"), () => Effect.succeed(kept("new")))).replayed)
  }),
)
