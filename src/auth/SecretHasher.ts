import bcrypt from "bcrypt"
import { Context, Data, Effect, Layer, Semaphore } from "effect"
import * as Metrics from "../observability/Metrics.ts"

/** Too many computations of this kind wait already. It says nothing about the secret. */
class SecretHasherBusy extends Data.TaggedError("SecretHasherBusy") {}

/** Two to this power is how many rounds a hash takes: 50 ms. A reference, so that a test that makes keys need not wait. */
export const HashCost = Context.Reference<number>("gateway/auth/HashCost", { defaultValue: () => 10 })

/** bcrypt runs on libuv's four threads, which DNS and files need too: both kinds together leave one. */
const MAX_COMPARING = 2
const MAX_HASHING = 1
/** About two seconds of work at 50 ms each: whoever came later would only time out. */
const MAX_COMPARISONS = 64
const MAX_HASHES = 32
/** A key has a current and a previous secret; further comparisons with the same hash are guesses. */
const MAX_COMPARISONS_PER_HASH = 2
/** bcrypt ignores what comes after; two secrets with the same first 72 bytes would be one. */
const MAX_SECRET_BYTES = 72

/**
 * Runs bcrypt, bounded in how much runs and how much waits. Operators, who hash, have a lane of their own beside clients,
 * who compare; and of the clients' lane a single hash has a share, so that who knows a key's id cannot fill it.
 */
export class SecretHasher extends Context.Service<
  SecretHasher,
  {
    readonly hash: (secret: string) => Effect.Effect<string, SecretHasherBusy>
    readonly matches: (secret: string, hash: string) => Effect.Effect<boolean, SecretHasherBusy>
  }
>()("gateway/auth/SecretHasher") {
  static readonly layer = Layer.effect(
    SecretHasher,
    Effect.gen(function* () {
      const cost = yield* HashCost
      const hashing = new Lane(MAX_HASHING, MAX_HASHES)
      const comparing = new Lane(MAX_COMPARING, MAX_COMPARISONS)
      yield* Metrics.observe(Metrics.bcryptRunning, () => hashing.running + comparing.running)
      /** Comparisons that run or wait, by hash. */
      const shares = new Map<string, number>()

      const matches = (secret: string, expected: string): Effect.Effect<boolean, SecretHasherBusy> =>
        Effect.suspend(() => {
          const share = shares.get(expected) ?? 0
          if (share >= MAX_COMPARISONS_PER_HASH) return new SecretHasherBusy()
          shares.set(expected, share + 1)
          return Effect.ensuring(
            comparing.run(secret, () => bcrypt.compare(secret, expected)),
            Effect.sync(() => {
              const left = (shares.get(expected) ?? 0) - 1
              if (left > 0) shares.set(expected, left)
              else shares.delete(expected)
            }),
          )
        })

      return SecretHasher.of({
        hash: (secret) => hashing.run(secret, () => bcrypt.hash(secret, cost)),
        matches,
      })
    }),
  )
}

/** Computations of one kind: some run, some wait, and the rest are refused at once. */
class Lane {
  readonly #maxRunning: number
  readonly #maxPlaces: number
  readonly #permits: Semaphore.Semaphore
  #places = 0

  constructor(maxRunning: number, maxPlaces: number) {
    this.#maxRunning = maxRunning
    this.#maxPlaces = maxPlaces
    this.#permits = Semaphore.makeUnsafe(maxRunning)
  }

  get running(): number {
    return Math.min(this.#places, this.#maxRunning)
  }

  run<A>(secret: string, work: () => Promise<A>): Effect.Effect<A, SecretHasherBusy> {
    return Effect.suspend(() => {
      if (Buffer.byteLength(secret) > MAX_SECRET_BYTES) {
        return Effect.die(new Error(`a secret is longer than ${MAX_SECRET_BYTES} bytes`))
      }
      if (this.#places >= this.#maxPlaces) return new SecretHasherBusy()
      this.#places += 1
      return this.#permits
        .withPermit(
          // A computation cannot be stopped, so its place is not free before it ended.
          Effect.uninterruptible(Effect.promise(work)),
        )
        .pipe(
          Effect.ensuring(
            Effect.sync(() => {
              this.#places -= 1
            }),
          ),
        )
    })
  }
}
