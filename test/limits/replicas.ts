import { Clock, Context, Effect, Exit, Layer, Random, Redacted, References, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { Settings } from "../../src/config/Settings.ts"
import { KeyId } from "../../src/domain/Ids.ts"
import { RateLimits } from "../../src/limits/RateLimits.ts"
import { type Consume, consumeWith } from "./consume.ts"
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
    const replicas: Array<{ readonly weight: number; readonly consume: Consume }> = []
    let paused = false
    let refused = 0
    let longestMs = 0

    const join = (weight: number, url = redis.url) =>
      Effect.map(
        Layer.build(Layer.provide(RateLimits.layerRedis(Redacted.make(url)), Settings.layerTest())),
        (context) => {
          replicas.push({ weight, consume: consumeWith(Context.get(context, RateLimits)) })
        },
      )
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
      yield* answered
    })

    for (const weight of weights) yield* join(weight)
    yield* connected

    /** Rounds come in between, and are answered. */
    const pass = Effect.fnUntraced(function* (ms: number) {
      for (let left = ms; left > 0; left -= 200) {
        yield* TestClock.adjust(Math.min(left, 200))
        yield* answered
      }
    })

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
          yield* pass(nextMs - clock.currentTimeMillisUnsafe())
          yield* request(limit)
        }
        yield* pass(endMs - clock.currentTimeMillisUnsafe())
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

/** What was sent is answered: virtual time does not pass meanwhile. */
const answered = Effect.suspend(() => Effect.repeat(realTurn, { times: 6 }))

const realTurn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const realMs = (ms: number) => Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, ms)))
