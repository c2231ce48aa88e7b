import { randomUUID } from "node:crypto"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { ClaimStore } from "../../src/idempotency/ClaimStore.ts"
import type { ClaimId, ClaimStoreUnavailable } from "../../src/idempotency/claim.ts"
import { IdempotencyLimits } from "../../src/idempotency/IdempotencyLimits.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"
import { startedClock } from "../support/started-clock.ts"
import { answer, bob, bodyPrint, claimId } from "./requests.ts"

const LEASE_MS = 30_000
const EXPIRE_MS = 100_000
const limits = {
  ...IdempotencyLimits.defaultValue(),
  leaseMs: LEASE_MS,
  expireMs: EXPIRE_MS,
  maxStoredBytes: 200_000,
}
const layerLimits = Layer.succeed(IdempotencyLimits, limits)

/** Lets time pass for the rows: on a database by moving them into the past, whose clock no test can move. */
class Time extends Context.Service<Time, { readonly advance: (ms: number) => Effect.Effect<void> }>()(
  "test/Time",
) {
  static readonly layerTestClock = Layer.succeed(Time, { advance: (ms) => TestClock.adjust(ms) })
  static readonly layerSql = Layer.effect(
    Time,
    Effect.map(SqlClient.SqlClient, (sql) => ({
      advance: (ms: number) =>
        sql`UPDATE idempotency_claims SET
          lease_until = lease_until - ${ms} * interval '1 millisecond',
          expires_at = expires_at - ${ms} * interval '1 millisecond'`.pipe(Effect.orDie, Effect.asVoid),
    })),
  )
}

const layerSql = Layer.mergeAll(ClaimStore.layer, Time.layerSql)
const stores = [
  {
    name: "memory",
    layerStore: Layer.mergeAll(ClaimStore.layerMemory, Time.layerTestClock).pipe(Layer.provide(startedClock)),
  },
  { name: "PostgreSQL", layerStore: layerSql.pipe(Layer.provide(layerPostgres)) },
  { name: "the embedded database", layerStore: layerSql.pipe(Layer.provide(layerEmbedded)) },
]

interface Given {
  readonly id: ClaimId
  readonly store: ClaimStore["Service"]
  readonly advance: Time["Service"]["advance"]
}

const print = bodyPrint("hello")

describe.each(stores)("claims in $name", ({ layerStore }) => {
  layer(layerStore.pipe(Layer.provide(layerLimits)))((it) => {
    /** The tests share the store, each with a key of its own. */
    const test = (name: string, body: (given: Given) => Effect.Effect<unknown, ClaimStoreUnavailable>) =>
      it.effect(name, () =>
        Effect.gen(function* () {
          const { advance } = yield* Time
          yield* body({ id: claimId(name), store: yield* ClaimStore, advance })
        }),
      )

    test(
      "are granted to one owner, and finished by it alone",
      Effect.fnUntraced(function* ({ id, store }: Given) {
        const [first, second] = [randomUUID(), randomUUID()]
        assert.deepStrictEqual(yield* store.claim(id, print, first), { _tag: "Claimed", run: 1 })
        assert.deepStrictEqual(yield* store.claim(id, print, second), { _tag: "Running" })
        assert.isFalse(yield* store.complete(id, second, answer("theirs")))
        assert.isTrue(yield* store.complete(id, first, answer("ours")))
        assert.isTrue(yield* store.complete(id, first, answer("ours")), "a repeated store is fine")
        const state = yield* store.claim(id, print, second)
        assert.strictEqual(
          state._tag === "Finished" && Buffer.from(state.response?.body ?? "").toString(),
          "ours",
        )
      }),
    )

    test(
      "are exact under concurrency: of 50 owners at once one is granted",
      Effect.fnUntraced(function* ({ id, store }: Given) {
        const states = yield* Effect.forEach(
          Array.from({ length: 50 }, () => randomUUID()),
          (owner) => store.claim(id, print, owner),
          { concurrency: "unbounded" },
        )
        assert.strictEqual(states.filter((state) => state._tag === "Claimed").length, 1)
        assert.strictEqual(states.filter((state) => state._tag === "Running").length, 49)
      }),
    )

    test(
      "are granted again to exactly one of 50 when the lease of an unfinished run is over",
      Effect.fnUntraced(function* ({ id, store, advance }: Given) {
        yield* store.claim(id, print, randomUUID())
        yield* advance(LEASE_MS - 5_000)
        assert.deepStrictEqual(yield* store.claim(id, print, randomUUID()), { _tag: "Running" })
        yield* advance(6_000)
        const states = yield* Effect.forEach(
          Array.from({ length: 50 }, () => randomUUID()),
          (owner) => store.claim(id, print, owner),
          { concurrency: "unbounded" },
        )
        assert.deepStrictEqual(
          states.filter((state) => state._tag === "Claimed"),
          [{ _tag: "Claimed", run: 2 }],
        )
      }),
    )

    test(
      "leave an owner that was taken over nothing to renew, finish or release",
      Effect.fnUntraced(function* ({ id, store, advance }: Given) {
        const [late, next] = [randomUUID(), randomUUID()]
        yield* store.claim(id, print, late)
        yield* advance(LEASE_MS + 1_000)
        assert.isTrue(yield* store.renew(id, late), "nobody took over yet")
        yield* advance(LEASE_MS + 1_000)
        yield* store.claim(id, print, next)
        assert.isFalse(yield* store.renew(id, late))
        assert.isFalse(yield* store.complete(id, late, answer("late")))
        yield* store.release(id, late)
        assert.deepStrictEqual(yield* store.claim(id, print, randomUUID()), { _tag: "Running" })
        assert.isTrue(yield* store.complete(id, next, answer("next")))
        assert.isFalse(yield* store.complete(id, late, answer("late")))
        const state = yield* store.claim(id, print, randomUUID())
        assert.strictEqual(
          state._tag === "Finished" && Buffer.from(state.response?.body ?? "").toString(),
          "next",
        )
      }),
    )

    test(
      "are renewed for a whole lease",
      Effect.fnUntraced(function* ({ id, store, advance }: Given) {
        const owner = randomUUID()
        yield* store.claim(id, print, owner)
        yield* advance(LEASE_MS - 5_000)
        assert.isTrue(yield* store.renew(id, owner))
        yield* advance(LEASE_MS - 5_000)
        assert.deepStrictEqual(yield* store.claim(id, print, randomUUID()), { _tag: "Running" })
      }),
    )

    test(
      "belong to one API key and one fingerprint, running, abandoned and finished, until they expire",
      Effect.fnUntraced(function* ({ id, store, advance }: Given) {
        const other = bodyPrint("other")
        const owner = randomUUID()
        yield* store.claim(id, print, owner)
        assert.deepStrictEqual(yield* store.claim(id, other, randomUUID()), { _tag: "Reused" })
        assert.deepStrictEqual(yield* store.claim({ ...id, keyId: bob }, other, randomUUID()), {
          _tag: "Claimed",
          run: 1,
        })
        yield* advance(LEASE_MS + 1_000)
        assert.deepStrictEqual(yield* store.claim(id, other, randomUUID()), { _tag: "Reused" })
        yield* store.complete(id, owner, answer("done"))
        assert.deepStrictEqual(yield* store.claim(id, other, randomUUID()), { _tag: "Reused" })
        yield* advance(EXPIRE_MS + 1_000)
        assert.deepStrictEqual(yield* store.claim(id, other, randomUUID()), { _tag: "Claimed", run: 1 })
        assert.deepStrictEqual(yield* store.claim(id, other, randomUUID()), { _tag: "Running" })
      }),
    )

    test(
      "are free again after a release, and a release does not undo a finished one",
      Effect.fnUntraced(function* ({ id, store }: Given) {
        const [first, second] = [randomUUID(), randomUUID()]
        yield* store.claim(id, print, first)
        yield* store.release(id, first)
        assert.deepStrictEqual(yield* store.claim(id, bodyPrint("other"), second), {
          _tag: "Claimed",
          run: 1,
        })
        yield* store.complete(id, second, answer("done"))
        yield* store.release(id, second)
        assert.strictEqual((yield* store.claim(id, bodyPrint("other"), first))._tag, "Finished")
      }),
    )

    test(
      "replay status, headers in their order and every byte of the body",
      Effect.fnUntraced(function* ({ store }: Given) {
        const responses = [
          {
            status: 422,
            headers: { "x-zebra": "1", "content-type": 'text/"\\plain', "a-header": "é\u0000\t", "": "" },
            body: Uint8Array.from({ length: 64 }, (_, i) => (i * 37) % 256),
          },
          { status: 200, headers: {}, body: new Uint8Array() },
          { status: 200, headers: { a: "b" }, body: Uint8Array.of(0, 0xff, 0xfe, 0x80, 0x0a) },
          { status: 200, headers: {}, body: new Uint8Array(limits.maxStoredBytes).fill(7) },
        ]
        for (const [i, response] of responses.entries()) {
          const owner = randomUUID()
          yield* store.claim(claimId(`b${i}`), print, owner)
          yield* store.complete(claimId(`b${i}`), owner, response)
          const state = yield* store.claim(claimId(`b${i}`), print, randomUUID())
          assert.isTrue(state._tag === "Finished" && state.response !== null)
          if (state._tag !== "Finished" || state.response === null) return
          assert.strictEqual(state.response.status, response.status)
          assert.deepStrictEqual(Object.entries(state.response.headers), Object.entries(response.headers))
          // What is large does not come at once.
          assert.strictEqual(state.response.body === undefined, response.body.length > 128 * 1024)
          const body = state.response.body ?? (yield* store.fetch(claimId(`b${i}`), print))
          assert.strictEqual(Buffer.compare(body ?? new Uint8Array(1), response.body), 0)
        }
      }),
    )

    test(
      "have a body to fetch for the same request alone, and once it is finished",
      Effect.fnUntraced(function* ({ id, store }: Given) {
        const owner = randomUUID()
        assert.isUndefined(yield* store.fetch(id, print))
        yield* store.claim(id, print, owner)
        assert.isUndefined(yield* store.fetch(id, print))
        const { body } = answer("kept")
        yield* store.complete(id, owner, answer("kept"))
        assert.deepStrictEqual(Buffer.from((yield* store.fetch(id, print)) ?? []), body)
        assert.isUndefined(yield* store.fetch(id, bodyPrint("another")))
        assert.isUndefined(yield* store.fetch({ ...id, keyId: bob }, print))
      }),
    )

    test(
      "say so when an answer was too large to keep, and do not run again",
      Effect.fnUntraced(function* ({ id, store }: Given) {
        const owner = randomUUID()
        const body = new Uint8Array(limits.maxStoredBytes + 1)
        yield* store.claim(id, print, owner)
        assert.isTrue(yield* store.complete(id, owner, { ...answer(""), body }))
        assert.deepStrictEqual(yield* store.claim(id, print, randomUUID()), {
          _tag: "Finished",
          response: null,
        })
      }),
    )

    test(
      "are cleaned up in batches once expired, and only then",
      Effect.fnUntraced(function* ({ store, advance }: Given) {
        const finish = (key: string) =>
          Effect.gen(function* () {
            const owner = randomUUID()
            yield* store.claim(claimId(key), print, owner)
            yield* store.complete(claimId(key), owner, answer(key))
          })
        yield* advance(2 * EXPIRE_MS)
        yield* store.cleanup(100)
        for (const key of ["old1", "old2", "old3"]) yield* finish(key)
        yield* store.claim(claimId("abandoned"), print, randomUUID())
        yield* advance(EXPIRE_MS - 10_000)
        yield* finish("young")
        yield* store.claim(claimId("running"), print, randomUUID())
        assert.strictEqual(yield* store.cleanup(10), 0)
        yield* advance(11_000)
        assert.strictEqual(yield* store.cleanup(3), 3)
        assert.strictEqual(yield* store.cleanup(3), 1)
        assert.strictEqual(yield* store.cleanup(3), 0)
        assert.strictEqual((yield* store.claim(claimId("young"), print, randomUUID()))._tag, "Finished")
        assert.strictEqual((yield* store.claim(claimId("running"), print, randomUUID()))._tag, "Running")
      }),
    )

    test(
      "of a run that is still renewed are not cleaned up, however old",
      Effect.fnUntraced(function* ({ id, store, advance }: Given) {
        const owner = randomUUID()
        yield* store.claim(id, print, owner)
        yield* advance(EXPIRE_MS)
        yield* store.renew(id, owner)
        yield* advance(5_000)
        yield* store.cleanup(100)
        assert.strictEqual((yield* store.claim(id, print, randomUUID()))._tag, "Running")
        assert.isTrue(yield* store.complete(id, owner, answer("at last")))
      }),
    )
  })
})

describe("the memory store", () => {
  const owners = [randomUUID(), randomUUID(), randomUUID()]
  const command = fc.oneof(
    fc.record({ op: fc.constant("claim" as const), key: fc.nat(1), body: fc.nat(1), owner: fc.nat(2) }),
    fc.record({
      op: fc.constantFrom("renew" as const, "complete", "release"),
      key: fc.nat(1),
      owner: fc.nat(2),
    }),
    fc.record({ op: fc.constant("cleanup" as const), limit: fc.integer({ min: 1, max: 3 }) }),
    // Multiples of 7 s stay two seconds and more away from the lease (30 s) and the expiry (100 s).
    fc.record({ op: fc.constant("advance" as const), steps: fc.integer({ min: 1, max: 15 }) }),
  )

  type Command = typeof command extends fc.Arbitrary<infer C> ? C : never

  const apply = (store: ClaimStore["Service"], advance: (ms: number) => Effect.Effect<unknown>) =>
    Effect.fnUntraced(function* (c: Command) {
      switch (c.op) {
        case "claim": {
          const state = yield* store.claim(
            claimId(`k${c.key}`),
            bodyPrint(`b${c.body}`),
            owners[c.owner] ?? "",
          )
          if (state._tag !== "Finished" || state.response === null) return state
          return {
            ...state,
            response: { ...state.response, body: Buffer.from(state.response.body ?? []).toString() },
          }
        }
        case "renew":
          return yield* store.renew(claimId(`k${c.key}`), owners[c.owner] ?? "")
        case "complete":
          return yield* store.complete(claimId(`k${c.key}`), owners[c.owner] ?? "", answer(`by ${c.owner}`))
        case "release":
          return yield* store.release(claimId(`k${c.key}`), owners[c.owner] ?? "")
        case "cleanup":
          return yield* store.cleanup(c.limit)
        case "advance":
          yield* advance(c.steps * 7_000)
      }
    })

  it.effect("does what the SQL does, step by step, for random histories", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const real = yield* ClaimStore
      const time = yield* Time
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.array(command, { maxLength: 25 }), (commands) =>
            Effect.gen(function* () {
              yield* sql`DELETE FROM idempotency_claims`
              const model = yield* ClaimStore
              const onModel = apply(model, TestClock.adjust)
              const onReal = apply(real, time.advance)
              for (const c of commands) {
                assert.deepStrictEqual(yield* onModel(c), yield* onReal(c), JSON.stringify(c))
              }
            }).pipe(
              Effect.provide(ClaimStore.layerMemory.pipe(Layer.provide(layerLimits)), { local: true }),
              Effect.provide(TestClock.layer()),
              Effect.runPromise,
            ),
          ),
          { numRuns: 150, interruptAfterTimeLimit: 15_000 },
        ),
      )
    }).pipe(Effect.provide(layerSql.pipe(Layer.provideMerge(layerPostgres), Layer.provide(layerLimits)))),
  )
})
