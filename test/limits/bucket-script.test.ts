import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Redis } from "effect/persistence"
import fc from "fast-check"
import { type SharedAnswer, type SharedRequest, takeShared } from "../../src/limits/bucket-script.ts"
import { refillMs } from "../../src/limits/bucket-store.ts"
import { START_MS } from "../support/started-clock.ts"
import { emptyStore, takeShared as takeFromFake } from "./FakeRedis.ts"

const request = (overrides: Partial<SharedRequest> = {}): SharedRequest => ({
  key: "key",
  limit: 3,
  refillMs: refillMs(3),
  usedAtLeast: 0,
  replica: undefined,
  ...overrides,
})

/** The arguments of the script's EVALSHA after its number of keys. */
const wire = (asked: SharedRequest) => takeShared.params(asked).map(String)

describe("the bucket in Redis", () => {
  const world = () => {
    const store = emptyStore()
    return (atMs: number, overrides?: Partial<SharedRequest>) => {
      const [given, used, ...counts] = takeFromFake(store, wire(request(overrides)), atMs)
      return [given, Number(used), ...counts]
    }
  }

  it("is never fuller than a replica knows to be possible, however many say so", () => {
    const take = world()
    assert.deepStrictEqual(take(0, { usedAtLeast: 1.5 }), [1, 2.5, 1, 0])
    for (let i = 2; i < 6; i++) assert.deepStrictEqual(take(0, { usedAtLeast: 2.5 }), [0, 2.5, i, 0])
    assert.deepStrictEqual(take(10_000, { usedAtLeast: 0 }), [1, 3, 6, 0])
  })

  it("is at worst empty, whatever a replica owes", () => {
    const take = world()
    assert.deepStrictEqual(take(0, { usedAtLeast: 100 }), [0, 3, 1, 0])
    assert.deepStrictEqual(take(20_000), [1, 3, 2, 0])
  })

  it("survives a clock that is set back", () => {
    const take = world()
    assert.deepStrictEqual(take(100_000), [1, 1, 1, 0])
    assert.deepStrictEqual(take(50_000), [1, 2, 2, 0])
    assert.deepStrictEqual(take(70_000), [1, 2, 3, 0])
  })

  it("counts the replicas of the last minute", () => {
    const take = world()
    assert.strictEqual(take(0, { replica: "a" })[3], 1)
    assert.strictEqual(take(30_000, { replica: "b" })[3], 2)
    assert.strictEqual(take(59_000)[3], 2)
    assert.strictEqual(take(60_000, { replica: "c" })[3], 2)
    assert.strictEqual(take(61_000)[3], 2)
  })
})

const url = process.env.TEST_REDIS_URL

// The script itself runs only in a real server; what the other tests run is the same in TypeScript.
describe.skipIf(url === undefined)("the script, in the Redis of TEST_REDIS_URL", () => {
  const script = Redis.script((asked: SharedRequest, at: ReadonlyArray<number>) => [...wire(asked), ...at], {
    numberOfKeys: 2,
    lua: takeShared.lua.replace('redis.call("TIME")', "{ ARGV[6], ARGV[7] }"),
  }).withReturnType<SharedAnswer>()

  it.live("answers what the fake of it answers, at the same times", () =>
    Effect.gen(function* () {
      const redis = yield* Redis.Redis
      const histories = fc.record({
        limit: fc.constantFrom(1, 7, 600),
        steps: fc.array(
          fc.record({
            // Under a minute: what is forgotten then is forgotten by the server's own clock.
            waitMs: fc.oneof(fc.nat({ max: 500 }), fc.integer({ min: -500, max: 50_000 })),
            usedAtLeast: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 10, noNaN: true })),
            replica: fc.constantFrom(undefined, "a", "b", "c"),
          }),
        ),
      })
      for (const [i, { limit, steps }] of fc.sample(histories, { numRuns: 200, seed: 1 }).entries()) {
        yield* redis.send("DEL", "gateway:replicas")
        const store = emptyStore()
        let atMs = START_MS
        for (const { waitMs, ...asked } of steps) {
          atMs += waitMs
          const sent = request({
            key: `test ${process.pid} ${i}`,
            limit,
            refillMs: refillMs(limit),
            ...asked,
          })
          const at = [Math.floor(atMs / 1_000), (atMs % 1_000) * 1_000]
          const [given, used, ...counts] = yield* redis.eval(script)(sent, at)
          const [givenByFake, usedByFake, ...countsByFake] = takeFromFake(store, wire(sent), atMs)
          assert.deepStrictEqual([given, ...counts], [givenByFake, ...countsByFake])
          assert.closeTo(Number(used), Number(usedByFake), 1e-9)
        }
      }
    }).pipe(Effect.scoped, Effect.provide(NodeRedis.layer({ url: url ?? "" }))),
  )
})
