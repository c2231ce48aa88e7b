import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { costOf } from "../../../src/catalog/cost.ts"
import { Database } from "../../../src/database/Database.ts"
import { applyMigrations, migrate, migrations } from "../../../src/database/migrations.ts"
import { checkRollups } from "../../../src/ledger/checks/check-rollups.ts"
import { checkRows } from "../../../src/ledger/checks/check-rows.ts"
import { recomputeCosts } from "../../../src/repricing/recompute-costs.ts"
import { freshPostgresUrl } from "../../support/Databases.ts"
import { HOUR_MS } from "../records.ts"

const pool = Database.layerPool({
  applicationName: "test",
  maxConnections: 2,
  statementTimeoutMs: 30_000,
}).pipe(Layer.provide(Layer.unwrap(Effect.map(freshPostgresUrl, Database.layerServer))))

/**
 * A ledger as the version before days and modes left it: three requests, three days apart, the latest today, and one of
 * them answered at the second attempt.
 */
const old = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* applyMigrations(
    Object.fromEntries(Object.entries(migrations).filter(([name]) => Number.parseInt(name, 10) <= 4)),
  )
  yield* sql`
    INSERT INTO requests (
      id, started_at, latency_ms, key_id, endpoint, requested_model, provider, model, status, stream, input_tokens,
      output_tokens, cached_tokens, reasoning_tokens, cost_nano_usd, price_version, attempts
    )
    SELECT
      gen_random_uuid(), now() - days * interval '3 days', 100, 'AdaAdaAdaAda', '/infer', 'auto', 'openai', 'gpt-5', 200,
      false, 10, 10, 0, 0, 1000, 'list@2026-01-01', CASE WHEN days = 1 THEN 2 ELSE 1 END
    FROM generate_series(0, 2) AS days`
  yield* sql`
    INSERT INTO attempts (
      request_id, ordinal, provider, model, started_at, latency_ms, outcome, upstream_status, input_tokens,
      output_tokens, cost_nano_usd
    )
    SELECT id, attempts, provider, model, started_at, 90, 'success', 200, 10, 10, 1000 FROM requests
    UNION ALL
    SELECT id, 1, 'gemini', 'gemini-3', started_at, 90, 'bad_response', 200, 3, 3, 300 FROM requests WHERE attempts = 2`
  yield* sql`
    INSERT INTO usage_rollups (
      hour, key_id, provider, model, requests, errors, input_tokens, output_tokens, cached_tokens, reasoning_tokens,
      cost_nano_usd, unpriced_requests, latency_ms
    )
    SELECT date_trunc('hour', started_at, 'UTC'), key_id, provider, model, 1, 0, 10, 10, 0, 0, 1000, 0, 100 FROM requests`
  yield* sql`
    INSERT INTO latency_rollups (hour, key_id, provider, model, bucket, requests)
    SELECT date_trunc('hour', started_at, 'UTC'), key_id, provider, model, 133, 1 FROM requests`
  yield* migrate
})

it.live("what was written before there were days is checked and re-priced like the rest", () =>
  Effect.gen(function* () {
    yield* old
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ ms: number }>`SELECT (extract(epoch FROM now()) * 1000)::float8 AS ms`
    const nowMs = row?.ms ?? 0
    const about = {
      sql,
      span: { fromMs: nowMs - 240 * HOUR_MS, toMs: nowMs + HOUR_MS },
      nowMs,
      retentionDays: undefined,
      budgetMs: Number.POSITIVE_INFINITY,
      progress: () => Effect.void,
    }
    const statuses = Effect.gen(function* () {
      const findings = [yield* checkRollups(about), ...(yield* checkRows(about))]
      return findings.map(({ check, status }) => `${check} ${status}`)
    })
    const sound = ["rollups ok", "attempts ok", "costs ok", "values ok"]
    assert.deepStrictEqual(yield* statuses, sound)
    const wasted = sql`
      SELECT provider, requests::int, wasted_nano_usd::int AS wasted FROM usage_rollups WHERE wasted_nano_usd <> 0`
    const atGemini = [{ provider: "gemini", requests: 0, wasted: 300 }]
    assert.deepStrictEqual(yield* wasted, atGemini)

    const price = {
      ...{ inputNanoPer1M: 5_000_000, cachedInputNanoPer1M: 1, outputNanoPer1M: 2_000_000 },
      ...{ source: "test", asOf: "2026-11-24" },
    }
    const result = yield* recomputeCosts(sql, {
      span: { fromMs: nowMs - 100 * HOUR_MS, toMs: nowMs + 1 },
      price: (_, __, usage, startedAt) => costOf(price, usage, startedAt),
      dryRun: false,
      onBatch: () => Effect.void,
    })
    assert.deepInclude(result, { requests: 2, attemptsChanged: 2 })
    assert.deepStrictEqual(yield* statuses, sound)
    const sums = yield* sql`SELECT sum(cost_nano_usd)::int AS cost FROM usage_rollups`
    assert.deepStrictEqual(sums, [{ cost: 2 * 70 + 1_000 }])
    assert.deepStrictEqual(yield* wasted, atGemini)

    yield* sql`DELETE FROM attempts WHERE cost_nano_usd = 1000`
    assert.deepStrictEqual(yield* statuses, ["rollups ok", "attempts fail", "costs ok", "values ok"])
  }).pipe(Effect.provide(pool)),
)
