import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import fc from "fast-check"
import { failureCode } from "../../src/database/failure-code.ts"
import { RequestId } from "../../src/domain/Ids.ts"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { isRecordAtFault, writeBatch } from "../../src/ledger/write-batch.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"
import { anyRecords, attempt, DAY, record } from "./records.ts"
import { assertHoldsExactly, emptyTables } from "./rows.ts"

const write = (records: ReadonlyArray<LedgerRecord>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => writeBatch(sql, records.map(ledgerEntry)))

/** Records in batches, some batches written again, some records in several batches or twice in one. */
const history = anyRecords(40).chain((records) =>
  fc.record({
    records: fc.constant(records),
    batches: fc
      .tuple(
        fc.array(fc.nat(9), { minLength: records.length, maxLength: records.length }),
        fc.array(fc.tuple(fc.nat(9), fc.nat(Math.max(0, records.length - 1))), { maxLength: 20 }),
        fc.array(fc.nat(9), { maxLength: 5 }),
      )
      .map(([places, duplicates, again]) => {
        const batches: Array<Array<LedgerRecord>> = Array.from({ length: 10 }, () => [])
        records.forEach((record, i) => {
          batches[places[i] ?? 0]?.push(record)
        })
        for (const [place, i] of duplicates) batches[place]?.push(...records.slice(i, i + 1))
        return [...batches, ...again.map((i) => batches[i] ?? [])]
      }),
  }),
)

/** Records as gateways make them: an answer has the cost of its attempt, and nobody's answer has none. */
const realRecords = anyRecords(40).map((records) =>
  records.map((record): LedgerRecord => {
    const { provider, model, usage, costNanoUsd } = record
    return provider === null || model === null
      ? { ...record, usage: null, costNanoUsd: null }
      : { ...record, attempts: [...record.attempts, { ...attempt, provider, model, usage, costNanoUsd }] }
  }),
)

describe.each([
  { name: "PostgreSQL", database: layerPostgres, numRuns: 40 },
  { name: "the embedded database", database: layerEmbedded, numRuns: 6 },
])("a batch in $name", ({ database, numRuns }) => {
  layer(database)((it) => {
    it.effect("takes a line of a version that knew of no attribution", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        const entry = ledgerEntry(record())
        const { team: _, end_user: _user, tags: _tags, ...before } = JSON.parse(entry.line)
        yield* writeBatch(sql, [{ ...entry, line: JSON.stringify(before) }])
        assert.deepStrictEqual(yield* sql`SELECT team, end_user, tags FROM requests`, [
          { team: null, end_user: null, tags: [] },
        ])
        assert.deepStrictEqual(yield* sql`SELECT dimension, name, requests::int FROM attributed_recent`, [
          { dimension: "endpoint", name: "/infer", requests: 1 },
        ])
      }),
    )

    it.effect("takes a line of a newer version, without what is not known here", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        const whole = record({ attempts: [attempt] })
        const entry = ledgerEntry(whole)
        const line = JSON.parse(entry.line)
        const newer = {
          ...line,
          project: { name: "p" },
          attempts: line.attempts.map((each: object) => ({ ...each, outcome: "vetoed", region: ["eu"] })),
          charges: [{ holder: "a", nano_usd: 1, windows: [], currency: "EUR" }],
        }
        yield* writeBatch(sql, [{ ...entry, line: JSON.stringify(newer) }])
        assert.deepStrictEqual(yield* sql`SELECT outcome FROM attempts`, [{ outcome: "vetoed" }])
        yield* assertHoldsExactly([whole])
      }),
    )

    it.effect("says whom a request was for, and counts it under each of its tags once", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        const user = "Jürgen\0'"
        yield* write([record({ team: "search", user, tags: ["eu", "prod", "eu"] })])
        assert.deepStrictEqual(yield* sql`SELECT team, end_user, tags FROM requests`, [
          { team: "search", end_user: "Jürgen\ufffd'", tags: ["eu", "prod", "eu"] },
        ])
        assert.deepStrictEqual(
          yield* sql`
            SELECT dimension, name, key_id, provider, requests::int FROM attributed_recent ORDER BY dimension, name`,
          [
            { dimension: "endpoint", name: "/infer", key_id: "", provider: "", requests: 1 },
            { dimension: "tag", name: "eu", key_id: "", provider: "openai", requests: 1 },
            { dimension: "tag", name: "prod", key_id: "", provider: "openai", requests: 1 },
            { dimension: "team", name: "search", key_id: "AdaAdaAdaAda", provider: "openai", requests: 1 },
            { dimension: "user", name: "Jürgen\ufffd'", key_id: "", provider: "", requests: 1 },
          ],
        )
      }),
    )

    it.effect("counts every record once, however batches repeat and overlap", () =>
      Effect.gen(function* () {
        const context = yield* Effect.context<SqlClient.SqlClient>()
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(history, ({ records, batches }) =>
              Effect.gen(function* () {
                yield* emptyTables
                yield* Effect.forEach(batches, write)
                yield* assertHoldsExactly(records)
              }).pipe(Effect.runPromiseWith(context)),
            ),
            { numRuns },
          ),
        )
      }),
    )

    it.effect("counts as spent at a provider what its attempts cost, each once", () =>
      Effect.gen(function* () {
        const context = yield* Effect.context<SqlClient.SqlClient>()
        const sql = yield* SqlClient.SqlClient
        const spentAt = sql<{ at: string; spent: number }>`
          SELECT provider || '/' || model AS at, sum(cost_nano_usd + wasted_nano_usd)::float8 AS spent
          FROM usage_rollups GROUP BY 1 HAVING sum(cost_nano_usd + wasted_nano_usd) > 0`
        const property = fc.asyncProperty(realRecords, (records) =>
          Effect.gen(function* () {
            yield* emptyTables
            yield* write(records)
            const costs = new Map<string, number>()
            for (const { provider, model, costNanoUsd } of records.flatMap(({ attempts }) => attempts)) {
              const at = `${provider}/${model}`
              if (costNanoUsd) costs.set(at, (costs.get(at) ?? 0) + costNanoUsd)
            }
            assert.deepStrictEqual(new Map((yield* spentAt).map(({ at, spent }) => [at, spent])), costs)
          }).pipe(Effect.runPromiseWith(context)),
        )
        yield* Effect.promise(() => fc.assert(property, { numRuns }))
      }),
    )

    it.effect("keeps every field", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const { usage } = attempt
        assert(usage !== null)
        const given = record({
          startedAt: DAY + 123,
          errorCode: "e",
          stream: true,
          firstTokenMs: 90,
          usageEstimated: true,
          costNanoUsd: null,
          costReason: "unknown_model",
          usage: { ...usage, details: { audio_input_tokens: 7 } },
          attempts: [{ ...attempt, usageEstimated: true, usage: { ...usage, details: { web_searches: 2 } } }],
        })
        yield* write([given])
        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql`
          SELECT id, started_at, latency_ms, key_id, endpoint, route, requested_model, provider, model, status,
            error_code, stream, first_token_ms, finish_reason, input_tokens::int, output_tokens::int,
            cached_tokens::int, reasoning_tokens::int, usage_details, usage_estimated, raw_usage, cost_nano_usd, cost_reason, price_version, decision, attempts
          FROM requests`
        assert.deepStrictEqual(rows, [
          {
            id: given.id,
            started_at: new Date(DAY + 123),
            latency_ms: 812,
            key_id: "AdaAdaAdaAda",
            endpoint: "/infer",
            route: "auto",
            requested_model: "auto",
            provider: "openai",
            model: "gpt-5-mini",
            status: 200,
            error_code: "e",
            stream: true,
            first_token_ms: 90,
            finish_reason: "stop",
            input_tokens: 120,
            output_tokens: 55,
            cached_tokens: 20,
            reasoning_tokens: 5,
            usage_details: { audio_input_tokens: 7 },
            usage_estimated: true,
            raw_usage: given.rawUsage,
            cost_nano_usd: null,
            cost_reason: "unknown_model",
            price_version: "list@2026-11-23",
            decision: given.decision,
            attempts: 1,
          },
        ])
        assert.deepStrictEqual(
          yield* sql`
            SELECT request_id, ordinal, provider, model, started_at, latency_ms, outcome, dispatched, upstream_status,
              input_tokens::int, output_tokens::int, usage_details, usage_estimated, cost_nano_usd::int FROM attempts`,
          [
            {
              request_id: given.id,
              ordinal: 1,
              provider: "openai",
              model: "gpt-5-mini",
              started_at: new Date(attempt.startedAt),
              latency_ms: 790,
              outcome: "success",
              dispatched: "answered",
              upstream_status: 200,
              input_tokens: 120,
              output_tokens: 55,
              usage_details: { web_searches: 2 },
              usage_estimated: true,
              cost_nano_usd: 140_000,
            },
          ],
        )
      }),
    )

    it.effect("takes any text and any number", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const text = '\0 \ud800 \\ " \u{1f600} \n'
        const n = Number.NaN
        const nonsense = record({
          startedAt: n,
          latencyMs: n,
          endpoint: text,
          requestedModel: text,
          provider: text,
          model: text,
          status: 70_000,
          errorCode: text,
          firstTokenMs: n,
          usage: {
            inputTokens: n,
            outputTokens: -1,
            cachedTokens: 0.5,
            cacheWriteTokens: 0,
            reasoningTokens: 2 ** 80,
          },
          rawUsage: { [text]: [text, 1e300, n] },
          costNanoUsd: n,
          decision: text,
          attempts: [{ ...attempt, provider: text, startedAt: 1e30, latencyMs: 1e30, upstreamStatus: -5 }],
        })
        yield* write([record(), nonsense])
        const sql = yield* SqlClient.SqlClient
        const held = '\ufffd \ufffd \\ " \u{1f600} \n'
        assert.deepStrictEqual(
          yield* sql`SELECT provider, decision, raw_usage FROM requests WHERE id = ${nonsense.id}`,
          [{ provider: held, decision: held, raw_usage: { [held]: [held, 1e300, null] } }],
        )
      }),
    )

    it.effect("tells a record at fault from a database in trouble", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const refused = yield* Effect.flip(write([record({ id: RequestId.make("not-a-uuid") })]))
        assert.strictEqual(failureCode(refused), "22P02")
        assert.isTrue(isRecordAtFault(refused))
        for (const trouble of [
          sql`SELECT * FROM no_such_table`,
          sql`DO $$ BEGIN RAISE SQLSTATE '53100'; END $$`,
          // A record of a day that has no partition.
          sql`INSERT INTO attempts SELECT (jsonb_populate_record(NULL::attempts, '{"day": "1971-01-01"}')).*`,
        ]) {
          assert.isFalse(isRecordAtFault(yield* Effect.flip(trouble)))
        }
      }),
    )
  })
})
