import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ATTRIBUTED_USAGE, type AttributedTable, recentColumn } from "../../src/ledger/tables/rollups.ts"
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
      total_usage, attributed_recent, attributed_latency_recent, minute_usage, first_token_usage`
  // Of so many partitions, hardly any of which has a row, this is the faster way.
  for (const { name } of ATTRIBUTED_USAGE) yield* sql`DELETE FROM ${sql(name)}`
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
      Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, storedSum(name, sum)])),
    ]),
  )
  const expected = new Map(
    [...foldUsage(records, groupOf)].map(([key, { latencies, ...sums }]) => [
      key,
      { ...sums, latency_ms: latencies.reduce((sum, ms) => sum + ms, 0) },
    ]),
  )
  for (const [key, sums] of stored) {
    if (!expected.has(key) && Object.values(sums).every(isNothing)) stored.delete(key)
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
  for (const table of ATTRIBUTED_USAGE) yield* assertAttributed(table, records)
})

/** What a cell is known by in a dimension. */
const namesOf = (dimension: AttributedTable["dimension"], cell: Cell): ReadonlyArray<string> =>
  dimension === "tag" ? cell.tags : [cell[dimension] ?? []].flat()

/** One of the tables that not every request is in, in its smallest size and with what is recent, is the fold of the records. */
const assertAttributed = Effect.fnUntraced(function* (
  { dimension, groups, hasLatencies, hours: [hours = 1], name }: AttributedTable,
  records: ReadonlyArray<LedgerRecord>,
) {
  const sql = yield* SqlClient.SqlClient
  const columns = groups.join(", ")
  const recent = groups.map((group) => `${recentColumn(group)} AS ${group}`).join(", ")
  const names = [...sumNames, "latency_ms"]
  const sums = names.join(", ")
  const start = `date_bin(make_interval(hours => ${hours}), hour, timestamptz '1970-01-01Z') AS start`
  const rows = yield* sql.unsafe<Readonly<Record<string, unknown>> & { start: Date; stream: boolean }>(`
    SELECT start, stream, ${columns}, ${names.map((each) => `sum(${each})::text AS ${each}`).join(", ")},
      sum(measured)::float8 AS measured
    FROM (
      SELECT start, stream, ${columns}, ${sums}, ${
        hasLatencies ? "(SELECT coalesce(sum(b.requests), 0) FROM latency_buckets(latencies) AS b)" : "0"
      } AS measured FROM ${name} WHERE hours = ${hours}
      UNION ALL
      SELECT ${start}, stream, ${recent}, ${sums}, 0 FROM attributed_recent WHERE dimension = '${dimension}'
      UNION ALL
      SELECT ${start}, stream, ${recent}, ${names.map(() => "0").join(", ")}, requests
      FROM attributed_latency_recent WHERE dimension = '${dimension}' AND ${hasLatencies}
    ) AS both_levels
    GROUP BY start, stream, ${columns}`)
  const keyOf = (start: number, stream: boolean, values: ReadonlyArray<unknown>) =>
    JSON.stringify([new Date(start).toISOString(), stream, ...values])
  const stored = new Map(
    rows
      .map(
        (row) =>
          [
            keyOf(
              row.start.getTime(),
              row.stream,
              groups.map((group) => row[group]),
            ),
            Object.fromEntries([...names, "measured"].map((each) => [each, storedSum(each, row[each])])),
          ] as const,
      )
      .filter(([, of]) => !Object.values(of).every(isNothing)),
  )
  const sizeMs = hours * HOUR_MS
  const folded = foldUsage(records, (cell) =>
    namesOf(dimension, cell).map((of) =>
      keyOf(Math.floor(cell.startedAt / sizeMs) * sizeMs, cell.stream, [
        of,
        ...groups
          .slice(1)
          .map(
            (group) =>
              (group === "key_id" ? cell.keyId : group === "model" ? cell.model : cell.provider) ?? "",
          ),
      ]),
    ),
  )
  const expected = new Map(
    [...folded].map(([key, { latencies, ...of }]) => [
      key,
      {
        ...of,
        latency_ms: latencies.reduce((sum, ms) => sum + ms, 0),
        measured: hasLatencies ? latencies.length : 0,
      },
    ]),
  )
  assert.deepStrictEqual(stored, expected, name)
})

/** Reads a sum as `foldUsage` makes it. */
const storedSum = (name: string, sum: unknown): number | bigint =>
  name.endsWith("_nano_usd") ? BigInt(String(sum)) : Number(sum)

const isNothing = (sum: number | bigint): boolean => Number(sum) === 0

const sumNames = [
  ...["requests", "errors", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"],
  ...["cost_nano_usd", "unpriced_requests", "wasted_nano_usd", "unpriced_attempts"],
]
