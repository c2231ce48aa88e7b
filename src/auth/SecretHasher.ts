import bcrypt from "bcrypt"
import { Context, Data, Effect, Layer, Semaphore } from "effect"
import * as Metrics from "../observability/Metrics.ts"

/** Too many computations wait already. */
class SecretHasherBusy extends Data.TaggedError("SecretHasherBusy") {}

/** Two to this power is how many rounds a hash takes: 50 ms. A reference, so that a test that makes keys need not wait. */
export const HashCost = Context.Reference<number>("gateway/auth/HashCost", { defaultValue: () => 10 })

/** bcrypt runs on libuv's four threads, which DNS and files need too. */
const MAX_RUNNING = 2
/** About two seconds of work at 50 ms each: whoever came later would only time out. */
const MAX_PENDING = 64
/** bcrypt ignores what comes after; two secrets with the same first 72 bytes would be one. */
const MAX_SECRET_BYTES = 72

/** Runs bcrypt, bounded in how much runs and how much waits: it is the one expensive thing a stranger can ask for. */
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
      const running = yield* Semaphore.make(MAX_RUNNING)
      let pending = 0
      yield* Metrics.observe(Metrics.bcryptRunning, () => Math.min(pending, MAX_RUNNING))

      const bounded = <A>(secret: string, work: () => Promise<A>): Effect.Effect<A, SecretHasherBusy> =>
        Effect.suspend(() => {
          if (Buffer.byteLength(secret) > MAX_SECRET_BYTES) {
            return Effect.die(new Error(`a secret is longer than ${MAX_SECRET_BYTES} bytes`))
          }
          if (pending >= MAX_PENDING) return new SecretHasherBusy()
          pending += 1
          return running
            .withPermit(
              // A computation cannot be stopped, so its place is not free before it ended.
              Effect.uninterruptible(Effect.promise(work)),
            )
            .pipe(
              Effect.ensuring(
                Effect.sync(() => {
                  pending -= 1
                }),
              ),
            )
        })

      return SecretHasher.of({
        hash: (secret) => bounded(secret, () => bcrypt.hash(secret, cost)),
        matches: (secret, expected) => bounded(secret, () => bcrypt.compare(secret, expected)),
      })
    }),
  )
}
