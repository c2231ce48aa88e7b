import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { type Cell, foldUsage, HOUR_MS, isFailure } from "./records.ts"

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
  yield* sql`
    TRUNCATE requests, attempts, request_kinds, usage_recent, latency_recent, usage, key_usage, model_usage,
      total_usage`
})

const rollupKey = (hourMs: number, keyId: string, provider: string, model: string, stream: boolean) =>
  `${new Date(hourMs).toISOString()} ${keyId} ${provider} ${model} ${stream ? "stream" : "whole"}`

const groupOf = ({ startedAt, keyId, provider, model, stream }: Cell) =>
  rollupKey(Math.floor(startedAt / HOUR_MS) * HOUR_MS, keyId, provider ?? "", model ?? "", stream)

/**
 * Every record is there once, and rollups and histogram are their fold, to the token and the nano-dollar. Rows that
 * re-pricing left with nothing in them say nothing.
 */
export const assertHoldsExactly = Effect.fnUntraced(function* (records: ReadonlyArray<LedgerRecord>) {
  const sql = yield* SqlClient.SqlClient
  const requests = yield* sql<{
    id: string
    attempts: number
    stream: boolean
    first: number | null
    estimated: boolean
  }>`
    SELECT id, attempts, stream, first_token_ms AS first, usage_estimated AS estimated FROM requests ORDER BY id`
  assert.deepStrictEqual(
    requests.map(({ id, attempts, stream, first, estimated }) =>
      [id, attempts, stream, first, estimated].join(" "),
    ),
    records
      .map(({ id, attempts, stream, firstTokenMs, usageEstimated }) =>
        [id, attempts.length, stream, firstTokenMs, usageEstimated].join(" "),
      )
      .toSorted(),
  )
  const attempts = yield* sql<{ id: string; ordinal: number; cost: number | null; estimated: boolean }>`
    SELECT request_id AS id, ordinal, cost_nano_usd::float8 AS cost, usage_estimated AS estimated FROM attempts`
  assert.deepStrictEqual(
    attempts.map(({ id, ordinal, cost, estimated }) => `${id} ${ordinal} ${cost} ${estimated}`).toSorted(),
    records
      .flatMap(({ id, attempts }) =>
        attempts.map(
          ({ costNanoUsd, usageEstimated }, i) => `${id} ${i + 1} ${costNanoUsd} ${usageEstimated}`,
        ),
      )
      .toSorted(),
  )
  const rollups = yield* sql<
    Record<string, unknown> & {
      hour: Date
      key_id: string
      provider: string
      model: string
      stream: boolean
    }
  >`
    SELECT hour, key_id, provider, model, stream, requests, errors, input_tokens, output_tokens, cached_tokens,
      reasoning_tokens, cost_nano_usd, unpriced_requests, latency_ms, wasted_nano_usd,
      unpriced_attempts
    FROM usage_rollups`
  const stored = new Map(
    rollups.map(({ hour, key_id, provider, model, stream, ...sums }) => [
      rollupKey(hour.getTime(), key_id, provider, model, stream),
      Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, Number(sum)])),
    ]),
  )
  const expected = new Map(
    [...foldUsage(records, groupOf)].map(([key, { latencies, ...sums }]) => [
      key,
      { ...sums, latency_ms: latencies.reduce((sum, ms) => sum + ms, 0) },
    ]),
  )
  for (const [key, sums] of stored) {
    if (!expected.has(key) && Object.values(sums).every((sum) => sum === 0)) stored.delete(key)
  }
  assert.deepStrictEqual(stored, expected)
  const histogram = yield* sql<{ streamed: number; whole: number }>`
    SELECT
      coalesce(sum(requests) FILTER (WHERE stream), 0)::int AS streamed,
      coalesce(sum(requests) FILTER (WHERE NOT stream), 0)::int AS whole
    FROM latency_rollups`
  const successes = records.filter((record) => !isFailure(record))
  const streamed = successes.filter(({ stream }) => stream).length
  assert.deepStrictEqual(histogram, [{ streamed, whole: successes.length - streamed }])
})
