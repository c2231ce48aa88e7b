import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { Authenticator } from "../../src/auth/Authenticator.ts"
import { makeToken, START_MS, World } from "./world.ts"

const authenticate = (token: string) => Authenticator.use((auth) => auth.authenticate(token))
const reasonOf = (token: string) => Effect.map(Effect.flip(authenticate(token)), ({ reason }) => reason)

/** Runs the test against a world of its own. */
const inWorld = <A, E>(body: (world: World) => Effect.Effect<A, E, Authenticator>) =>
  Effect.suspend(() => {
    const world = new World()
    return Effect.andThen(TestClock.setTime(START_MS), Effect.provide(body(world), world.layer))
  })

/** Revokes the key in the table; no poll has said so yet. */
const revoke = (world: World, id: string) => world.put({ ...world.row(id), revoked: true })

describe("a key", () => {
  it.effect("is looked up and compared once, then known", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { id, token } = world.addKey({ name: "ada", requestsPerMinute: 7, models: ["auto"] })
        const principal = yield* authenticate(token)
        assert.deepStrictEqual(principal, {
          keyId: id,
          name: "ada",
          requestsPerMinute: 7,
          models: new Set(["auto"]),
        })
        world.database = "down"
        for (let i = 0; i < 10; i++) assert.strictEqual(yield* authenticate(token), principal)
        assert.deepStrictEqual([world.finds, world.compares], [1, 1])
      }),
    ),
  )

  it.effect("without limits of its own has none in its principal", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { id, token } = world.addKey()
        assert.deepStrictEqual(yield* authenticate(token), { keyId: id, name: "a key" })
      }),
    ),
  )

  it.effect("is checked once for many requests at the same time", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { token } = world.addKey()
        const gate = world.closeGate()
        const waiting = yield* Effect.forEach(Array.from({ length: 50 }), () =>
          Effect.forkChild(authenticate(token), { startImmediately: true }),
        )
        yield* Deferred.succeed(gate, undefined)
        yield* Effect.forEach(waiting, Fiber.join)
        assert.deepStrictEqual([world.finds, world.compares], [1, 1])
      }),
    ),
  )

  it.effect("is checked to the end although the client left", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { token } = world.addKey()
        const gate = world.closeGate()
        const left = yield* Effect.forkChild(authenticate(token), { startImmediately: true })
        const stayed = yield* Effect.forkChild(authenticate(token), { startImmediately: true })
        yield* Fiber.interrupt(left)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(stayed)
        assert.strictEqual(world.compares, 1)
      }),
    ),
  )

  it.effect("stops when it expires, also while cached and while the database is down", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { id, token } = world.addKey({ leftMs: 60_000 })
        yield* authenticate(token)
        yield* TestClock.adjust(59_999)
        yield* authenticate(token)
        assert.strictEqual(world.finds, 1)
        world.database = "down"
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* reasonOf(token), "unavailable")
        world.database = "up"
        world.put({ ...world.row(id), leftMs: 0 })
        assert.strictEqual(yield* reasonOf(token), "invalid")
      }),
    ),
  )

  it.effect("that was rotated accepts both secrets until the grace period ends, then only the new one", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { id, token: old } = world.addKey()
        const { secret, token: fresh } = makeToken(id)
        world.put({
          ...world.row(id),
          secretHash: `hash of ${secret}`,
          previousSecretHash: world.row(id).secretHash,
          previousSecretLeftMs: 60_000,
        })
        yield* authenticate(old)
        yield* authenticate(fresh)
        yield* TestClock.adjust(59_999)
        yield* authenticate(old)
        yield* TestClock.adjust(1)
        world.put({ ...world.row(id), previousSecretLeftMs: 0 })
        assert.strictEqual(yield* reasonOf(old), "invalid")
        yield* authenticate(fresh)
        assert.strictEqual(yield* reasonOf(makeToken(id).token), "invalid")
      }),
    ),
  )
})

describe("a refusal", () => {
  it.effect("of a revoked key holds for the secret of its grace period too", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { id, token: old } = world.addKey()
        const { secretHash } = world.row(id)
        world.put({
          ...world.row(id),
          secretHash: "another",
          previousSecretHash: secretHash,
          previousSecretLeftMs: 60_000,
          revoked: true,
        })
        assert.strictEqual(yield* reasonOf(old), "invalid")
      }),
    ),
  )

  it.effect("of what is no key asks nobody", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { token } = world.addKey()
        const shape = "gwk_aaaaaaaaaaaa_"
        const injections = [
          "' OR '1'='1",
          "gwk_'; DROP TABLE api_keys; --",
          `${shape}' UNION SELECT secret_hash FROM api_keys --`.padEnd(66, "a"),
          "gwk_%00%27_",
          "\0",
          "a".repeat(100_000),
          token.toUpperCase(),
          `${token} `,
          token.slice(0, -1) + (token.endsWith("0") ? "1" : "0"),
        ]
        for (const injection of injections) assert.strictEqual(yield* reasonOf(injection), "invalid")
        assert.strictEqual(yield* reasonOf(""), "missing")
        for (const noise of fc.sample(fc.string({ unit: "binary", minLength: 1, maxLength: 100 }), 200)) {
          assert.strictEqual(yield* reasonOf(noise), "invalid")
        }
        assert.deepStrictEqual([world.finds, world.compares], [0, 0])
      }),
    ),
  )

  it.effect("costs the same and says the same for unknown, wrong, revoked and expired", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const revoked = world.addKey({ revoked: true })
        const expired = world.addKey({ leftMs: -1 })
        const known = world.addKey()
        const tokens = [makeToken().token, makeToken(known.id).token, revoked.token, expired.token]
        for (const token of tokens) {
          const before = [world.finds, world.compares]
          assert.deepStrictEqual(
            yield* Effect.flip(authenticate(token)),
            yield* Effect.flip(authenticate("no key at all")),
          )
          assert.deepStrictEqual([world.finds - (before[0] ?? 0), world.compares - (before[1] ?? 0)], [1, 1])
        }
      }),
    ),
  )

  it.effect("is remembered for five seconds and no longer", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { token } = makeToken()
        for (let i = 0; i < 10; i++) assert.strictEqual(yield* reasonOf(token), "invalid")
        assert.deepStrictEqual([world.finds, world.compares], [1, 1])
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(yield* reasonOf(token), "invalid")
        assert.strictEqual(world.finds, 2)
      }),
    ),
  )

  it.effect("is forgotten when the key changes", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { id, secret, token } = makeToken()
        assert.strictEqual(yield* reasonOf(token), "invalid")
        world.put({ ...world.row(world.addKey().id), id, secretHash: `hash of ${secret}` })
        world.cache.forget(id)
        yield* authenticate(token)
      }),
    ),
  )

  it.effect("is not avoided by sharing the start of a cached token", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { id, token } = world.addKey()
        yield* authenticate(token)
        const forged = makeToken(id).token
        assert.strictEqual(forged.slice(0, 17), token.slice(0, 17))
        assert.strictEqual(yield* reasonOf(forged), "invalid")
      }),
    ),
  )
})

describe("without a database", () => {
  it.effect("an unknown token is unavailable, never invalid", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        world.database = "down"
        const { token } = world.addKey()
        for (const unknown of [token, makeToken().token]) {
          const error = yield* Effect.flip(authenticate(unknown))
          assert.strictEqual(error.reason, "unavailable")
          assert.isAbove(error.retryAfterMs ?? 0, 0)
        }
        assert.strictEqual(world.compares, 0)
        world.database = "up"
        yield* authenticate(token)
      }),
    ),
  )

  it.effect("a hanging one is given up within a second", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        world.database = "hangs"
        const { token } = world.addKey()
        const asking = yield* Effect.forkChild(Effect.exit(authenticate(token)), { startImmediately: true })
        yield* TestClock.adjust("800 millis")
        const exit = yield* Fiber.join(asking)
        assert.isTrue(Exit.isFailure(exit))
        world.database = "up"
        yield* authenticate(token)
      }),
    ),
  )

  it.effect("known keys work for ten minutes after the last word of the database", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { token } = world.addKey()
        yield* authenticate(token)
        yield* TestClock.adjust("1 hour")
        world.cache.confirm(START_MS + 3_600_000, true)
        world.database = "down"
        world.cache.markUnreachable()
        yield* TestClock.adjust(10 * 60_000 - 1)
        yield* authenticate(token)
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* reasonOf(token), "unavailable")
      }),
    ),
  )

  it.effect("known keys work on when somebody sets the clock", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { token } = world.addKey()
        yield* authenticate(token)
        world.database = "down"
        const clock = yield* Clock.Clock
        for (const hours of [24, -24]) {
          const set = {
            ...clock,
            currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + hours * 3_600_000,
          }
          yield* Effect.provideService(authenticate(token), Clock.Clock, set)
        }
      }),
    ),
  )

  it.effect("a token is not tried against a hash from the cache", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { id, token } = world.addKey()
        yield* authenticate(token)
        world.database = "down"
        assert.strictEqual(yield* reasonOf(makeToken(id).token), "unavailable")
      }),
    ),
  )
})

describe("a change", () => {
  it.effect("during a check keeps its verdict out of the cache", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { id, token } = world.addKey()
        const gate = world.closeGate()
        const checking = yield* Effect.forkChild(authenticate(token), { startImmediately: true })
        revoke(world, id)
        world.cache.forget(id)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(checking)
        assert.strictEqual(yield* reasonOf(token), "invalid")
      }),
    ),
  )

  it.effect("during a check is not answered with that check's verdict to later requests", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { id, token } = world.addKey()
        const gate = world.closeGate()
        const checking = yield* Effect.forkChild(authenticate(token), { startImmediately: true })
        revoke(world, id)
        world.cache.forget(id)
        const later = yield* Effect.forkChild(Effect.flip(authenticate(token)), { startImmediately: true })
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(checking)
        assert.strictEqual((yield* Fiber.join(later)).reason, "invalid")
      }),
    ),
  )

  it.effect("during a check that read the changed row is no change to its verdict", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { id, token } = world.addKey()
        const gate = world.closeGate()
        const checking = yield* Effect.forkChild(authenticate(token), { startImmediately: true })
        world.cache.forget(id, world.row(id).changeSeq)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(checking)
        world.database = "down"
        yield* authenticate(token)
        assert.strictEqual(world.finds, 1)
      }),
    ),
  )
})

describe("a verdict that no poll confirmed for a second", () => {
  /** A key that was revoked and one that was not, both known, after a second in which the process did not run. */
  const unconfirmed = Effect.fnUntraced(function* (world: World) {
    const revoked = world.addKey()
    const kept = world.addKey()
    yield* authenticate(revoked.token)
    yield* authenticate(kept.token)
    revoke(world, revoked.id)
    world.cache.confirm(START_MS, true)
    yield* TestClock.adjust("1 second")
    yield* authenticate(kept.token)
    yield* TestClock.adjust("1 millis")
    const readers = yield* Effect.forEach([revoked, kept], ({ token }) =>
      Effect.forkChild(Effect.exit(authenticate(token)), { startImmediately: true }),
    )
    yield* TestClock.adjust("400 millis")
    for (const reader of readers) assert.isUndefined(reader.pollUnsafe())
    return { readers, revoked: revoked.id }
  })

  it.effect("waits for the next, and is worth what that says", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { readers, revoked } = yield* unconfirmed(world)
        world.cache.forget(revoked, world.row(revoked).changeSeq)
        world.cache.confirm(START_MS + 1_401, true)
        const exits = yield* Effect.forEach(readers, Fiber.join)
        assert.deepStrictEqual(exits.map(Exit.isSuccess), [false, true])
        assert.strictEqual(world.compares, 3, "the unchanged key needed no bcrypt")
      }),
    ),
  )

  it.effect("is all there is when the database does not answer", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { readers } = yield* unconfirmed(world)
        world.database = "down"
        world.cache.markUnreachable()
        const exits = yield* Effect.forEach(readers, Fiber.join)
        assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, true])
        assert.strictEqual(world.finds, 2)
      }),
    ),
  )

  it.effect("holds nobody whose token is unknown", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        yield* unconfirmed(world)
        yield* authenticate(world.addKey().token)
        assert.strictEqual(yield* reasonOf(makeToken().token), "invalid")
      }),
    ),
  )
})

describe("a flood of unknown tokens", () => {
  it.effect("is bounded, and known keys do not wait behind it", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { token } = world.addKey()
        yield* authenticate(token)
        const gate = world.closeGate()
        const before = world.finds
        const flood = yield* Effect.forEach(Array.from({ length: 200 }), () =>
          Effect.forkChild(Effect.flip(authenticate(makeToken().token)), { startImmediately: true }),
        )
        assert.strictEqual(world.finds - before, 32)
        yield* authenticate(token)
        yield* Deferred.succeed(gate, undefined)
        const reasons = (yield* Effect.forEach(flood, Fiber.join)).map(({ reason }) => reason)
        assert.strictEqual(reasons.filter((reason) => reason === "invalid").length, 32)
        assert.strictEqual(reasons.filter((reason) => reason === "unavailable").length, 168)
        // Every place was given back.
        assert.strictEqual(yield* reasonOf(makeToken().token), "invalid")
      }),
    ),
  )
})
