import { PgClient } from "@effect/sql-pg"
import { assert, describe, layer } from "@effect/vitest"
import { Clock, Effect, Layer, Redacted } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import {
  Analytics,
  type AnalyticsError,
  type AnalyticsQuery,
  type Page,
  type UsageGrouping,
} from "../../src/analytics/Analytics.ts"
import { tableFor } from "../../src/analytics/usage-query.ts"
import type { UsageTotals } from "../../src/analytics/usage-totals.ts"
import type { Usage as UsageRow } from "../../src/api/AnalyticsApi.ts"
import { KeyId } from "../../src/domain/Ids.ts"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { rollUp } from "../../src/ledger/tables/roll-up.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import {
  anyRecord,
  anyRecords,
  attempt,
  type Cell,
  DAY,
  foldUsage,
  HOUR_MS,
  record,
  type Usage,
} from "../ledger/records.ts"
import { emptyTables } from "../ledger/rows.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"

const write = (records: ReadonlyArray<LedgerRecord>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => writeBatch(sql, records.map(ledgerEntry)))

const move = Effect.flatMap(SqlClient.SqlClient, rollUp)

/** Every page of a listing, one after the other, with something done in between. */
const walk = <Row, Query extends AnalyticsQuery>(
  listing: (query: Query) => Effect.Effect<Page<Row>, AnalyticsError>,
  query: Query,
  between: Effect.Effect<unknown, SqlError.SqlError, SqlClient.SqlClient> = Effect.void,
) =>
  Effect.gen(function* () {
    const rows: Array<Row> = []
    let page = yield* listing(query)
    while (true) {
      rows.push(...page.data)
      if (page.next_cursor === null) return rows
      assert.isAtMost(page.data.length, query.limit ?? 100)
      yield* between
      page = yield* listing({ ...query, cursor: page.next_cursor })
    }
  })

const p95 = (latencies: ReadonlyArray<number>) =>
  latencies.toSorted((a, b) => a - b)[Math.ceil(0.95 * latencies.length) - 1] ?? Number.NaN

const assertTotals = (row: UsageTotals, usage: Usage, hasLatencies: boolean) => {
  const { latencies, cost_nano_usd, wasted_nano_usd, ...sums } = usage
  assert.deepInclude(row, sums)
  const unknown = latencies.length > 0 && usage.unpriced_requests === latencies.length && cost_nano_usd === 0n
  assert.strictEqual(row.cost_usd, unknown ? null : Number(cost_nano_usd) / 1e9)
  assert.strictEqual(row.wasted_usd, Number(wasted_nano_usd) / 1e9)
  const spent = Number(cost_nano_usd + wasted_nano_usd)
  // Nothing is known of a group that has only attempts without a price, as nothing is of answers without one.
  const unpriced = unknown || (latencies.length === 0 && usage.unpriced_attempts > 0)
  assert.strictEqual(row.spent_usd, unpriced && spent === 0 ? null : spent / 1e9)
  if (latencies.length === 0) {
    assert.deepInclude(row, { avg_latency_ms: null, p95_latency_ms: null })
    return
  }
  const sum = latencies.reduce((sum, ms) => sum + ms, 0)
  assert.closeTo(row.avg_latency_ms ?? Number.NaN, sum / latencies.length, 0.006)
  if (!hasLatencies) return assert.isNull(row.p95_latency_ms)
  const exact = Math.max(1, p95(latencies))
  assert.isAtMost(Math.abs((row.p95_latency_ms ?? Number.NaN) - exact) / exact, 0.04)
}

const assertUsage = <Row extends UsageTotals>(
  rows: ReadonlyArray<Row>,
  nameOf: (row: Row) => string,
  expected: Map<string, Usage>,
  hasLatencies = true,
) => {
  assert.deepStrictEqual(rows.map(nameOf), [...expected.keys()].toSorted())
  for (const row of rows) {
    const usage = expected.get(nameOf(row))
    if (usage !== undefined) assertTotals(row, usage, hasLatencies)
  }
}

/** Without the filters of another question. */
const undefine = (filters: object) =>
  Object.fromEntries(Object.keys(filters).map((name) => [name, undefined]))

/** The groups of a cell in a listing, as `nameOf` has them. */
const groupsOf = (groupBy: UsageGrouping, cell: Cell): ReadonlyArray<string> => {
  switch (groupBy) {
    case "key":
      return [cell.keyId]
    case "tag":
      return cell.tags
    case "provider":
      return [cell.provider ?? ""]
    case "model":
      return [`${cell.provider ?? ""}/${cell.model ?? ""}`]
    default:
      return [cell[groupBy] ?? []].flat()
  }
}

const nameOf = (groupBy: UsageGrouping, row: typeof UsageRow.Type): string =>
  groupBy === "key"
    ? (row.key_id ?? "")
    : groupBy === "model"
      ? `${row.provider}/${row.model}`
      : (row[groupBy] ?? "")

const start = ({ startedAt }: Cell, sizeMs: number) =>
  new Date(Math.floor(startedAt / sizeMs) * sizeMs).toISOString()

/** All of what `anyRecord` generates. */
const span = { fromMs: DAY - 3 * HOUR_MS, toMs: DAY + 3 * HOUR_MS }

describe.each([
  { name: "PostgreSQL", database: layerPostgres, numRuns: 25 },
  { name: "the embedded database", database: layerEmbedded, numRuns: 4 },
])("analytics of $name", ({ database, numRuns }) => {
  layer(Analytics.layer.pipe(Layer.provideMerge(database)))((it) => {
    /** A property over a database of random records. */
    const property = <A, E>(
      name: string,
      arbitrary: fc.Arbitrary<A>,
      body: (given: A) => Effect.Effect<unknown, E, Analytics | SqlClient.SqlClient>,
    ) =>
      it.effect(name, () =>
        Effect.gen(function* () {
          const context = yield* Effect.context<Analytics | SqlClient.SqlClient>()
          const run = (given: A) =>
            Effect.andThen(emptyTables, body(given)).pipe(Effect.runPromiseWith(context))
          yield* Effect.promise(() =>
            fc.assert(
              fc.asyncProperty(arbitrary, async (given) => {
                await run(given)
              }),
              { numRuns },
            ),
          )
        }),
      )

    property(
      "usage is the fold of the records in the span, whatever the filters and the page size",
      fc.record({
        records: anyRecords(60),
        limit: fc.integer({ min: 1, max: 5 }),
        // Whole hours, whole quarters of days with 9, whole days with 30, and parts of all.
        hours: fc.tuple(fc.constantFrom(0, 1, 2, 9, 30), fc.constantFrom(0, 1, 2, 9, 30)),
        /** Share of the records whose rollups are moved; the others stay where the ledger wrote them. */
        moved: fc.constantFrom(0, 0.5, 1),
        keyId: fc.option(fc.constantFrom("AdaAdaAdaAda", "NoKeyNoKeyNo"), { nil: undefined }),
        provider: fc.option(fc.constantFrom("openai", ""), { nil: undefined }),
        model: fc.option(fc.constant("gpt-5"), { nil: undefined }),
        stream: fc.option(fc.boolean(), { nil: undefined }),
        team: fc.option(fc.constantFrom("search", "none"), { nil: undefined }),
        user: fc.option(fc.constantFrom("ada", "none"), { nil: undefined }),
        tag: fc.option(fc.constantFrom("prod", "none"), { nil: undefined }),
        endpoint: fc.option(fc.constantFrom("/infer", "none"), { nil: undefined }),
        /** Which of the filters are asked for: of many at once no sums are kept. */
        asked: fc.subarray(["keyId", "provider", "model", "team", "user", "tag", "endpoint"], {
          maxLength: 3,
        }),
      }),
      ({ records, limit, hours, moved, asked, stream, ...all }) =>
        Effect.gen(function* () {
          yield* write(records.slice(0, records.length * moved))
          yield* move
          yield* write(records.slice(records.length * moved))
          const analytics = yield* Analytics
          const fromMs = DAY - (1 + hours[0]) * HOUR_MS
          const toMs = DAY + (1 + hours[1]) * HOUR_MS
          const { keyId, provider, model } = all
          const filters = { keyId, provider, model, stream }
          const isFiltered = ({ keyId, provider, model, stream }: Cell) =>
            (filters.keyId === undefined || keyId === filters.keyId) &&
            (filters.provider === undefined || (provider ?? "") === filters.provider) &&
            (filters.model === undefined || (model ?? "") === filters.model) &&
            (filters.stream === undefined || stream === filters.stream)
          const wanted = records.filter(({ startedAt }) => startedAt >= fromMs && startedAt < toMs)
          const query = { fromMs, toMs, limit, ...filters }
          assertUsage(
            yield* walk(analytics.usageByKey, query),
            ({ key_id }) => key_id,
            foldUsage(wanted, ({ keyId }) => keyId, isFiltered),
          )
          assertUsage(
            yield* walk(analytics.usageByProvider, query),
            ({ provider, model }) => `${provider}/${model}`,
            foldUsage(wanted, ({ provider, model }) => `${provider ?? ""}/${model ?? ""}`, isFiltered),
          )
          assertUsage(
            yield* walk(analytics.timeseries, { ...query, bucket: "hour" }),
            ({ start }) => start,
            foldUsage(wanted, (cell) => start(cell, HOUR_MS), isFiltered),
          )
          const days = { ...query, fromMs: DAY - 24 * HOUR_MS, toMs: DAY + 24 * HOUR_MS, limit: 1 }
          const ofDays = yield* walk(analytics.timeseries, { ...days, bucket: "day" })
          assert.isTrue(ofDays.every(({ bucket }) => bucket === "day"))
          assertUsage(
            ofDays,
            ({ start }) => start,
            foldUsage(records, (cell) => start(cell, 24 * HOUR_MS), isFiltered),
          )
          const chosen = Object.fromEntries(
            Object.entries(all).filter(([name]) => asked.includes(name as (typeof asked)[number])),
          ) as Partial<typeof all>
          const isChosen = (cell: Cell) =>
            (stream === undefined || cell.stream === stream) &&
            Object.entries(chosen).every(([name, value]) => {
              if (value === undefined) return true
              if (name === "tag") return cell.tags.includes(value)
              return ((cell as unknown as Record<string, string | null>)[name] ?? "") === value
            })
          for (const groupBy of ["key", "team", "user", "tag", "provider", "model", "endpoint"] as const) {
            const known = tableFor(groupBy, chosen)
            const listed = walk(analytics.usage, {
              ...query,
              ...undefine(filters),
              ...chosen,
              stream,
              groupBy,
            })
            if (known === undefined) {
              assert.strictEqual((yield* Effect.flip(listed))._tag, "NoRollup")
              continue
            }
            const sizeMs = (known.hours[0] ?? 0) * HOUR_MS
            const from = Math.floor(fromMs / sizeMs) * sizeMs
            const to = Math.ceil(toMs / sizeMs) * sizeMs
            const inSpan = records.filter(({ startedAt }) => startedAt >= from && startedAt < to)
            assertUsage(
              yield* listed,
              (row) => nameOf(groupBy, row),
              // Of one tag there is that tag's row alone.
              foldUsage(
                inSpan,
                (cell) =>
                  groupsOf(groupBy, cell).filter(
                    (group) => groupBy !== "tag" || chosen.tag === undefined || group === chosen.tag,
                  ),
                isChosen,
              ),
              known.hasLatencies,
            )
          }
          for (const bucket of ["hour", "day"] as const) {
            const sizeMs = (bucket === "day" ? 24 : 1) * HOUR_MS
            const listed = walk(analytics.timeseries, {
              ...days,
              ...undefine(filters),
              ...chosen,
              stream,
              bucket,
            })
            const known = tableFor("time", chosen)
            if (known?.hours.includes(sizeMs / HOUR_MS) !== true) {
              assert.strictEqual((yield* Effect.flip(listed))._tag, "NoRollup")
              continue
            }
            assertUsage(
              yield* listed,
              ({ start }) => start,
              foldUsage(records, (cell) => start(cell, sizeMs), isChosen),
              known.hasLatencies,
            )
          }
        }),
    )

    property(
      "pages of requests have no gap and no duplicate while rows arrive",
      fc.record({
        records: anyRecords(30),
        arriving: fc.array(anyRecord, { maxLength: 10 }),
        limit: fc.integer({ min: 1, max: 7 }),
      }),
      ({ records, arriving, limit }) =>
        Effect.gen(function* () {
          // Ties in time are decided by id.
          const coarse = records.map((record) => ({
            ...record,
            startedAt: Math.floor(record.startedAt / HOUR_MS) * HOUR_MS + 1,
          }))
          yield* write(coarse)
          const analytics = yield* Analytics
          const waiting = [...arriving]
          const rows = yield* walk(
            analytics.requests,
            { ...span, limit },
            Effect.suspend(() => write(waiting.splice(0, 2))),
          )
          const ids = rows.map(({ request_id }) => request_id)
          assert.strictEqual(new Set(ids).size, ids.length)
          const before = new Set<string>(coarse.map(({ id }) => id))
          assert.deepStrictEqual(
            ids.filter((id) => before.has(id)),
            coarse
              .toSorted((a, b) => b.startedAt - a.startedAt || (a.id < b.id ? 1 : -1))
              .map(({ id }): string => id),
          )
        }),
    )

    property(
      "requests are those that pass every filter, whatever days they are of",
      fc.record({
        // Some days of a quarter, so that a page needs several parts of the span.
        records: fc
          .array(fc.tuple(anyRecord, fc.constantFrom(0, 1, 2, 40, 80), fc.boolean()), { maxLength: 30 })
          .map((records) =>
            records.map(([record, days, chat]) => ({
              ...record,
              startedAt: record.startedAt - days * 24 * HOUR_MS,
              endpoint: chat ? "/v1/chat/completions" : "/infer",
            })),
          ),
        limit: fc.integer({ min: 1, max: 5 }),
        wide: fc.boolean(),
        keyId: fc.option(fc.constantFrom("AdaAdaAdaAda", "NoKeyNoKeyNo"), { nil: undefined }),
        provider: fc.option(fc.constant("openai"), { nil: undefined }),
        model: fc.option(fc.constant("gpt-5"), { nil: undefined }),
        stream: fc.option(fc.boolean(), { nil: undefined }),
        endpoint: fc.option(fc.constant("/infer"), { nil: undefined }),
        team: fc.option(fc.constant("search"), { nil: undefined }),
        user: fc.option(fc.constant("ada"), { nil: undefined }),
        tag: fc.option(fc.constant("prod"), { nil: undefined }),
        moved: fc.boolean(),
      }),
      ({ records, limit, wide, moved, ...filters }) =>
        Effect.gen(function* () {
          yield* write(records)
          if (moved) yield* move
          const range = wide ? { fromMs: 0, toMs: DAY + 24 * HOUR_MS } : span
          const rows = yield* walk((yield* Analytics).requests, { ...range, limit, ...filters })
          const expected = records.filter(
            ({ startedAt, ...record }) =>
              startedAt >= range.fromMs &&
              Object.entries(filters).every(
                ([name, value]) =>
                  value === undefined ||
                  (name === "tag"
                    ? record.tags.some((tag) => tag === value)
                    : Object.entries(record).some(([n, v]) => n === name && v === value)),
              ),
          )
          assert.deepStrictEqual(
            rows.map(({ request_id }) => request_id),
            expected
              .toSorted((a, b) => b.startedAt - a.startedAt || (a.id < b.id ? 1 : -1))
              .map(({ id }): string => id),
          )
        }),
    )

    it.effect("names keys, and leaves unknown ones without a name", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        yield* sql`INSERT INTO api_keys (id, name, secret_hash) VALUES ('AdaAdaAdaAda', 'Ada', 'x')`
        yield* write([record(), record({ keyId: KeyId.make("BobBobBobBob") })])
        const { data } = yield* (yield* Analytics).usageByKey(span)
        assert.deepStrictEqual(
          data.map(({ key_id, key_name }) => [key_id, key_name]),
          [
            ["AdaAdaAdaAda", "Ada"],
            ["BobBobBobBob", null],
          ],
        )
      }),
    )

    it.effect("shows a request under the contract's names", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const usage = {
          inputTokens: 120,
          outputTokens: 55,
          cachedTokens: 0,
          cacheWriteTokens: 0,
          reasoningTokens: 0,
        }
        const answered = record({
          startedAt: DAY + 7,
          stream: true,
          firstTokenMs: 90,
          usageEstimated: true,
          usage: { ...usage, serviceTier: "flex" },
          ...{ team: "search", user: "ada", tags: ["prod"] },
        })
        const refused = record({
          provider: null,
          model: null,
          route: null,
          status: 503,
          errorCode: "all_providers_failed",
          finishReason: null,
          usage: null,
          costNanoUsd: null,
          attempts: [],
        })
        yield* write([answered, refused])
        const { data } = yield* (yield* Analytics).requests(span)
        assert.deepStrictEqual(data, [
          {
            request_id: answered.id,
            requests: 1,
            key_id: "AdaAdaAdaAda",
            team: "search",
            user: "ada",
            tags: ["prod"],
            endpoint: "/infer",
            route: "auto",
            provider: "openai",
            model: "gpt-5-mini",
            status: 200,
            stream: true,
            first_token_ms: 90,
            finish_reason: "stop",
            input_tokens: 120,
            output_tokens: 55,
            service_tier: "flex",
            usage_estimated: true,
            latency_ms: 812,
            attempts: 1,
            error_code: null,
            cost_usd: 0.00014,
            cost_reason: null,
            price_version: "list@2026-11-23",
            started_at: "2026-11-23T00:00:00.007Z",
          },
          {
            request_id: refused.id,
            requests: 1,
            key_id: "AdaAdaAdaAda",
            team: null,
            user: null,
            tags: [],
            endpoint: "/infer",
            route: null,
            provider: null,
            model: null,
            status: 503,
            stream: false,
            first_token_ms: null,
            finish_reason: null,
            input_tokens: null,
            output_tokens: null,
            service_tier: null,
            usage_estimated: false,
            latency_ms: 812,
            attempts: 0,
            error_code: "all_providers_failed",
            cost_usd: null,
            cost_reason: null,
            price_version: "list@2026-11-23",
            started_at: "2026-11-23T00:00:00.000Z",
          },
        ])
      }),
    )

    it.effect("filters requests", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const odd = record({
          status: 504,
          errorCode: "deadline",
          provider: "a\0b",
          keyId: KeyId.make("BobBobBobBob"),
          endpoint: "/v1/chat/completions",
          stream: true,
        })
        yield* write([record(), record({ status: 400, errorCode: "bad_request" }), odd])
        const analytics = yield* Analytics
        for (const filter of [
          { statusClass: 5 },
          { errorCode: "deadline" },
          { provider: "a\0b" },
          { keyId: "BobBobBobBob" },
          { endpoint: "/v1/chat/completions" },
          { stream: true },
          { provider: "a\0b", model: "gpt-5-mini", statusClass: 5 },
          { statusClass: 5, errorCode: "deadline" },
        ] as const) {
          const { data } = yield* analytics.requests({ ...span, ...filter })
          assert.deepStrictEqual(
            data.map(({ request_id }) => request_id),
            [odd.id],
          )
        }
        for (const filter of [
          { statusClass: 4, errorCode: "deadline" },
          { statusClass: 5, errorCode: "bad_request" },
          { statusClass: 2, errorCode: "deadline" },
          { errorCode: "dead\0line" },
          { endpoint: "/v1\0" },
          { stream: false, errorCode: "deadline" },
        ] as const) {
          assert.deepStrictEqual((yield* analytics.requests({ ...span, ...filter })).data, [])
        }
      }),
    )

    it.effect("is about the last 24 hours, in whole buckets for usage", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const analytics = yield* Analytics
        yield* TestClock.setTime(DAY + 90 * 60_000)
        const spanOf = <Row>({ from, to }: Page<Row>) => [from, to]
        assert.deepStrictEqual(spanOf(yield* analytics.requests({})), [
          "2026-11-22T01:30:00.000Z",
          "2026-11-23T01:30:00.000Z",
        ])
        assert.deepStrictEqual(spanOf(yield* analytics.usageByKey({})), [
          "2026-11-22T01:00:00.000Z",
          "2026-11-23T02:00:00.000Z",
        ])
        assert.deepStrictEqual(spanOf(yield* analytics.timeseries({ bucket: "day" })), [
          "2026-11-22T00:00:00.000Z",
          "2026-11-24T00:00:00.000Z",
        ])
      }),
    )

    it.effect("keeps the span of the first page when time goes on", () =>
      Effect.gen(function* () {
        yield* emptyTables
        yield* TestClock.setTime(DAY + HOUR_MS)
        yield* write([record(), record(), record({ startedAt: DAY + 1 })])
        const analytics = yield* Analytics
        const first = yield* analytics.requests({ limit: 2 })
        yield* TestClock.adjust("2 days")
        const second = yield* analytics.requests({ limit: 2, cursor: first.next_cursor ?? "" })
        assert.deepStrictEqual([second.from, second.to], [first.from, first.to])
        assert.strictEqual(second.data.length, 1)
      }),
    )

    it.effect("refuses cursors that it did not give for this listing", () =>
      Effect.gen(function* () {
        yield* emptyTables
        yield* write([record(), record({ keyId: KeyId.make("BobBobBobBob"), startedAt: DAY + HOUR_MS })])
        const analytics = yield* Analytics
        const own = (yield* analytics.requests({ ...span, limit: 1 })).next_cursor ?? ""
        const ofKeys = (yield* analytics.usageByKey({ ...span, limit: 1 })).next_cursor ?? ""
        const nil = "00000000-0000-4000-8000-000000000000"
        const forged = (change: object) => {
          const cursor = { listing: "requests", ...span, after: [DAY, nil], ...change }
          return Buffer.from(JSON.stringify(cursor)).toString("base64url")
        }
        const bad = [
          "",
          "%%%",
          own.slice(3),
          forged({ after: [DAY, "1 OR true"] }),
          forged({ after: [1.5, nil] }),
          forged({ after: [DAY] }),
          forged({ fromMs: -1 }),
          forged({ toMs: 1e300 }),
        ]
        for (const cursor of [...bad, ofKeys]) {
          assert.strictEqual((yield* Effect.flip(analytics.requests({ cursor })))._tag, "InvalidCursor")
        }
        for (const cursor of [...bad, own]) {
          const asked = [
            analytics.usageByKey({ cursor }),
            analytics.usageByProvider({ cursor }),
            analytics.timeseries({ cursor, bucket: "hour" }),
          ]
          for (const refused of asked) {
            assert.strictEqual(
              (yield* Effect.flip<unknown, AnalyticsError, never>(refused))._tag,
              "InvalidCursor",
            )
          }
        }
        assert.strictEqual((yield* analytics.requests({ cursor: forged({}) })).data.length, 0)
        const odd = Buffer.from(
          JSON.stringify({ listing: "usage-by-key", ...span, after: ["\0\ud800"] }),
        ).toString("base64url")
        assert.strictEqual((yield* analytics.usageByKey({ cursor: odd })).data.length, 0)
      }),
    )

    it.effect("compares predictions with what came, of first candidates that answered at once", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const candidate = (provider: string, ms: unknown, usd: unknown) => ({
          provider,
          model: "m",
          predicted_ms: ms,
          predicted_cost_usd: usd,
        })
        const answered = (provider: string, ms: number, changes: Partial<LedgerRecord> = {}) =>
          record({
            provider,
            model: "m",
            latencyMs: ms,
            costNanoUsd: 2_000_000,
            decision: { candidates: [candidate(provider, 1_000, 0.001), candidate("other", 1, 1)] },
            ...changes,
          })
        yield* write([
          ...[500, 900, 1_000, 1_100, 2_000].map((ms) => answered("a", ms)),
          answered("a", 9_000, { stream: true, firstTokenMs: 1_500, costNanoUsd: null }),
          answered("b", 3_000, { decision: { candidates: [candidate("b", 0, null)] } }),
          // None of these says how good a prediction was.
          answered("other", 9_000, { decision: { candidates: [candidate("a", 1_000, 0.001)] } }),
          answered("a", 9_000, { status: 502, errorCode: "all_providers_failed" }),
          answered("a", 9_000, { attempts: [attempt, attempt] }),
          answered("a", 9_000, { decision: { candidates: "none" } }),
          answered("a", 9_000, { decision: null }),
          answered("a", 9_000, { startedAt: DAY + HOUR_MS }),
          answered("c", 9_000, { decision: { candidates: [candidate("c", "soon", "much")] } }),
        ])
        const analytics = yield* Analytics
        const span = { fromMs: DAY, toMs: DAY + HOUR_MS }
        const rows = yield* walk(analytics.calibration, { ...span, limit: 1 })
        const unknown = {
          ...{ time_bias: null, time_p50_error: null, time_p90_error: null },
          ...{ cost_bias: null, cost_p50_error: null, cost_p90_error: null },
        }
        assert.deepStrictEqual(rows, [
          {
            ...{ provider: "a", model: "m", mode: "whole", requests: 5 },
            ...{ time_bias: 1.1, time_p50_error: 0.1, time_p90_error: 0.8 },
            ...{ cost_bias: 2, cost_p50_error: 1, cost_p90_error: 1 },
          },
          {
            ...unknown,
            ...{ provider: "a", model: "m", mode: "stream", requests: 1 },
            ...{ time_bias: 1.5, time_p50_error: 0.5, time_p90_error: 0.5 },
          },
          { ...unknown, provider: "b", model: "m", mode: "whole", requests: 1 },
          { ...unknown, provider: "c", model: "m", mode: "whole", requests: 1 },
        ])
        assert.lengthOf((yield* analytics.calibration({ ...span, stream: true })).data, 1)
        const { from } = yield* analytics.calibration({ fromMs: 0, toMs: DAY })
        assert.strictEqual(from, new Date(DAY - 31 * 24 * HOUR_MS).toISOString())
      }),
    )

    it.effect("refuses spans that are no spans", () =>
      Effect.gen(function* () {
        const analytics = yield* Analytics
        for (const span of [
          { fromMs: DAY, toMs: DAY },
          { fromMs: DAY + 1, toMs: DAY },
          { fromMs: -1, toMs: DAY },
          { fromMs: DAY, toMs: 8.64e15 },
          { fromMs: Number.NaN, toMs: DAY },
        ]) {
          assert.strictEqual((yield* Effect.flip(analytics.requests(span)))._tag, "InvalidRange")
          assert.strictEqual((yield* Effect.flip(analytics.usageByKey(span)))._tag, "InvalidRange")
        }
        const everything = { fromMs: 0, toMs: Date.UTC(9999, 11, 31, 23, 59, 59, 999) }
        yield* analytics.timeseries({ ...everything, bucket: "day" })
        yield* analytics.requests(everything)
      }),
    )
  })
})

const unreachable = PgClient.layer({ url: Redacted.make("postgres://nobody@127.0.0.1:1/nothing") }).pipe(
  Layer.provide(Layer.succeed(Clock.Clock, Clock.Clock.defaultValue())),
)

layer(Analytics.layer.pipe(Layer.provide(unreachable)))("analytics without a database", (it) => {
  it.effect("is unavailable, and says why without a message", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(DAY)
      const analytics = yield* Analytics
      for (const asked of [analytics.requests({}), analytics.usageByKey({})]) {
        assert.deepInclude(yield* Effect.flip<unknown, AnalyticsError, never>(asked), {
          _tag: "AnalyticsUnavailable",
          reason: "ConnectionError",
          code: "ECONNREFUSED",
        })
      }
    }),
  )
})
