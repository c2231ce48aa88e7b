import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Redis } from "effect/persistence"
import { SqlClient } from "effect/sql"
import fc from "fast-check"
import type { Ask, Exchange, Exchanged } from "../../src/limits/limit-store.ts"
import { makePostgresStore } from "../../src/limits/postgres-store.ts"
import { exchangeScript } from "../../src/limits/redis-script.ts"
import { readRedisAnswer } from "../../src/limits/redis-store.ts"
import { layerPostgres } from "../support/Databases.ts"
import { scaled } from "../support/slowness.ts"
import { START_MS } from "../support/started-clock.ts"
import { ModelStore } from "./model-store.ts"

/** The stores against the model of them: the same asks at the same times are answered alike. */

interface Step {
  readonly waitMs: number
  readonly exchange: Exchange
  readonly forgets: boolean
}

const tokens = fc.oneof(fc.constant(0), fc.nat({ max: 12 }))

const ask = fc
  .record({
    name: fc.constantFrom("requests:key:a", "tokens:team:b", "requests:model:o/m"),
    limit: fc.constantFrom(5, 10, 600),
    back: fc.integer({ min: -5, max: 5 }),
    least: tokens,
    more: tokens,
    spare: tokens,
    asked: tokens,
    usedAtLeast: fc.double({ min: 0, max: 20, noNaN: true }),
    knows: fc.boolean(),
  })
  .map(
    ({ knows, least, more, spare, ...rest }): Ask => ({
      ...rest,
      permits: false,
      least,
      need: least + more,
      want: least + more + spare,
      // 1 stands for what was heard last.
      epoch: knows ? 1 : 0,
    }),
  )

const permits = fc
  .record({
    name: fc.constantFrom("concurrency:key:a", "concurrency:team:b"),
    limit: fc.constantFrom(1, 5, 10),
    least: fc.nat({ max: 6 }),
    more: fc.nat({ max: 4 }),
    spare: fc.nat({ max: 4 }),
  })
  .map(
    ({ least, more, spare, ...rest }): Ask => ({
      ...rest,
      permits: true,
      back: 0,
      least,
      need: least + more,
      want: least + more + spare,
      asked: 0,
      usedAtLeast: 0,
      epoch: 0,
    }),
  )

const steps: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(
  fc.record({
    waitMs: fc.oneof(fc.nat({ max: 3_000 }), fc.nat({ max: 30_000 }), fc.integer({ min: -5_000, max: 0 })),
    forgets: fc.oneof(
      { weight: 9, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.constant(true) },
    ),
    exchange: fc.record({
      holder: fc.constantFrom("one", "two", "three"),
      expectedMs: fc.constantFrom(0, START_MS),
      replicas: fc.integer({ min: 1, max: 3 }),
      sweeps: fc.constant(false),
      asks: fc.uniqueArray(fc.oneof(ask, permits), { selector: ({ name }) => name, maxLength: 4 }),
    }),
  }),
  { maxLength: 25 },
)

interface Tried {
  readonly at: (ms: number) => Effect.Effect<unknown, unknown>
  readonly forget: Effect.Effect<unknown, unknown>
  readonly exchange: (exchange: Exchange, atMs: number) => Effect.Effect<Exchanged, unknown>
}

const compare = ({ at, exchange, forget }: Tried, runs: number) =>
  Effect.gen(function* () {
    for (const history of fc.sample(steps, { numRuns: runs, seed: 1 })) {
      yield* forget
      const model = new ModelStore()
      const epochs = new Map<string, number>()
      let atMs = START_MS
      for (const { exchange: asked, forgets, waitMs } of history) {
        atMs += waitMs
        if (forgets) {
          yield* forget
          model.empty()
        }
        yield* at(atMs)
        const sent = {
          ...asked,
          asks: asked.asks.map((each) => ({
            ...each,
            epoch: each.epoch === 1 ? (epochs.get(each.name) ?? 0) : 0,
          })),
        }
        const expected = model.exchange(sent, atMs)
        const actual = yield* exchange(sent, atMs)
        assert.strictEqual(actual.replicas, expected.replicas)
        assert.closeTo(actual.nowMs, atMs, 0.01)
        for (const { name, permits } of sent.asks) {
          const [answer, wanted] = [actual.answers.get(name), expected.answers.get(name)]
          assert.strictEqual(answer?.granted, wanted?.granted, `granted of ${name}`)
          assert.closeTo(answer?.used ?? Number.NaN, wanted?.used ?? Number.NaN, 1e-6)
          if (permits) continue
          assert.strictEqual(answer?.asked, wanted?.asked)
          assert.closeTo(answer?.epoch ?? Number.NaN, wanted?.epoch ?? Number.NaN, 0.01)
          epochs.set(name, answer?.epoch ?? 0)
          const known = model.buckets.get(name)
          if (known !== undefined) model.buckets.set(name, { ...known, epoch: answer?.epoch ?? 0 })
        }
      }
    }
  })

const postgres = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { exchange } = yield* makePostgresStore(scaled(10_000))
  return {
    at: (ms: number) =>
      sql.unsafe(
        `CREATE OR REPLACE FUNCTION limits_clock_ms() RETURNS double precision LANGUAGE sql AS 'SELECT ${ms}::float8'`,
      ),
    forget: sql`TRUNCATE limit_buckets, limit_holders, limit_permits`,
    exchange,
  }
})

describe("the function of PostgreSQL answers as the model does", () => {
  it.live("at the same times", () =>
    Effect.gen(function* () {
      yield* compare(yield* postgres, 60)
    }).pipe(Effect.provide(layerPostgres)),
  )

  it.live("removes what equals nothing, and what nobody holds any more", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { at, exchange } = yield* postgres
      const take = (name: string, permits: boolean, holder: string): Exchange => ({
        holder,
        expectedMs: 0,
        replicas: 1,
        sweeps: false,
        asks: [
          {
            name,
            limit: 10,
            permits,
            back: 0,
            least: 1,
            need: 1,
            want: 1,
            asked: 1,
            usedAtLeast: 0,
            epoch: 0,
          },
        ],
      })
      yield* at(START_MS)
      yield* exchange(take("requests:key:a", false, "one"))
      yield* exchange(take("concurrency:key:a", true, "one"))
      yield* at(START_MS + 59_000)
      yield* exchange(take("requests:key:b", false, "two"))
      const names = Effect.map(
        sql<{ name: string }>`SELECT name FROM limit_buckets WHERE name <> '' ORDER BY 1`,
        (rows) => rows.map(({ name }) => name),
      )
      yield* at(START_MS + 61_000)
      yield* sql`SELECT sweep_limits()`
      assert.deepStrictEqual(yield* names, ["concurrency:key:a", "requests:key:b"])
      yield* sql`SELECT sweep_limits()`
      assert.deepStrictEqual(yield* names, ["requests:key:b"])
      assert.deepStrictEqual(yield* sql`SELECT holder FROM limit_holders`, [{ holder: "two" }])
      assert.deepStrictEqual(yield* sql`SELECT holder FROM limit_permits`, [])
    }).pipe(Effect.provide(layerPostgres)),
  )

  it.live("no two calls wait for each other, whatever they ask for at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { exchange } = yield* makePostgresStore(scaled(10_000))
      const names = Array.from({ length: 20 }, (_, i) => `requests:key:${i}`)
      const one = (i: number) =>
        exchange({
          holder: `replica ${i % 4}`,
          expectedMs: 0,
          replicas: 1,
          sweeps: i % 10 === 0,
          asks: (i % 2 === 0 ? names : names.toReversed()).map((name) => ({
            name,
            limit: 100,
            permits: false,
            back: 0,
            least: 1,
            need: 1,
            want: 1,
            asked: 1,
            usedAtLeast: 0,
            epoch: 0,
          })),
        })
      yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => i),
        one,
        { concurrency: 8, discard: true },
      )
      const [row] = yield* sql<{
        asked: number
      }>`SELECT min(asked) AS asked FROM limit_buckets WHERE name <> ''`
      assert.strictEqual(row?.asked, 200)
    }).pipe(Effect.provide(layerPostgres)),
  )
})

const url = process.env.TEST_REDIS_URL

// The script runs only in a real server; what the other tests run is the same in TypeScript.
describe.skipIf(url === undefined)(
  "the script of Redis, in that of TEST_REDIS_URL, answers as the model does",
  () => {
    const script = Redis.script(
      (asked: Exchange, at: ReadonlyArray<number>) => [...exchangeScript.params(asked), ...at],
      { numberOfKeys: 1, lua: exchangeScript.lua.replace('redis.call("TIME")', "{ ARGV[5], ARGV[6] }") },
    ).withReturnType<ReadonlyArray<ReadonlyArray<string>>>()

    it.live("at the same times", () =>
      Effect.gen(function* () {
        const redis = yield* Redis.Redis
        yield* compare(
          {
            at: () => Effect.void,
            forget: redis.send("FLUSHDB"),
            exchange: (exchange, atMs) =>
              Effect.map(
                redis.eval(script)(exchange, [Math.floor(atMs / 1_000), (atMs % 1_000) * 1_000]),
                (answer) => readRedisAnswer(exchange, answer),
              ),
          },
          200,
        )
      }).pipe(Effect.scoped, Effect.provide(NodeRedis.layer({ url: `${url}/9` }))),
    )
  },
)
