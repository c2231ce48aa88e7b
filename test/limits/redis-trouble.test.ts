import { assert, describe, it } from "@effect/vitest"
import { Effect, Random, References, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { seeds } from "../support/seeds.ts"
import { START_MS } from "../support/started-clock.ts"
import { TcpProxy } from "../support/TcpProxy.ts"
import { makeReplicas, type Replicas } from "./replicas.ts"

const LIMIT = 60
const THRICE = 3 * LIMIT
const EQUAL = [1, 1, 1]

/** What befalls Redis, for a minute where it lasts. */
const faults: Readonly<Record<string, (replicas: Replicas, perMinute: number) => Effect.Effect<void>>> = {
  lost: ({ redis, connected, run }, perMinute) =>
    Effect.gen(function* () {
      yield* redis.stop
      yield* run(60, perMinute)
      yield* redis.start
      yield* connected
    }),
  "lost, and empty when it is back": ({ redis, connected, run }, perMinute) =>
    Effect.gen(function* () {
      yield* redis.stop
      yield* run(60, perMinute)
      yield* redis.empty
      yield* redis.start
      yield* connected
    }),
  emptied: ({ redis }) => redis.empty,
  paused: ({ redis, run }, perMinute) =>
    Effect.gen(function* () {
      yield* redis.pause
      yield* run(60, perMinute)
      yield* redis.resume
    }),
  restarted: ({ redis, connected }) =>
    Effect.gen(function* () {
      yield* redis.stop
      yield* redis.empty
      yield* redis.start
      yield* connected
    }),
  "restarted every ten seconds": ({ redis, connected, run }, perMinute) =>
    Effect.gen(function* () {
      for (let i = 0; i < 6; i++) {
        yield* redis.stop
        yield* run(5, perMinute)
        yield* redis.empty
        yield* redis.start
        yield* connected
        yield* run(5, perMinute)
      }
    }),
}

const simulate = <E>(
  weights: ReadonlyArray<number>,
  story: (replicas: Replicas) => Effect.Effect<void, E, Scope.Scope>,
) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(START_MS)
    yield* story(yield* makeReplicas(LIMIT, weights))
  }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

const assertLimited = (replicas: Replicas, fromSeconds: number, mostTimes: number) => {
  const { most, least } = replicas.perMinute(fromSeconds, replicas.seconds())
  assert.isAtMost(most, mostTimes * LIMIT)
  assert.isAtLeast(least, 0.8 * LIMIT)
}

describe("three replicas under three times what a key may send admit the limit, no more and no less", () => {
  const traffics = { "equal traffic": EQUAL, "80, 15 and 5 percent": [80, 15, 5], "all at one": [1, 0, 0] }
  for (const [fault, befall] of Object.entries(faults))
    for (const [traffic, weights] of Object.entries(traffics))
      it.effect.each(seeds(["one"]))(`Redis ${fault}; ${traffic} (seed %s)`, (seed) =>
        simulate(weights, (replicas) =>
          Effect.gen(function* () {
            yield* replicas.run(120, THRICE)
            yield* befall(replicas, THRICE)
            yield* replicas.run(180, THRICE)
            // Each loss and each return may cost a request or so a replica, and this one is a dozen in a minute.
            assertLimited(replicas, 60, fault === "restarted every ten seconds" ? 1.4 : 1.25)
            assert.isAtMost(replicas.longestMs(), 250, "and nobody waits longer than once for Redis")
          }),
        ).pipe(Random.withSeed(seed)),
      )
})

describe("three replicas", () => {
  for (const [fault, befall] of Object.entries(faults))
    it.effect.each(seeds(["one"]))(
      `refuse nobody who stays within the limit, Redis ${fault} (seed %s)`,
      (seed) =>
        simulate(EQUAL, (replicas) =>
          Effect.gen(function* () {
            yield* replicas.run(120, 0.6 * LIMIT)
            yield* befall(replicas, 0.6 * LIMIT)
            yield* replicas.run(180, 0.6 * LIMIT)
            assert.strictEqual(replicas.refused(), 0)
          }),
        ).pipe(Random.withSeed(seed)),
    )

  it.effect("hold a limit together that changes, or a key's first requests, while Redis is lost", () =>
    simulate(EQUAL, (replicas) =>
      Effect.gen(function* () {
        yield* replicas.run(120, THRICE)
        yield* replicas.redis.stop
        yield* replicas.run(180, 15 * LIMIT, 5 * LIMIT)
        // A bucket is full at first, so a minute from then on has twice the limit, whoever holds it.
        assert.isAtMost(replicas.perMinute(120, 240).most, 1.1 * 2 * 5 * LIMIT)
        assert.isAtMost(replicas.perMinute(181, 300).most, 1.1 * 5 * LIMIT)
        assert.isAtLeast(replicas.perMinute(181, 300).least, 0.9 * 5 * LIMIT)
      }),
    ).pipe(Random.withSeed("one")),
  )

  it.effect("admit as much again with one that starts while Redis is lost, until it is back", () =>
    simulate(EQUAL, (replicas) =>
      Effect.gen(function* () {
        yield* replicas.run(120, THRICE)
        yield* replicas.redis.stop
        yield* replicas.join(1)
        yield* replicas.run(120, THRICE)
        assert.isAtMost(replicas.perMinute(120, 240).most, 2.2 * LIMIT)
        yield* replicas.redis.start
        yield* replicas.run(3, THRICE)
        yield* replicas.connected
        yield* replicas.run(180, THRICE)
        assertLimited(replicas, 245, 1.2)
      }),
    ).pipe(Random.withSeed("one")),
  )

  it.effect("admit its share beside the limit with one that alone is cut off from Redis", () =>
    simulate([1, 1], (replicas) =>
      Effect.gen(function* () {
        const way = yield* Effect.acquireRelease(
          Effect.promise(() =>
            TcpProxy.start({ host: "127.0.0.1", port: Number(new URL(replicas.redis.url).port) }),
          ),
          (proxy) => Effect.promise(() => proxy.stop()),
        )
        yield* replicas.join(1, `redis://127.0.0.1:${way.port}`)
        yield* replicas.connected
        yield* replicas.run(120, THRICE)
        way.refuse()
        yield* replicas.run(180, THRICE)
        assertLimited(replicas, 60, 1.2 * (1 + 1 / 3))
        way.accept()
        yield* replicas.connected
        yield* replicas.run(120, THRICE)
        assertLimited(replicas, 305, 1.2)
      }),
    ).pipe(Random.withSeed("one")),
  )
})
