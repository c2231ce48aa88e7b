import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { foldUsage, HOUR_MS } from "./records.ts"

/** What a test's database holds. */

export const requestCount: Effect.Effect<number, SqlError.SqlError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ count: number }>`SELECT count(*)::int AS count FROM requests`
    return rows[0]?.count ?? 0
  },
)

export const emptyTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`TRUNCATE requests, attempts, usage_rollups, latency_rollups`
})

const rollupKey = (hourMs: number, keyId: string, provider: string, model: string) =>
  `${new Date(hourMs).toISOString()} ${keyId} ${provider} ${model}`

const hourOf = (record: LedgerRecord) => Math.floor(record.startedAt / HOUR_MS) * HOUR_MS

const groupOf = (record: LedgerRecord) =>
  rollupKey(hourOf(record), record.keyId, record.provider ?? "", record.model ?? "")

/** Every record is there once, and rollups and histogram are their fold, to the token and the nano-dollar. */
export const assertHoldsExactly = Effect.fnUntraced(function* (records: ReadonlyArray<LedgerRecord>) {
  const sql = yield* SqlClient.SqlClient
  const requests = yield* sql<{ id: string; attempts: number }>`SELECT id, attempts FROM requests ORDER BY id`
  assert.deepStrictEqual(
    requests.map(({ id, attempts }) => `${id} ${attempts}`),
    records.map(({ id, attempts }) => `${id} ${attempts.length}`).toSorted(),
  )
  const attempts = yield* sql<{ id: string; ordinal: number; cost: number | null }>`
    SELECT request_id AS id, ordinal, cost_nano_usd::float8 AS cost FROM attempts`
  assert.deepStrictEqual(
    attempts.map(({ id, ordinal, cost }) => `${id} ${ordinal} ${cost}`).toSorted(),
    records
      .flatMap(({ id, attempts }) => attempts.map(({ costNanoUsd }, i) => `${id} ${i + 1} ${costNanoUsd}`))
      .toSorted(),
  )
  const rollups = yield* sql<
    Record<string, unknown> & { hour: Date; key_id: string; provider: string; model: string }
  >`
    SELECT hour, key_id, provider, model, requests, errors, input_tokens, output_tokens, cached_tokens,
      reasoning_tokens, cost_nano_usd, unpriced_requests, latency_ms
    FROM usage_rollups`
  const stored = new Map(
    rollups.map(({ hour, key_id, provider, model, ...sums }) => [
      rollupKey(hour.getTime(), key_id, provider, model),
      Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, Number(sum)])),
    ]),
  )
  const expected = new Map(
    [...foldUsage(records, groupOf)].map(([key, { latencies, ...sums }]) => [
      key,
      { ...sums, latency_ms: latencies.reduce((sum, ms) => sum + ms, 0) },
    ]),
  )
  assert.deepStrictEqual(stored, expected)
  const histogram = yield* sql<{ counted: number }>`
    SELECT coalesce(sum(requests), 0)::int AS counted FROM latency_rollups`
  assert.strictEqual(histogram[0]?.counted, records.filter(({ status }) => status === 200).length)
})
