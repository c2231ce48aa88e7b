import { assert, describe, it } from "@effect/vitest"
import bcrypt from "bcrypt"
import { Effect, Exit, Fiber, Layer } from "effect"
import { beforeAll, vi } from "vitest"
import { SecretHasher } from "../../src/auth/SecretHasher.ts"
import { cheapHashes } from "../support/cheap-hashes.ts"

/** Counts how much of bcrypt's own work runs at the same time. */
const running = { now: 0, most: 0 }

const counted =
  <Args extends ReadonlyArray<unknown>, A>(work: (...args: Args) => Promise<A>) =>
  async (...args: Args): Promise<A> => {
    running.now += 1
    running.most = Math.max(running.most, running.now)
    try {
      return await work(...args)
    } finally {
      running.now -= 1
    }
  }

beforeAll(() => {
  const { compare, hash } = bcrypt
  // The overload with a promise is the one that is called.
  vi.spyOn(bcrypt, "compare").mockImplementation(counted(compare) as never)
  vi.spyOn(bcrypt, "hash").mockImplementation(counted(hash) as never)
  return () => vi.restoreAllMocks()
})

const secret = "s".repeat(43)

/** Hashes of as many rounds that nobody has the secret of. */
const otherHashes = (hash: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, n) => hash.slice(0, -3) + n.toString(32).padStart(3, "a"))

const quick = Layer.provide(SecretHasher.layer, cheapHashes)

describe("secret hasher", () => {
  it.live("matches what it hashed and nothing else", () =>
    Effect.gen(function* () {
      const hasher = yield* SecretHasher
      const hash = yield* hasher.hash(secret)
      assert.match(hash, /^\$2b\$10\$/)
      assert.isTrue(yield* hasher.matches(secret, hash))
      assert.isFalse(yield* hasher.matches(`${secret.slice(1)}t`, hash))
      assert.isFalse(yield* hasher.matches(secret, "no hash"))
    }).pipe(Effect.provide(SecretHasher.layer)),
  )

  it.live("compares two at a time, lets 62 wait and refuses the rest at once", () =>
    Effect.gen(function* () {
      const hasher = yield* SecretHasher
      const hash = yield* hasher.hash(secret)
      running.most = 0
      const asked = yield* Effect.forEach(otherHashes(hash, 200), (hash) =>
        Effect.forkChild(Effect.exit(hasher.matches(secret, hash)), { startImmediately: true }),
      )
      const refusedAtOnce = asked.filter((fiber) => fiber.pollUnsafe() !== undefined).length
      assert.strictEqual(refusedAtOnce, 136)
      const exits = yield* Effect.forEach(asked, Fiber.join)
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 64)
      assert.strictEqual(running.most, 2)
      assert.isTrue(yield* hasher.matches(secret, hash), "every place was given back")
    }).pipe(Effect.provide(quick)),
  )

  it.live("hashes for operators while clients have every place, and bounds that too", () =>
    Effect.gen(function* () {
      const hasher = yield* SecretHasher
      const hash = yield* hasher.hash(secret)
      running.most = 0
      const compared: Array<boolean> = []
      const clients = yield* Effect.forEach(otherHashes(hash, 64), (hash) =>
        Effect.forkChild(
          Effect.tap(hasher.matches(secret, hash), (matches) => Effect.sync(() => compared.push(matches))),
          { startImmediately: true },
        ),
      )
      yield* hasher.hash(secret)
      assert.isBelow(compared.length, 32, "an operator waited for clients")
      const operators = yield* Effect.forEach(Array.from({ length: 40 }), () =>
        Effect.forkChild(Effect.exit(hasher.hash(secret)), { startImmediately: true }),
      )
      const exits = yield* Effect.forEach(operators, Fiber.join)
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 32)
      yield* Effect.forEach(clients, Fiber.join)
      assert.strictEqual(running.most, 3)
    }).pipe(Effect.provide(quick)),
  )

  it.live(
    "compares with one hash twice at a time, so that guesses at one key leave the places to others",
    () =>
      Effect.gen(function* () {
        const hasher = yield* SecretHasher
        const hash = yield* hasher.hash(secret)
        const guesses = yield* Effect.forEach(Array.from({ length: 100 }), () =>
          Effect.forkChild(Effect.exit(hasher.matches("a guess", hash)), { startImmediately: true }),
        )
        const [other = ""] = otherHashes(hash, 1)
        yield* hasher.matches(secret, other)
        const exits = yield* Effect.forEach(guesses, Fiber.join)
        assert.strictEqual(exits.filter(Exit.isSuccess).length, 2)
        assert.isTrue(yield* hasher.matches(secret, hash), "every place was given back")
      }).pipe(Effect.provide(quick)),
  )

  it.live("does not start another computation in place of one that was abandoned but still runs", () =>
    Effect.gen(function* () {
      const hasher = yield* SecretHasher
      const hash = yield* hasher.hash(secret)
      running.most = 0
      for (let i = 0; i < 5; i++) {
        const asked = yield* Effect.forEach(otherHashes(hash, 3), (hash) =>
          Effect.forkChild(hasher.matches(secret, hash), { startImmediately: true }),
        )
        yield* Effect.forEach(asked, Fiber.interrupt, { concurrency: "unbounded" })
      }
      assert.strictEqual(running.most, 2)
      assert.strictEqual(running.now, 0)
      yield* hasher.matches(secret, hash)
    }).pipe(Effect.provide(quick)),
  )

  it.live("refuses a secret that bcrypt would cut", () =>
    Effect.gen(function* () {
      const hasher = yield* SecretHasher
      yield* hasher.hash("s".repeat(72))
      for (const long of ["s".repeat(73), "é".repeat(37)]) {
        assert.isTrue(Exit.hasDies(yield* Effect.exit(hasher.hash(long))))
        assert.isTrue(Exit.hasDies(yield* Effect.exit(hasher.matches(long, "x"))))
      }
    }).pipe(Effect.provide(quick)),
  )
})
