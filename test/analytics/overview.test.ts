import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { Analytics } from "../../src/analytics/Analytics.ts"
import { tableFor } from "../../src/analytics/usage-query.ts"
import type { UsageTotals } from "../../src/analytics/usage-totals.ts"
import { KeyId } from "../../src/domain/Ids.ts"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { rollUp } from "../../src/ledger/tables/roll-up.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import { anyRecords, attempt, type Cell, DAY, foldUsage, HOUR_MS, record } from "../ledger/records.ts"
import { emptyTables } from "../ledger/rows.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"

const write = (records: ReadonlyArray<LedgerRecord>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => writeBatch(sql, records.map(ledgerEntry)))

const move = Effect.flatMap(SqlClient.SqlClient, rollUp)

const ADDED = [
  ...["requests", "errors", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"],
  ...["unpriced_requests", "unpriced_attempts"],
] as const

/** What can be added up of rows of usage; money in whole nano-dollars. */
const added = (rows: ReadonlyArray<Omit<UsageTotals, "avg_latency_ms" | "p95_latency_ms">>) => ({
  ...Object.fromEntries(
    ADDED.map((name) => [name, rows.reduce((sum, row) => sum + row[name as "requests"], 0)]),
  ),
  cost: rows.reduce((sum, row) => sum + Math.round((row.cost_usd ?? 0) * 1e9), 0),
  wasted: rows.reduce((sum, row) => sum + Math.round(row.wasted_usd * 1e9), 0),
})

const assertPercentile = (ms: number | null, all: ReadonlyArray<number>, quantile: number) => {
  const exact = all.toSorted((a, b) => a - b)[Math.ceil(quantile * all.length) - 1]
  if (exact === undefined) return assert.isNull(ms)
  assert.isAtMost(Math.abs((ms ?? Number.NaN) - Math.max(1, exact)) / Math.max(1, exact), 0.04)
}

describe.each([
  { name: "PostgreSQL", database: layerPostgres, numRuns: 20 },
  { name: "the embedded database", database: layerEmbedded, numRuns: 3 },
])("the overview of $name", ({ database, numRuns }) => {
  layer(Analytics.layer.pipe(Layer.provideMerge(database)))((it) => {
    it.effect("says what the listings of usage say, whatever the filters", () =>
      Effect.gen(function* () {
        const context = yield* Effect.context<Analytics | SqlClient.SqlClient>()
        // No minutes are known any more.
        yield* TestClock.setTime(DAY + 72 * HOUR_MS)
        const given = fc.record({
          records: anyRecords(50).map((records) =>
            // Money that sums of floating point hold.
            records.map((record) => ({
              ...record,
              costNanoUsd: record.costNanoUsd && record.costNanoUsd % 1_000_000,
              attempts: record.attempts.map((attempt) => ({
                ...attempt,
                costNanoUsd: attempt.costNanoUsd && attempt.costNanoUsd % 1_000_000,
              })),
            })),
          ),
          /** Hours before and behind the midnight, of which more than eight days have a curve of days. */
          hours: fc.tuple(fc.constantFrom(1, 2, 3, 250), fc.constantFrom(0, 1, 3)),
          moved: fc.constantFrom(0, 0.5, 1),
          filters: fc.record(
            {
              keyId: fc.constant("AdaAdaAdaAda"),
              provider: fc.constantFrom("openai", ""),
              model: fc.constant("gpt-5"),
              team: fc.constantFrom("search", "none"),
              tag: fc.constant("prod"),
              user: fc.constant("ada"),
              endpoint: fc.constant("/infer"),
              stream: fc.boolean(),
            },
            { requiredKeys: [] },
          ),
          asked: fc.subarray(["keyId", "provider", "model", "team", "tag", "user", "endpoint", "stream"], {
            maxLength: 2,
          }),
        })
        type Given = typeof given extends fc.Arbitrary<infer Value> ? Value : never
        const check = ({ asked, filters: all, hours, moved, records }: Given) =>
          Effect.gen(function* () {
            yield* emptyTables
            yield* write(records.slice(0, records.length * moved))
            yield* move
            yield* write(records.slice(records.length * moved))
            const analytics = yield* Analytics
            const filters = Object.fromEntries(
              Object.entries(all).filter(([name]) => asked.some((each) => each === name)),
            )
            const range = { fromMs: DAY - hours[0] * HOUR_MS, toMs: DAY + hours[1] * HOUR_MS }
            const query = { ...range, ...filters }
            const table = tableFor("time", filters)
            if (table === undefined) {
              assert.strictEqual((yield* Effect.flip(analytics.overview(query)))._tag, "NoRollup")
              return
            }
            const overview = yield* analytics.overview(query)
            const bucket = table.hours.includes(1) ? "hour" : "day"
            assert.strictEqual(overview.bucket, hours[0] > 192 ? "day" : bucket)
            const listed = (range: { from: string; to: string }) =>
              analytics.timeseries({
                ...filters,
                fromMs: Date.parse(range.from),
                toMs: Date.parse(range.to),
                bucket,
                limit: 1000,
              })
            const now = yield* listed(overview)
            assert.deepStrictEqual([overview.from, overview.to], [now.from, now.to])
            assert.deepStrictEqual(added([overview.totals]), added(now.data))
            assert.deepStrictEqual(added(overview.series), added(now.data))
            if (bucket === overview.bucket) {
              assert.deepStrictEqual(
                overview.series.map(
                  ({
                    error_share: _share,
                    p50_first_token_ms: _first,
                    p50_latency_ms: _p50,
                    p95_first_token_ms: _last,
                    ...row
                  }) => row,
                ),
                now.data.map(({ bucket: _bucket, ...row }) => row),
              )
            }
            const { before, ended } = overview.compared
            assert.deepStrictEqual([ended.from, ended.to, before.to], [now.from, now.to, now.from])
            assert.deepStrictEqual(ended.totals, overview.totals)
            const lengthOf = ({ from, to }: { from: string; to: string }) => Date.parse(to) - Date.parse(from)
            assert.strictEqual(lengthOf(before), lengthOf(ended))
            assert.deepStrictEqual(added([before.totals]), added((yield* listed(before)).data))
            const ever = yield* analytics.timeseries({ ...filters, fromMs: 0, toMs: DAY * 2, bucket: "day" })
            assert.deepStrictEqual(added([overview.ever]), added(ever.data))

            const { keys, models, providers, teams } = overview.top
            for (const [groupBy, ranking] of [
              ["key", keys],
              ["model", models],
              ["provider", providers],
              ["team", teams],
            ] as const) {
              if (tableFor(groupBy, filters) === undefined) {
                assert.isNull(ranking, groupBy)
                continue
              }
              const { data, from, to } = yield* analytics.usage({ ...query, groupBy })
              assert.deepStrictEqual([ranking?.from, ranking?.to], [from, to])
              const of = data.filter(({ provider }) => provider !== "")
              const spent = (row: { readonly spent_usd: number | null }) => row.spent_usd ?? 0
              assert.deepStrictEqual(
                ranking?.data.map((row): object => row),
                of
                  .toSorted((a, b) => spent(b) - spent(a) || b.requests - a.requests)
                  .map(({ avg_latency_ms: _avg, p95_latency_ms: _p95, ...row }) => row),
                groupBy,
              )
            }
          })
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(given, async (values) => {
              await Effect.runPromiseWith(context)(check(values))
            }),
            { numRuns },
          ),
        )
      }),
    )

    it.effect("has minutes of the last hours, and how long first tokens took", () =>
      Effect.gen(function* () {
        const context = yield* Effect.context<Analytics | SqlClient.SqlClient>()
        yield* TestClock.setTime(DAY + 3 * HOUR_MS)
        const given = fc.record({
          records: anyRecords(60),
          hours: fc.constantFrom(1, 3, 6),
          twice: fc.boolean(),
          filters: fc.record(
            { provider: fc.constant("openai"), model: fc.constant("gpt-5"), stream: fc.boolean() },
            { requiredKeys: [] },
          ),
        })
        type Given = typeof given extends fc.Arbitrary<infer Value> ? Value : never
        const check = ({ filters, hours, records, twice }: Given) =>
          Effect.gen(function* () {
            yield* emptyTables
            for (const record of records) yield* write([record])
            // Known by their ids: nothing is counted again.
            if (twice) yield* write(records)
            const overview = yield* (yield* Analytics).overview({
              ...filters,
              fromMs: DAY + (3 - hours) * HOUR_MS + 1,
              toMs: DAY + 3 * HOUR_MS - 1,
            })
            const live = hours <= 3 && filters.provider === undefined && filters.model === undefined
            assert.strictEqual(overview.bucket, live ? "minute" : "hour")
            const inSpan = ({ from, to }: { from: string; to: string }) =>
              records.filter(({ startedAt }) => startedAt >= Date.parse(from) && startedAt < Date.parse(to))
            const isWanted = (cell: Cell) =>
              (filters.stream === undefined || cell.stream === filters.stream) &&
              (filters.provider === undefined || cell.provider === filters.provider) &&
              (filters.model === undefined || cell.model === filters.model)
            const sizeMs = live ? 60_000 : HOUR_MS
            const startOf = ({ startedAt }: Cell) =>
              new Date(Math.floor(startedAt / sizeMs) * sizeMs).toISOString()
            const expected = foldUsage(inSpan(overview), startOf, isWanted)
            assert.deepStrictEqual(
              overview.series.map(({ start }) => start),
              [...expected.keys()].toSorted(),
            )
            for (const { start, ...row } of overview.series) {
              const {
                latencies = [],
                cost_nano_usd = 0n,
                wasted_nano_usd = 0n,
                ...sums
              } = expected.get(start) ?? {}
              assert.deepInclude(row, sums)
              assert.strictEqual(Math.round((row.cost_usd ?? 0) * 1e9), Number(cost_nano_usd))
              assert.strictEqual(Math.round(row.wasted_usd * 1e9), Number(wasted_nano_usd))
              assertPercentile(row.p50_latency_ms, latencies, 0.5)
              assertPercentile(row.p95_latency_ms, latencies, 0.95)
            }
            for (const span of [overview, overview.compared.before]) {
              const streamed = inSpan(span).filter(
                (record) =>
                  isWanted(record) && record.stream && record.status === 200 && record.errorCode === null,
              )
              const firstTokens = streamed.flatMap(({ firstTokenMs }) => firstTokenMs ?? [])
              assertPercentile(span.totals.p50_first_token_ms, firstTokens, 0.5)
              assertPercentile(span.totals.p95_first_token_ms, firstTokens, 0.95)
            }
          })
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(given, async (values) => {
              await Effect.runPromiseWith(context)(check(values))
            }),
            { numRuns },
          ),
        )
      }),
    )

    it.effect("knows minutes of the last day alone, and first tokens of models alone", () =>
      Effect.gen(function* () {
        yield* emptyTables
        yield* write([record({ stream: true, firstTokenMs: 100 })])
        const { overview } = yield* Analytics
        const hour = { fromMs: DAY, toMs: DAY + HOUR_MS }
        for (const [nowMs, query, bucket, firstTokenMs] of [
          [DAY + HOUR_MS, {}, "minute", 100],
          [DAY + HOUR_MS, { toMs: DAY + 4 * HOUR_MS }, "hour", 100],
          [DAY + 23 * HOUR_MS, {}, "minute", 100],
          [DAY + 24 * HOUR_MS, {}, "hour", 100],
          [DAY + HOUR_MS, { keyId: "AdaAdaAdaAda" }, "hour", null],
          [DAY + HOUR_MS, { model: "gpt-5-mini" }, "hour", 100],
          [DAY + HOUR_MS, { model: "gpt-5" }, "hour", null],
          [DAY + HOUR_MS, { stream: false }, "minute", null],
          [DAY + 24 * HOUR_MS, { stream: false }, "hour", null],
        ] as const) {
          yield* TestClock.setTime(nowMs)
          const { bucket: of, totals } = yield* overview({ ...hour, ...query })
          assert.strictEqual(of, bucket)
          if (firstTokenMs === null) assert.isNull(totals.p50_first_token_ms)
          else assert.closeTo(totals.p50_first_token_ms ?? 0, firstTokenMs, 4)
        }
      }),
    )

    it.effect("compares what has ended alone with as long a time before", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const everyMs = HOUR_MS / 4
        yield* write(Array.from({ length: 24 }, (_, i) => record({ startedAt: DAY + (i - 12) * everyMs })))
        yield* TestClock.setTime(DAY + 2.5 * HOUR_MS)
        const compare = Effect.fnUntraced(function* (fromHours: number, toHours: number, keyId?: string) {
          const { bucket, compared, totals } = yield* (yield* Analytics).overview({
            ...{ fromMs: DAY + fromHours * HOUR_MS, toMs: DAY + toHours * HOUR_MS },
            ...(keyId !== undefined && { keyId }),
          })
          const { before, ended } = compared
          const hours = (instant: string) => (Date.parse(instant) - DAY) / HOUR_MS
          return [
            ...[bucket, totals.requests, hours(ended.from), hours(ended.to), ended.totals.requests],
            ...[hours(before.from), hours(before.to), before.totals.requests],
          ]
        })
        // Of the third hour two quarters of four are over.
        assert.deepStrictEqual(yield* compare(0, 2.5, "AdaAdaAdaAda"), ["hour", 12, 0, 2, 8, -2, 0, 8])
        assert.deepStrictEqual(yield* compare(2, 2.5, "AdaAdaAdaAda"), ["hour", 4, 2, 2, 0, 2, 2, 0])
        assert.deepStrictEqual(yield* compare(1, 2, "AdaAdaAdaAda"), ["hour", 4, 1, 2, 4, 0, 1, 4])
        assert.deepStrictEqual(yield* compare(1, 3), ["minute", 8, 1, 2.5, 6, -0.5, 1, 6])
        const days = yield* compare(-24 * 10 - 1, 2.5)
        assert.deepStrictEqual(days, ["day", 24, -241, 0, 12, -482, -241, 0])
      }),
    )

    it.effect("shows who spent most, with names, and no more than ten", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        yield* sql`INSERT INTO api_keys (id, name, secret_hash) VALUES ('KeyKeyKey011', 'Ada', 'x')`
        const failed = { ...attempt, outcome: "overloaded" as const, costNanoUsd: 5_000_000 }
        yield* write([
          ...Array.from({ length: 12 }, (_, i) =>
            record({
              keyId: KeyId.make(`KeyKeyKey0${String(i).padStart(2, "0")}`),
              costNanoUsd: 1_000 * (i + 1),
              attempts: [{ ...attempt, costNanoUsd: 1_000 * (i + 1) }],
              latencyMs: 100 * (i + 1),
            }),
          ),
          // Nobody answered, and what was asked in vain cost more than all else.
          record({
            ...{ keyId: KeyId.make("KeyKeyKey000"), provider: null, model: null, status: 503, usage: null },
            ...{ errorCode: "all_providers_failed", costNanoUsd: null, attempts: [failed] },
          }),
        ])
        const { compared, ever, series, top, totals } = yield* (yield* Analytics).overview({
          fromMs: DAY,
          toMs: DAY + 1,
        })
        assert.deepInclude(totals, { requests: 13, errors: 1, error_share: 1 / 13 })
        assert.closeTo(totals.p50_latency_ms ?? 0, 600, 24)
        assert.closeTo(totals.p95_latency_ms ?? 0, 1200, 48)
        assert.deepInclude(compared.before.totals, { requests: 0, error_share: null, p50_latency_ms: null })
        assert.lengthOf(series, 1)
        assert.strictEqual(ever.requests, 13)
        assert.deepStrictEqual(
          top.keys?.data.map(({ key_id, key_name }) => [key_id, key_name]),
          [0, 11, 10, 9, 8, 7, 6, 5, 4, 3].map((i) => [
            `KeyKeyKey0${String(i).padStart(2, "0")}`,
            i === 11 ? "Ada" : null,
          ]),
        )
        assert.deepStrictEqual(
          top.models?.data.map(({ model, provider, requests, spent_usd }) => [
            provider,
            model,
            requests,
            spent_usd,
          ]),
          [["openai", "gpt-5-mini", 12, 0.005078]],
        )
        assert.deepStrictEqual(top.teams?.data, [])
      }),
    )
  })
})
