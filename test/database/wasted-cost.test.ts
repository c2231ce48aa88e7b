import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../src/database/Database.ts"
import { applyMigrations, migrate, migrations } from "../../src/database/migrations.ts"
import { rollUp } from "../../src/ledger/tables/roll-up.ts"
import { DAY, HOUR_MS, record } from "../ledger/records.ts"
import { freshPostgresUrl } from "../support/Databases.ts"

const pool = Database.layerPool({
  applicationName: "test",
  maxConnections: 2,
  statementTimeoutMs: 30_000,
}).pipe(Layer.provide(Layer.unwrap(Effect.map(freshPostgresUrl, Database.layerServer))))

/** The schema that knew of nothing in vain. */
const before = applyMigrations(
  Object.fromEntries(Object.entries(migrations).filter(([name]) => Number.parseInt(name, 10) <= 9)),
)

it.live(
  "the migrations count what was spent in vain before, and let a gateway of the version before write on",
  () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* before
      const days = [0, 1, 2].map((day) => new Date(DAY + day * 24 * HOUR_MS))
      yield* sql`SELECT create_ledger_day(day::date) FROM unnest(${days}::timestamptz[]) AS day`
      yield* sql`DROP TABLE attempts_20261125`
      // Each with its attempts: provider, outcome and cost.
      const requests = [
        { day: 0, by: "openai", attempts: ["gemini bad_response 5", "openai success 100"] },
        { day: 0, by: null, attempts: ["gemini bad_response 7", "gemini overloaded 0"] },
        // The client left as the answer came.
        { day: 1, by: null, attempts: ["openai success 11"] },
        { day: 1, by: "openai", attempts: ["openai bad_response 13", "openai success 100"] },
        { day: 1, by: "openai", attempts: ["openai stream_interrupted 100"] },
        { day: 1, by: "openai", attempts: ["openai bad_response unknown", "openai success unknown"] },
        { day: 2, by: "openai", attempts: [] },
      ]
      for (const { day, by, attempts } of requests) {
        const { id } = record()
        yield* sql`
          INSERT INTO requests (
            id, started_at, latency_ms, key_id, endpoint, requested_model, provider, model, status, stream, attempts
          ) VALUES (
            ${id}, ${days[day] ?? null}, 1, 'AdaAdaAdaAda', '/infer', 'auto', ${by}, ${by && "m"}, 200, false, ${attempts.length}
          )`
        for (const [i, attempt] of attempts.entries()) {
          const [provider, outcome, cost] = attempt.split(" ")
          yield* sql`
            INSERT INTO attempts (
              request_id, day, ordinal, provider, model, started_at, latency_ms, outcome, cost_nano_usd, input_tokens
            ) VALUES (
              ${id}, (${days[day]}::timestamptz AT TIME ZONE 'UTC')::date, ${i + 1}, ${provider}, 'm', ${days[day]}, 1,
              ${outcome}, ${cost === "unknown" ? null : Number(cost)}, ${cost === "unknown" ? 11_000 : null}
            )`
        }
      }
      const count = sql`
        INSERT INTO usage_recent AS rollup (
          hour, key_id, provider, model, stream, requests, errors, input_tokens, output_tokens, cached_tokens,
          reasoning_tokens, cost_nano_usd, unpriced_requests, latency_ms
        ) VALUES (${days[1]}, 'AdaAdaAdaAda', 'openai', 'm', false, 2, 1, 0, 0, 0, 0, 200, 0, 2)
        ON CONFLICT (hour, key_id, provider, model, stream) DO UPDATE SET requests = rollup.requests + excluded.requests`
      yield* count
      yield* migrate
      const wasted = sql`
        SELECT hour, provider, requests::int, wasted_nano_usd::int AS wasted, unpriced_attempts::int AS unpriced FROM usage_rollups ORDER BY hour, provider`
      const first = { hour: days[0], provider: "gemini", requests: 0, wasted: 12, unpriced: 0 }
      const second = { hour: days[1], provider: "openai", requests: 2, wasted: 24, unpriced: 1 }
      assert.deepStrictEqual(yield* wasted, [first, second])
      yield* count
      const after = [first, { ...second, requests: 4 }]
      assert.deepStrictEqual(yield* wasted, after)
      yield* rollUp(sql)
      assert.deepStrictEqual(yield* wasted, after)
    }).pipe(Effect.provide(pool)),
)
