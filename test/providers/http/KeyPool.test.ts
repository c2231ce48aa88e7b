import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Random, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { ProviderError, type ProviderErrorKind } from "../../../src/domain/ProviderError.ts"
import { monotonicMs } from "../../../src/platform/monotonic.ts"
import { KeyHealth } from "../../../src/providers/http/KeyHealth.ts"
import { KeyPool } from "../../../src/providers/http/KeyPool.ts"
import { KeyMemory } from "../../../src/providers/KeyMemory.ts"
import type { AttemptContext } from "../../../src/providers/Provider.ts"

const poolOf = (weights: Readonly<Record<string, number>>) => {
  const [first, ...others] = Object.entries(weights).map(([name, weight]) => ({
    name,
    weight,
    health: new KeyHealth(),
    own: name,
  }))
  if (first === undefined) throw new Error("a pool has a key")
  return new KeyPool([first, ...others])
}

type Pool = ReturnType<typeof poolOf>

/** Makes an attempt that is answered, and returns the key that it was made with. */
const asked = (pool: Pool, context: AttemptContext = {}, model = "m") =>
  pool.attempt(model, context, (own) => Effect.succeed(own))

/** Makes an attempt whose key is refused. */
const refused = (pool: Pool, kind: ProviderErrorKind, more: Partial<ProviderError> = {}, model = "m") =>
  Effect.flip(
    pool.attempt(model, {}, () => Effect.fail(new ProviderError({ kind, provider: "p", model, ...more }))),
  )

const statesOf = (pool: Pool, model = "m") => Effect.map(monotonicMs, (nowMs) => pool.statesOf(model, nowMs))

const countsOf = (pool: Pool, attempts: number, contextOf: (i: number) => AttemptContext = () => ({})) =>
  Effect.gen(function* () {
    const counts: Record<string, number> = {}
    for (let i = 0; i < attempts; i++) {
      const key = yield* asked(pool, contextOf(i))
      counts[key] = (counts[key] ?? 0) + 1
    }
    return counts
  })

const seeded = <A, E>(effect: Effect.Effect<A, E>) => Random.withSeed(effect, "pools")

describe("a pool of keys", () => {
  it.effect("is drawn from by weight", () =>
    Effect.gen(function* () {
      const counts = yield* countsOf(poolOf({ a: 6, b: 3, c: 1 }), 10_000)
      assert.approximately(counts.a ?? 0, 6_000, 200)
      assert.approximately(counts.b ?? 0, 3_000, 200)
      assert.approximately(counts.c ?? 0, 1_000, 150)
    }).pipe(seeded),
  )

  it.effect("has conversations by weight too, each with one key, in any process", () =>
    Effect.gen(function* () {
      const weights = { OPENAI_KEY_A: 6, OPENAI_KEY_B: 3, OPENAI_KEY_C: 1 }
      const contextOf = (i: number) => ({ conversation: `AbCd01234567 #${i * 7_919}` })
      const [one, another] = [poolOf(weights), poolOf(weights)]
      const counts = yield* countsOf(one, 10_000, contextOf)
      assert.approximately(counts.OPENAI_KEY_A ?? 0, 6_000, 200)
      assert.approximately(counts.OPENAI_KEY_B ?? 0, 3_000, 200)
      assert.approximately(counts.OPENAI_KEY_C ?? 0, 1_000, 150)
      for (let i = 0; i < 100; i++) {
        const key = yield* asked(one, contextOf(i))
        assert.strictEqual(yield* asked(another, contextOf(i)), key)
        assert.strictEqual(yield* asked(one, contextOf(i)), key)
      }
    }).pipe(seeded),
  )

  it.effect("moves the conversations of a key that rests, and no others, until it is well", () =>
    Effect.gen(function* () {
      const pool = poolOf({ a: 1, b: 1, c: 1 })
      const conversations = Array.from({ length: 60 }, (_, i) => ({ conversation: `k #${i}` }))
      const before = yield* Effect.forEach(conversations, (context) => asked(pool, context))
      const limited = yield* refused(pool, "rate_limited", { retryAfterMs: 5_000 })
      const during = yield* Effect.forEach(conversations, (context) => asked(pool, context))
      for (const [i, key] of before.entries()) {
        if (key === limited.key?.name) assert.notStrictEqual(during[i], key)
        else assert.strictEqual(during[i], key)
      }
      // Not all to the same neighbour.
      assert.lengthOf(new Set(during.filter((_, i) => before[i] === limited.key?.name)), 2)
      yield* TestClock.adjust(5_000)
      assert.deepStrictEqual(yield* Effect.forEach(conversations, (context) => asked(pool, context)), before)
    }).pipe(seeded),
  )

  it.effect("tells each attempt's key, and of a failure whose it was", () =>
    Effect.gen(function* () {
      const pool = poolOf({ only: 1 })
      const names: Array<string> = []
      yield* asked(pool, { onKey: (name) => names.push(name) })
      assert.deepStrictEqual(names, ["only"])
      assert.strictEqual((yield* refused(pool, "auth", { status: 401 })).key?.name, "only")
    }),
  )
})

describe("a limit that one key meets", () => {
  it.effect("rests the key for its model alone, for as long as was said", () =>
    Effect.gen(function* () {
      const pool = poolOf({ a: 1, b: 1 })
      const error = yield* refused(pool, "rate_limited", { retryAfterMs: 5_000 })
      assert.deepInclude(error, { kind: "rate_limited", retryAfterMs: 0 })
      assert.deepInclude(error.key, { othersFree: true, startsRest: false })
      const limited = error.key?.name ?? ""
      assert.notProperty(yield* countsOf(pool, 50), limited)
      const others = yield* countsOf(pool, 50)
      assert.strictEqual(Object.keys(others).length, 1)
      const ofAnother = new Set<string>()
      for (let i = 0; i < 50; i++) ofAnother.add(yield* asked(pool, {}, "another"))
      assert.isTrue(ofAnother.has(limited))
      yield* TestClock.adjust(4_999)
      assert.notProperty(yield* countsOf(pool, 50), limited)
      yield* TestClock.adjust(1)
      assert.property(yield* countsOf(pool, 50), limited)
    }).pipe(seeded),
  )

  it.effect("rests the key for a moment where no wait is asked for", () =>
    Effect.gen(function* () {
      const pool = poolOf({ a: 1_000_000, b: 0.001 })
      const error = yield* refused(pool, "rate_limited", { retryAfterMs: 0 })
      assert.deepInclude(error.key, { name: "a", othersFree: true })
      assert.strictEqual(yield* asked(pool), "b")
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* asked(pool), "a")
    }).pipe(seeded),
  )

  it.effect("is waited for longer and longer when nobody says how long, and shorter after answers", () =>
    Effect.gen(function* () {
      const pool = poolOf({ only: 1 })
      const waitMs = Effect.map(refused(pool, "rate_limited"), ({ retryAfterMs = 0 }) => retryAfterMs)
      const waits: Array<number> = []
      for (let i = 0; i < 3; i++) {
        const ms = yield* waitMs
        waits.push(ms)
        yield* TestClock.adjust(ms)
      }
      for (let i = 0; i < 3; i++) {
        yield* TestClock.adjust(1)
        yield* asked(pool)
        yield* TestClock.adjust(1)
        const ms = yield* waitMs
        waits.push(ms)
        yield* TestClock.adjust(ms)
      }
      assert.deepStrictEqual(waits, [2_000, 4_000, 8_000, 4_000, 2_000, 1_000])
    }),
  )

  it.effect("may be told by a good answer, and an answer to an earlier call does not end the rest", () =>
    Effect.gen(function* () {
      const pool = poolOf({ a: 1, b: 1 })
      const heard: Array<number> = []
      const usedUp = (ms: number) =>
        pool.attempt("m", { onLimit: (left) => heard.push(left) }, (own, onLimit) =>
          Effect.sync(() => {
            onLimit(ms)
            return own
          }),
        )
      const first = yield* usedUp(9_000)
      assert.deepStrictEqual(heard, [])
      assert.notProperty(yield* countsOf(pool, 30), first)
      yield* TestClock.adjust(1_000)
      // The last one: now it is the candidate's, until the first of both is free.
      assert.notStrictEqual(yield* usedUp(20_000), first)
      assert.deepStrictEqual(heard, [8_000])
    }).pipe(seeded),
  )

  it.effect("of all keys is told with the wait for the first of them, which is asked all the same", () =>
    Effect.gen(function* () {
      const pool = poolOf({ a: 1, b: 1 })
      const first = yield* refused(pool, "rate_limited", { retryAfterMs: 9_000 })
      yield* TestClock.adjust(1_000)
      const second = yield* refused(pool, "rate_limited", { retryAfterMs: 3_000 })
      assert.deepInclude(second.key, { othersFree: false })
      assert.strictEqual(second.retryAfterMs, 3_000)
      yield* TestClock.adjust(1_000)
      const third = yield* refused(pool, "rate_limited", { retryAfterMs: 60_000 })
      assert.strictEqual(third.key?.name, second.key?.name)
      assert.strictEqual(third.retryAfterMs, 7_000)
      assert.strictEqual(yield* asked(pool), first.key?.name)
      // Which was answered, so that it is free.
      assert.strictEqual((yield* statesOf(pool)).filter(({ why }) => why === undefined).length, 1)
    }).pipe(seeded),
  )
})

describe("a key that an operator has to look after", () => {
  it.effect(
    "rests for all models, longer each time that its probe is refused, and is told of once a rest",
    () =>
      Effect.gen(function* () {
        const pool = poolOf({ only: 1 })
        const first = yield* refused(pool, "auth", { status: 401 })
        assert.isTrue(first.key?.startsRest)
        assert.strictEqual(first.retryAfterMs, 5 * 60_000)
        const [state] = yield* statesOf(pool, "another")
        assert.strictEqual(state?.why, "auth")
        assert.isFalse((yield* refused(pool, "auth", { status: 401 })).key?.startsRest)
        yield* TestClock.adjust("5 minutes")
        const probe = yield* refused(pool, "auth", { status: 401 })
        assert.isTrue(probe.key?.startsRest)
        assert.strictEqual(probe.retryAfterMs, 10 * 60_000)
        yield* asked(pool)
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* refused(pool, "auth", { status: 401 })).retryAfterMs, 5 * 60_000)
      }),
  )

  it.effect("gets one call after its rest, and no other until that is back", () =>
    Effect.gen(function* () {
      const pool = poolOf({ a: 1_000_000, b: 0.001 })
      assert.strictEqual((yield* refused(pool, "quota_exhausted")).key?.name, "a")
      yield* TestClock.adjust("5 minutes")
      const probe = yield* Effect.forkChild(
        pool.attempt("m", {}, () => Effect.never),
        { startImmediately: true },
      )
      assert.deepStrictEqual(yield* countsOf(pool, 10), { b: 10 })
      yield* Fiber.interrupt(probe)
      assert.strictEqual(yield* asked(pool), "a")
      assert.deepStrictEqual(yield* countsOf(pool, 10), { a: 10 })
    }).pipe(seeded),
  )

  it.effect("gets another after one that could not even be made", () =>
    Effect.gen(function* () {
      const pool = poolOf({ a: 1_000_000, b: 0.001 })
      yield* refused(pool, "quota_exhausted")
      yield* TestClock.adjust("5 minutes")
      const thrown = new Error("a bug")
      const probe = pool.attempt("m", {}, () => {
        throw thrown
      })
      assert.deepStrictEqual(yield* Effect.exit(probe), Exit.die(thrown))
      assert.strictEqual(yield* asked(pool), "a")
    }).pipe(seeded),
  )

  for (const [kind, more] of [
    ["model_not_found", {}],
    ["not_enabled", { status: 403 }],
    ["auth", { status: 403 }],
    ["quota_exhausted", { modelOnly: true }],
  ] as const) {
    it.effect(`rests for one model alone after ${kind} ${JSON.stringify(more)}`, () =>
      Effect.gen(function* () {
        const pool = poolOf({ only: 1 })
        yield* refused(pool, kind, more)
        assert.isAbove((yield* statesOf(pool))[0]?.leftMs ?? 0, 0)
        assert.strictEqual((yield* statesOf(pool, "another"))[0]?.leftMs, 0)
      }),
    )
  }

  it.effect("is the account's trouble only when no key of it is left", () =>
    Effect.gen(function* () {
      const pool = poolOf({ a: 1, b: 1 })
      yield* refused(pool, "rate_limited", { retryAfterMs: 30_000 })
      const last = yield* refused(pool, "auth", { status: 401 })
      // Other models are still answered with the key that is limited for this one.
      assert.deepInclude(last, { modelOnly: true, retryAfterMs: 30_000 })
      assert.isTrue(last.key?.waitsForLimit)
      const other = poolOf({ a: 1, b: 1 })
      yield* refused(other, "auth", { status: 401 })
      const lastOfOther = yield* refused(other, "auth", { status: 401 })
      assert.isUndefined(lastOfOther.modelOnly)
      assert.isFalse(lastOfOther.key?.waitsForLimit)
    }).pipe(seeded),
  )
})

describe("a pool", () => {
  it.effect("leaves outages to the provider", () =>
    Effect.gen(function* () {
      const pool = poolOf({ a: 1, b: 1 })
      for (const kind of ["server_error", "timeout", "connect", "overloaded", "bad_request"] as const) {
        assert.isUndefined((yield* refused(pool, kind)).key)
      }
      assert.isTrue((yield* statesOf(pool)).every(({ leftMs, why }) => leftMs === 0 && why === undefined))
    }),
  )

  it.effect("learns nothing from an attempt that is interrupted, or from a count", () =>
    Effect.gen(function* () {
      const pool = poolOf({ a: 1, b: 1 })
      const fiber = yield* Effect.forkChild(
        pool.attempt("m", {}, () => Effect.never),
        { startImmediately: true },
      )
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
      const error = new ProviderError({ kind: "rate_limited", provider: "p", model: "m" })
      assert.strictEqual(yield* Effect.flip(pool.aside("m", () => Effect.fail(error))), error)
      assert.isTrue((yield* statesOf(pool)).every(({ leftMs, why }) => leftMs === 0 && why === undefined))
    }),
  )

  it.effect("learns from a count that a key is refused", () =>
    Effect.gen(function* () {
      const pool = poolOf({ a: 1_000_000, b: 0.001 })
      const error = new ProviderError({ kind: "auth", provider: "p", model: "m", status: 401 })
      assert.strictEqual(yield* Effect.flip(pool.aside("m", () => Effect.fail(error))), error)
      assert.strictEqual(yield* pool.aside("m", Effect.succeed), "b")
      assert.strictEqual(yield* asked(pool, {}, "another"), "b")
    }).pipe(seeded),
  )

  it.effect("forgets what is known against its keys", () =>
    Effect.gen(function* () {
      const pool = poolOf({ a: 1, b: 1 })
      yield* refused(pool, "rate_limited", { retryAfterMs: 60_000 })
      yield* refused(pool, "auth", { status: 401 })
      pool.reset()
      const counts = yield* countsOf(pool, 50)
      assert.lengthOf(Object.keys(counts), 2)
    }).pipe(seeded),
  )

  it.effect("is taught nothing by a call from before, and everything by the next", () =>
    Effect.gen(function* () {
      const pool = poolOf({ only: 1 })
      for (const [kind, status] of [
        ["auth", 401],
        ["model_not_found", 404],
        ["rate_limited", 429],
      ] as const) {
        const error = new ProviderError({ kind, provider: "p", model: "m", status, retryAfterMs: 60_000 })
        const before = yield* Deferred.make<never, ProviderError>()
        const calls = [
          pool.attempt("m", {}, (_, onLimit) =>
            Effect.tapError(Deferred.await(before), () => Effect.sync(() => onLimit(60_000))),
          ),
          pool.aside("m", () => Deferred.await(before)),
        ]
        const fibers = yield* Effect.forEach(calls, (call) =>
          Effect.forkChild(Effect.flip(call), { startImmediately: true }),
        )
        pool.reset()
        yield* Deferred.fail(before, error)
        const [failed] = yield* Effect.forEach(fibers, Fiber.join)
        assert.deepInclude(failed?.key, { name: "only", startsRest: false })
        const [state] = yield* statesOf(pool)
        assert.deepInclude(state, { leftMs: 0, why: undefined })
        yield* refused(pool, kind, { status })
        assert.isAbove((yield* statesOf(pool))[0]?.leftMs ?? 0, 0)
        pool.reset()
      }
    }),
  )

  it.effect("is not freed by an answer to a call from before", () =>
    Effect.gen(function* () {
      const pool = poolOf({ only: 1 })
      const before = yield* Deferred.make<void>()
      const call = yield* Effect.forkChild(
        pool.attempt("m", {}, () => Deferred.await(before)),
        { startImmediately: true },
      )
      pool.reset()
      yield* refused(pool, "auth", { status: 401 })
      yield* Deferred.succeed(before, undefined)
      yield* Fiber.join(call)
      assert.strictEqual((yield* statesOf(pool))[0]?.why, "auth")
    }),
  )
})

describe("what is known of a key", () => {
  const memory = Effect.provide(KeyMemory, KeyMemory.layer)
  const provider = { name: "p", baseUrl: "http://one" }
  const key = (value: string) => ({ name: "first", weight: 1, value: Redacted.make(value) })

  it.effect("is the same as long as it has its value and goes to the same place", () =>
    Effect.gen(function* () {
      const { healthOf } = yield* memory
      const first = healthOf(provider, key("a"))
      assert.strictEqual(healthOf({ ...provider }, { ...key("a"), weight: 2 }), first)
      const elsewhere = healthOf({ ...provider, baseUrl: "http://two" }, key("a"))
      assert.notStrictEqual(elsewhere, first)
      assert.notStrictEqual(healthOf({ ...provider, baseUrl: "http://two" }, key("b")), elsewhere)
    }),
  )
})
