import { randomUUID, randomUUIDv7 } from "node:crypto"
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { readLastUsed } from "../../src/analytics/last-used-query.ts"
import { readRequest } from "../../src/analytics/request-query.ts"
import { KeyId, RequestId } from "../../src/domain/Ids.ts"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import { attempt, DAY, HOUR_MS, record } from "../ledger/records.ts"
import { emptyTables } from "../ledger/rows.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"

const write = (records: ReadonlyArray<LedgerRecord>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => writeBatch(sql, records.map(ledgerEntry)))

describe.each([
  { name: "PostgreSQL", database: layerPostgres },
  { name: "the embedded database", database: layerEmbedded },
])("one request in $name", ({ database }) => {
  layer(database)((it) => {
    it.effect("is found on whatever day it is, by ids that tell their time and by others", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        const nowMs = Date.now()
        const records = [
          record({ id: RequestId.make(randomUUIDv7()), startedAt: nowMs }),
          record({ id: RequestId.make(randomUUIDv7()), startedAt: nowMs - 40 * 24 * HOUR_MS }),
          record({ id: RequestId.make(randomUUID()), startedAt: DAY }),
          record({ id: RequestId.make(randomUUID()), startedAt: DAY - 3 * 24 * HOUR_MS, attempts: [] }),
        ]
        yield* write(records)
        for (const { attempts, id, startedAt } of records) {
          const found = yield* readRequest(sql, id)
          assert.strictEqual(found?.request.request_id, id)
          assert.strictEqual(found?.request.started_at, new Date(startedAt).toISOString())
          assert.lengthOf(found?.attempts ?? [], attempts.length)
        }
        assert.isUndefined(yield* readRequest(sql, randomUUID()))
        assert.isUndefined(yield* readRequest(sql, randomUUIDv7()))
      }),
    )

    it.effect("is the newest one of a key, which tells when that was last used", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        const [ada, bob, eve] = ["AdaAdaAdaAda", "BobBobBobBob", "EveEveEveEve"].map((id) => KeyId.make(id))
        if (ada === undefined || bob === undefined || eve === undefined) return assert.fail("no keys")
        const dayMs = 24 * HOUR_MS
        yield* write([
          record({ keyId: ada, startedAt: DAY }),
          record({ keyId: ada, startedAt: DAY - dayMs }),
          record({ keyId: bob, startedAt: DAY - 20 * dayMs }),
          record({ keyId: eve, startedAt: DAY - 40 * dayMs }),
        ])
        assert.deepStrictEqual(
          [...(yield* readLastUsed(sql, [ada, bob, eve, "NoKeyNoKeyNo"], DAY + HOUR_MS))],
          [
            [ada, new Date(DAY)],
            [bob, new Date(DAY - 20 * dayMs)],
          ],
        )
        assert.strictEqual((yield* readLastUsed(sql, [], DAY)).size, 0)
      }),
    )

    it.effect("has its attempts in order, its decision, and what was predicted beside what came", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        const predicted = { predicted_ms: 700, predicted_cost_usd: 0.0001, predicted_output_tokens: 60 }
        const decision = {
          route: "auto",
          candidates: [
            { provider: "gemini", model: "gemini-3-flash", ...predicted, predicted_ms: 500, rank: 1 },
            { provider: "openai", model: "gpt-5-mini", ...predicted, rank: 2 },
          ],
          excluded: [{ provider: "local", model: "llama", reason: "context window" }],
          chosen_by: "score",
          probability: 0.98,
        }
        const details = { web_searches: 2 }
        const usage = {
          ...{
            inputTokens: 120,
            outputTokens: 55,
            cachedTokens: 20,
            cacheWriteTokens: 4,
            reasoningTokens: 5,
          },
          details,
          reportedNanoUsd: 150_000,
        }
        const tried = {
          ...{ ...attempt, provider: "gemini", model: "gemini-3-flash", outcome: "overloaded" as const },
          ...{ upstreamStatus: 503, usage: null, costNanoUsd: null, dispatched: "answered" as const },
        }
        const streamed = record({
          ...{ stream: true, firstTokenMs: 90, usage, decision, attempts: [tried, { ...attempt, usage }] },
          requestedModel: "fast",
        })
        const refused = record({
          ...{
            provider: null,
            model: null,
            route: null,
            status: 429,
            errorCode: "rate_limited",
            usage: null,
          },
          ...{ costNanoUsd: null, priceVersion: null, rawUsage: null, decision: null, attempts: [] },
        })
        yield* write([streamed, refused])
        const found = yield* readRequest(sql, streamed.id)
        assert.deepInclude(found, {
          requested_model: "fast",
          tokens: { input: 120, cached: 20, cache_write: 4, output: 55, reasoning: 5, details },
          raw_usage: { prompt_tokens: 120, completion_tokens: 55 },
          decision,
          reportedNanoUsd: 150_000,
          prediction: {
            ...predicted,
            actual_ms: 90,
            actual_cost_usd: 0.00014,
            actual_output_tokens: 55,
          },
        })
        assert.deepStrictEqual(
          found?.attempts.map(
            ({ answered, cost_usd, dispatched, ordinal, outcome, provider, upstream_status }) => [
              ordinal,
              provider,
              outcome,
              upstream_status,
              dispatched,
              cost_usd,
              answered,
            ],
          ),
          [
            [1, "gemini", "overloaded", 503, "answered", null, false],
            [2, "openai", "success", 200, "answered", 0.00014, true],
          ],
        )
        assert.deepInclude(yield* readRequest(sql, refused.id), {
          ...{ attempts: [], decision: null, prediction: null, usage: null, raw_usage: null },
        })
      }),
    )
  })
})
