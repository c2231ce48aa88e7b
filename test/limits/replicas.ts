import { Clock, Context, Effect, Exit, Layer, Random, Redacted, References, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { KeyId } from "../../src/domain/Ids.ts"
import { RateLimits } from "../../src/limits/RateLimits.ts"
import { type FakeRedis, makeFakeRedis } from "./FakeRedis.ts"

/**
 * Replicas that limit one key through one Redis, in virtual time and over real sockets, and the requests that come to them:
 * as many as asked for in a minute, at random moments, to each replica by its weight.
 */
export interface Replicas {
  readonly redis: FakeRedis
  /** Starts another replica, with a way of its own to Redis if there is one. */
  readonly join: (weight: number, url?: string) => Effect.Effect<void, never, Scope.Scope>
  /** Waits, in real time, until every replica is connected again. */
  readonly connected: Effect.Effect<void>
  /** Sends requests under a limit for that many seconds of virtual time. */
  readonly run: (seconds: number, perMinute: number, limit?: number) => Effect.Effect<void>
  /** Seconds of virtual time since the start. */
  readonly seconds: () => number
  /** How many were refused so far. */
  readonly refused: () => number
  /** The most and the least that were admitted in any minute between two moments, in seconds since the start. */
  readonly perMinute: (
    fromSeconds: number,
    toSeconds: number,
  ) => { readonly most: number; readonly least: number }
  /** The longest that a request took, in milliseconds of virtual time. */
  readonly longestMs: () => number
}

const key = KeyId.make("abcdefghijkl")

export const makeReplicas = (
  usualLimit: number,
  weights: ReadonlyArray<number>,
): Effect.Effect<Replicas, never, Scope.Scope> =>
  Effect.gen(function* () {
    const redis = yield* makeFakeRedis
    const clock = yield* Clock.Clock
    const startMs = clock.currentTimeMillisUnsafe()
    const admittedMs: Array<number> = []
    const replicas: Array<{ readonly weight: number; readonly consume: RateLimits["Service"]["consume"] }> =
      []
    let paused = false
    let refused = 0
    let longestMs = 0

    const join = (weight: number, url = redis.url) =>
      Effect.map(Layer.build(RateLimits.layerRedis(Redacted.make(url))), (context) => {
        replicas.push({ weight, consume: Context.get(context, RateLimits).consume })
      })
    const connected = Effect.gen(function* () {
      while (redis.connections() < replicas.length) yield* realMs(5)
      yield* realMs(20)
    })

    const pick = Effect.map(Random.next, (drawn) => {
      let left = drawn * replicas.reduce((sum, { weight }) => sum + weight, 0)
      return replicas.find(({ weight }) => {
        left -= weight
        return left < 0
      })
    })

    const request = Effect.fnUntraced(function* (limit: number) {
      const replica = yield* pick
      if (replica === undefined) return
      const sentMs = clock.currentTimeMillisUnsafe()
      let exit: Exit.Exit<unknown, unknown> | undefined
      yield* Effect.forkChild(
        Effect.map(Effect.exit(replica.consume(key, limit)), (ended) => {
          exit = ended
          if (Exit.isFailure(ended)) refused += 1
          else admittedMs.push(clock.currentTimeMillisUnsafe() - startMs)
        }),
        { startImmediately: true },
      )
      // Whoever waits for a Redis that does not answer waits for the clock.
      for (let turns = 0; exit === undefined; turns++) {
        if (paused && turns > 5) yield* TestClock.adjust(10)
        yield* realTurn
      }
      longestMs = Math.max(longestMs, clock.currentTimeMillisUnsafe() - sentMs)
    })

    for (const weight of weights) yield* join(weight)
    yield* connected

    const setPaused = (now: boolean) =>
      Effect.sync(() => {
        paused = now
      })

    return {
      redis: {
        ...redis,
        pause: Effect.andThen(redis.pause, setPaused(true)),
        resume: Effect.andThen(redis.resume, setPaused(false)),
      },
      join,
      connected,
      run: Effect.fnUntraced(function* (seconds, perMinute, limit = usualLimit) {
        const endMs = clock.currentTimeMillisUnsafe() + seconds * 1_000
        for (let nextMs = clock.currentTimeMillisUnsafe(); ; ) {
          nextMs -= (Math.log(1 - (yield* Random.next)) * 60_000) / perMinute
          if (nextMs >= endMs) break
          yield* TestClock.adjust(Math.max(0, nextMs - clock.currentTimeMillisUnsafe()))
          yield* request(limit)
        }
        yield* TestClock.adjust(Math.max(0, endMs - clock.currentTimeMillisUnsafe()))
      }),
      seconds: () => (clock.currentTimeMillisUnsafe() - startMs) / 1_000,
      refused: () => refused,
      perMinute: (fromSeconds, toSeconds) => {
        const counts = []
        for (let fromMs = fromSeconds * 1_000; fromMs + 60_000 <= toSeconds * 1_000; fromMs += 250)
          counts.push(admittedMs.filter((ms) => ms >= fromMs && ms < fromMs + 60_000).length)
        return { most: Math.max(...counts), least: Math.min(...counts) }
      },
      longestMs: () => longestMs,
    } satisfies Replicas
  }).pipe(
    // The client logs every lost connection with its stack.
    Effect.provideService(References.MinimumLogLevel, "None"),
  )

const realTurn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

export const realMs = (ms: number) =>
  Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, ms)))
