import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import fc from "fast-check"
import { describe } from "vitest"
import { Database } from "../../src/database/Database.ts"
import { applyMigrations, migrate, migrations } from "../../src/database/migrations.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { createDaysOf } from "../../src/ledger/tables/partitions.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import { DAY, record } from "../ledger/records.ts"
import { freshPostgresUrl } from "../support/Databases.ts"

const database = Database.layerPool({
  applicationName: "test",
  maxConnections: 2,
  statementTimeoutMs: 30_000,
}).pipe(Layer.provide(Layer.unwrap(Effect.map(freshPostgresUrl, Database.layerServer))))

type Entry = readonly [bucket: number, requests: number]

const bytesOf = (entries: ReadonlyArray<Entry>): Buffer => {
  const bytes = Buffer.alloc(6 * entries.length)
  entries.forEach(([bucket, requests], i) => {
    bytes.writeUInt16BE(bucket, 6 * i)
    bytes.writeUInt32BE(requests, 6 * i + 2)
  })
  return bytes
}

const entriesOf = (bytes: Buffer): ReadonlyArray<Entry> =>
  Array.from({ length: bytes.length / 6 }, (_, i) => [
    bytes.readUInt16BE(6 * i),
    bytes.readUInt32BE(6 * i + 2),
  ])

const MOST = 2 ** 31 - 1

describe("histograms in the database", () => {
  it.effect("keep each count that an entry holds, and sums that no entry holds", () =>
    Effect.gen(function* () {
      yield* migrate
      const sql = yield* SqlClient.SqlClient
      const context = yield* Effect.context<never>()
      const count = fc.oneof(
        fc.integer({ min: 1, max: MOST }),
        fc.constantFrom(1, 255, 256, 65_535, 65_536, 0xffffff, 0x1000000, MOST),
      )
      const given = fc.array(fc.tuple(fc.nat(32_767), count), { minLength: 1, maxLength: 20 })
      const check = (entries: ReadonlyArray<Entry>) =>
        Effect.gen(function* () {
          // Some buckets twice and thrice.
          const bytes = bytesOf([...entries, ...entries, ...entries.slice(0, 1)])
          const [row] = yield* sql<{ read: string; compact: Uint8Array }>`
            SELECT
              (SELECT jsonb_agg(jsonb_build_array(bucket, requests))::text FROM latency_buckets(${bytes})) AS read,
              compact_latencies(${bytes}) AS compact`
          assert.deepStrictEqual(JSON.parse(row?.read ?? ""), entriesOf(bytes))
          const sums = new Map<number, number>()
          for (const [bucket, requests] of entriesOf(bytes))
            sums.set(bucket, (sums.get(bucket) ?? 0) + requests)
          const compact = entriesOf(Buffer.from(row?.compact ?? []))
          assert.isTrue(compact.every(([, requests]) => requests >= 1 && requests <= MOST))
          for (const [bucket, sum] of sums) {
            const parts = compact.flatMap(([each, requests]) => (each === bucket ? [requests] : []))
            assert.lengthOf(parts, Math.ceil(sum / MOST))
            assert.strictEqual(
              parts.reduce((a, b) => a + b, 0),
              sum,
            )
          }
        })
      yield* Effect.promise(() =>
        fc.assert(fc.asyncProperty(given, (entries) => Effect.runPromiseWith(context)(check(entries)))),
      )
      const [empty] = yield* sql<{ bytes: Uint8Array }>`SELECT compact_latencies('') AS bytes`
      assert.lengthOf(empty?.bytes ?? [0], 0)
    }).pipe(Effect.provide(database)),
  )

  it.effect("go on being added to, however many requests a minute had", () =>
    Effect.gen(function* () {
      yield* migrate
      const sql = yield* SqlClient.SqlClient
      const write = Effect.suspend(() => {
        const entry = ledgerEntry(record({ startedAt: DAY, latencyMs: 100 }))
        return Effect.andThen(createDaysOf(sql, `[${entry.line}]`), writeBatch(sql, [entry]))
      })
      yield* write
      const [row] = yield* sql<{ latencies: Uint8Array }>`SELECT latencies FROM minute_usage`
      const [[bucket = 0] = []] = entriesOf(Buffer.from(row?.latencies ?? []))
      // So long that the next ones make one of all, twice.
      const many = bytesOf(Array.from({ length: 260 }, () => [bucket, 400] as const))
      for (let i = 0; i < 2; i++) {
        yield* sql`UPDATE minute_usage SET latencies = latencies || ${many}`
        yield* write
      }
      const [sum] = yield* sql<{ requests: number }>`
        SELECT sum(counts.requests)::float8 AS requests FROM minute_usage CROSS JOIN latency_buckets(latencies) AS counts`
      assert.strictEqual(sum?.requests, 3 + 2 * 260 * 400)
    }).pipe(Effect.provide(database)),
  )

  it.effect("are repaired where counts were read wrongly before", () =>
    Effect.gen(function* () {
      yield* applyMigrations(
        Object.fromEntries(Object.entries(migrations).filter(([name]) => Number.parseInt(name, 10) <= 22)),
      )
      const sql = yield* SqlClient.SqlClient
      const hours: ReadonlyArray<ReadonlyArray<Entry>> = [
        // Wrong after one sum, with a carry into the byte that was shifted, and of three.
        [
          [7, 70_000],
          [7, 100],
          [9, 5],
        ],
        [
          [7, 0x1ffff],
          [7, 1],
        ],
        [
          [7, 70_000],
          [7, 80_000],
          [7, 90_000],
          [8, 65_535],
        ],
        // Right as they are.
        [[7, 70_000]],
        [
          [7, 60_000],
          [8, 60_000],
        ],
      ]
      const sumOf = (entries: ReadonlyArray<Entry>) =>
        entries.reduce((sum, [, requests]) => sum + requests, 0)
      const zero = `${"0, ".repeat(9)}0`
      for (const [i, entries] of hours.entries()) {
        const latencies =
          entries.length > 1 ? sql`compact_latencies(${bytesOf(entries)})` : sql`${bytesOf(entries)}`
        yield* sql`
          INSERT INTO total_usage (
            hours, start, stream, requests, errors, input_tokens, output_tokens, cached_tokens, reasoning_tokens,
            cost_nano_usd, unpriced_requests, latency_ms, wasted_nano_usd, unpriced_attempts, latencies
          )
          SELECT 1, ${new Date(DAY + i * 3_600_000)}::timestamptz, false, ${sumOf(entries) + 10}, 10, ${sql.literal(zero.slice(0, -3))}, ${latencies}`
        yield* sql`
          INSERT INTO first_token_usage (hours, start, provider, model, first_tokens)
          SELECT 1, ${new Date(DAY + i * 3_600_000)}::timestamptz, 'openai', 'm', ${latencies}`
      }
      const read = Effect.map(
        sql<{ i: number; bucket: number; requests: number; first: number }>`
          SELECT
            (extract(epoch FROM start - ${new Date(DAY)}::timestamptz) / 3600)::int AS i, counts.bucket::int AS bucket,
            sum(counts.requests)::float8 AS requests, (
              SELECT sum(firsts.requests)::float8 FROM first_token_usage AS of CROSS JOIN latency_buckets(first_tokens) AS firsts
              WHERE of.start = total_usage.start AND firsts.bucket = counts.bucket
            ) AS first
          FROM total_usage CROSS JOIN latency_buckets(latencies) AS counts
          GROUP BY start, counts.bucket`,
        (rows) =>
          new Map(rows.map(({ bucket, first, i, requests }) => [`${i} ${bucket}`, [requests, first]])),
      )
      const expected = new Map<string, [number, number]>()
      for (const [i, entries] of hours.entries())
        for (const [bucket, requests] of entries) {
          const known = expected.get(`${i} ${bucket}`)?.[0] ?? 0
          expected.set(`${i} ${bucket}`, [known + requests, known + requests])
        }
      assert.notDeepEqual(yield* read, expected)
      yield* migrate
      assert.deepStrictEqual(new Map([...(yield* read)].toSorted()), new Map([...expected].toSorted()))
    }).pipe(Effect.provide(database)),
  )
})
