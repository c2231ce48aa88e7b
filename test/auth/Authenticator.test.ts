import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { Authenticator } from "../../src/auth/Authenticator.ts"
import { KeyProofs } from "../../src/auth/KeyProofs.ts"
import { Settings } from "../../src/config/Settings.ts"
import { formatApiKey, parseApiKey } from "../../src/domain/ApiKeyFormat.ts"
import { principalOf } from "../support/principal-of.ts"
import { makeToken, START_MS, World } from "./world.ts"

const authenticate = (token: string) => Authenticator.use((auth) => auth.authenticate(token))
/** From the start of a check to its refusal. */
const REFUSAL_MS = 200

/** Returns the refusal of a token, after the time that one takes. */
const refusalOf = Effect.fnUntraced(function* (token: string) {
  const asking = yield* Effect.forkChild(Effect.flip(authenticate(token)), { startImmediately: true })
  if (asking.pollUnsafe() === undefined) yield* TestClock.adjust(REFUSAL_MS)
  return yield* Fiber.join(asking)
})
const reasonOf = (token: string) => Effect.map(refusalOf(token), ({ reason }) => reason)

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
        const own = {
          scope: "key",
          subject: "Ada",
          requestsPerMinute: 7,
          tokensPerMinute: 9,
          concurrency: null,
        } as const
        const teams = {
          ...own,
          scope: "team",
          subject: "search",
          requestsPerMinute: null,
          concurrency: 3,
        } as const
        const budget = { id: 1, scope: "team", subject: "search", period: "day", limitNanoUsd: 5 } as const
        const { id, token } = world.addKey({
          ...{ name: "ada", models: ["auto"], team: "search", tags: ["eu"], mayIssue: true },
          ...{ limits: [own, teams], budgets: [budget] },
        })
        const principal = yield* authenticate(token)
        assert.deepStrictEqual(principal, {
          keyId: id,
          name: "ada",
          models: new Set(["auto"]),
          team: "search",
          tags: ["eu"],
          mayIssue: true,
          limits: [
            { scope: "key", subject: "Ada", requestsPerMinute: 7, tokensPerMinute: 9 },
            { scope: "team", subject: "search", tokensPerMinute: 9, concurrency: 3 },
          ],
          budgets: [budget],
        })
        world.database = "down"
        for (let i = 0; i < 10; i++) assert.strictEqual(yield* authenticate(token), principal)
        assert.deepStrictEqual([world.finds, world.compares], [1, 1])
      }),
    ),
  )

  it.effect("that was issued may ask for what its issuer may by now", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const modelsOf = (models: ReadonlyArray<string> | null, issuerModels: ReadonlyArray<string> | null) =>
          Effect.map(
            authenticate(world.addKey({ models, issuerModels }).token),
            ({ models }) => models && [...models],
          )
        assert.isUndefined(yield* modelsOf(null, null))
        assert.deepStrictEqual(yield* modelsOf(["auto"], null), ["auto"])
        assert.deepStrictEqual(yield* modelsOf(null, ["auto"]), ["auto"])
        assert.deepStrictEqual(yield* modelsOf(["auto", "openai/gpt-5", "x/y"], ["openai/*", "x/y"]), [
          "openai/gpt-5",
          "x/y",
        ])
      }),
    ),
  )

  it.effect("without limits of its own has none in its principal", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { id, token } = world.addKey()
        assert.deepStrictEqual(yield* authenticate(token), principalOf(id))
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

  it.effect("says the same for unknown, wrong, revoked and expired", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const revoked = world.addKey({ revoked: true })
        const expired = world.addKey({ leftMs: -1 })
        const unused = world.addKey()
        const used = world.addKey()
        yield* authenticate(used.token)
        const tokens = [makeToken(), makeToken(unused.id), makeToken(used.id), revoked, expired]
        for (const { token } of tokens) {
          assert.deepStrictEqual(yield* refusalOf(token), yield* refusalOf("no key at all"))
        }
        assert.strictEqual(world.compares, 2, "the first use of one, and the guess at one that has no proof")
      }),
    ),
  )

  it.effect("comes after the same time, whatever is wrong with the key", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        world.compareMs = 50
        const revoked = world.addKey({ revoked: true })
        const unused = world.addKey()
        const used = world.addKey()
        const using = yield* Effect.forkChild(authenticate(used.token), { startImmediately: true })
        yield* TestClock.adjust(world.compareMs)
        yield* Fiber.join(using)
        for (const { token } of [makeToken(), makeToken(unused.id), makeToken(used.id), revoked]) {
          // The second time while the first is under way.
          const asking = yield* Effect.forEach([token, token], (token) =>
            Effect.forkChild(Effect.flip(authenticate(token)), { startImmediately: true }),
          )
          yield* TestClock.adjust(REFUSAL_MS - 1)
          for (const fiber of asking) assert.isUndefined(fiber.pollUnsafe())
          yield* TestClock.adjust(1)
          for (const fiber of asking) assert.strictEqual((yield* Fiber.join(fiber)).reason, "invalid")
        }
      }),
    ),
  )

  it.effect("is remembered for five seconds and no longer", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { token } = makeToken()
        for (let i = 0; i < 10; i++) assert.strictEqual(yield* reasonOf(token), "invalid")
        assert.deepStrictEqual([world.finds, world.compares], [1, 0])
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
        yield* TestClock.adjust(REFUSAL_MS)
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
        yield* TestClock.adjust(REFUSAL_MS)
        const exits = yield* Effect.forEach(readers, Fiber.join)
        assert.deepStrictEqual(exits.map(Exit.isSuccess), [false, true])
        assert.strictEqual(world.compares, 2, "neither needed bcrypt again")
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

describe("a flood of strangers", () => {
  it.effect("reaches bcrypt with nothing, and no key waits behind it", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const unused = world.addKey()
        const flood = yield* Effect.forEach(Array.from({ length: 1_000 }), () =>
          Effect.forkChild(Effect.flip(authenticate(makeToken().token)), { startImmediately: true }),
        )
        assert.strictEqual(world.compares, 0)
        yield* authenticate(unused.token)
        // Those above what may wait for its time were answered at once.
        assert.lengthOf(
          flood.filter((fiber) => fiber.pollUnsafe() === undefined),
          100,
        )
        yield* TestClock.adjust(REFUSAL_MS)
        const reasons = (yield* Effect.forEach(flood, Fiber.join)).map(({ reason }) => reason)
        assert.deepStrictEqual([...new Set(reasons)], ["invalid"])
      }),
    ),
  )

  it.effect(
    "that a hanging database holds is bounded, and is told that this says nothing about the key",
    () =>
      inWorld((world) =>
        Effect.gen(function* () {
          world.database = "hangs"
          const flood = yield* Effect.forEach(Array.from({ length: 5_000 }), () =>
            Effect.forkChild(Effect.flip(authenticate(makeToken().token)), { startImmediately: true }),
          )
          assert.strictEqual(world.finds, 4_096)
          yield* TestClock.adjust("800 millis")
          const errors = yield* Effect.forEach(flood, Fiber.join)
          for (const { retryAfterMs } of errors) assert.isAbove(retryAfterMs ?? 0, 0)
          const counts = Map.groupBy(errors, ({ reason }) => reason)
          assert.deepStrictEqual(
            [counts.get("unavailable")?.length, counts.get("overloaded")?.length],
            [4_096, 904],
          )
          // Every place was given back.
          world.database = "up"
          assert.strictEqual(yield* reasonOf(makeToken().token), "invalid")
        }),
      ),
  )
})

describe("a restarted gateway", () => {
  /** Asks an authenticator that knows nothing yet, of the same table. */
  const restarted = <A, E>(world: World, ask: Effect.Effect<A, E, Authenticator>) =>
    Effect.provide(ask, Layer.fresh(world.layer), { local: true })

  it.effect("needs no bcrypt for keys that were verified before, however many come back at once", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const tokens = Array.from({ length: 2_000 }, () => world.addKey().token)
        yield* Effect.forEach(tokens, authenticate)
        assert.strictEqual(world.compares, 2_000)
        yield* restarted(world, Effect.forEach(tokens, authenticate, { concurrency: "unbounded" }))
        assert.strictEqual(world.compares, 2_000)
      }),
    ),
  )

  it.effect("needs none for either secret of a grace period, and none to refuse another", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const { id } = world.addKey()
        const [previous, current] = [makeToken(id), makeToken(id)]
        world.put({
          ...world.row(id),
          secretHash: `hash of ${current.secret}`,
          previousSecretHash: `hash of ${previous.secret}`,
          previousSecretLeftMs: 60_000,
        })
        yield* authenticate(previous.token)
        yield* authenticate(current.token)
        world.compares = 0
        yield* restarted(
          world,
          Effect.all([
            authenticate(previous.token),
            authenticate(current.token),
            reasonOf(makeToken(id).token),
          ]),
        )
        assert.strictEqual(world.compares, 0)
        world.put({ ...world.row(id), previousSecretLeftMs: 0 })
        assert.strictEqual(yield* restarted(world, reasonOf(previous.token)), "invalid")
        world.put({ ...world.row(id), revoked: true })
        assert.strictEqual(yield* restarted(world, reasonOf(current.token)), "invalid")
      }),
    ),
  )

  it.effect("asks bcrypt when a proof is damaged, of another hash or of another admin secret", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const [one, other] = [world.addKey(), world.addKey()]
        yield* authenticate(one.token)
        yield* authenticate(other.token)
        const ours = world.row(one.id).proof ?? ""
        const foreign = yield* KeyProofs.use(({ make }) =>
          Effect.succeed(make(parseApiKey(one.token)?.secret ?? "", world.row(one.id).secretHash)),
        ).pipe(
          Effect.provide(
            Layer.provide(KeyProofs.layer, Settings.layerTest({ adminJwtSecret: Redacted.make("another") })),
            { local: true },
          ),
        )
        assert.notStrictEqual(foreign, ours)
        const flipped = `${ours.startsWith("A") ? "B" : "A"}${ours.slice(1)}`
        for (const proof of [
          null,
          "",
          "no proof",
          flipped,
          ours.slice(1),
          foreign,
          world.row(other.id).proof,
        ]) {
          world.put({ ...world.row(one.id), proof })
          world.compares = 0
          yield* restarted(world, authenticate(one.token))
          assert.strictEqual(world.row(one.id).proof, ours, "and leaves one that holds")
          world.put({ ...world.row(one.id), proof })
          assert.strictEqual(yield* restarted(world, reasonOf(makeToken(one.id).token)), "invalid")
          assert.strictEqual(world.compares, 2)
        }
      }),
    ),
  )

  it.effect("is not let in by a proof that was made for another key's hash", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const [mine, victim] = [world.addKey(), world.addKey()]
        yield* authenticate(mine.token)
        const stolen = formatApiKey({ id: victim.id, secret: parseApiKey(mine.token)?.secret ?? "" })
        world.put({ ...world.row(victim.id), proof: world.row(mine.id).proof })
        assert.strictEqual(yield* restarted(world, reasonOf(stolen)), "invalid")
      }),
    ),
  )
})
