import { Effect, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"
import { failureCode } from "../database/failure-code.ts"
import type { TimeRange } from "../domain/TimeRange.ts"
import { storedUsage } from "../ledger/stored-usage.ts"
import type { LedgerPartition } from "../ledger/tables/partitions.ts"
import {
  ATTRIBUTED_CELL,
  addedSums,
  isWasted,
  MEMBER,
  membersOf,
  ROLLUP_SUMS,
} from "../ledger/tables/rollups.ts"

/** The usage and cost of one attempt whose tokens are known. */
const StoredAttempt = Schema.Struct({
  ordinal: Schema.Finite,
  provider: Schema.String,
  model: Schema.String,
  ...storedUsage,
  input_tokens: Schema.Finite,
  output_tokens: Schema.Finite,
  cached_tokens: Schema.Finite,
  cost: Schema.NullOr(Schema.Finite),
})

/** The usage and cost of one request. */
const StoredRequest = Schema.Struct({
  id: Schema.String,
  /** Written by PostgreSQL, so that no fraction of a millisecond is lost. */
  started: Schema.String,
  started_ms: Schema.Finite,
  provider: Schema.NullOr(Schema.String),
  model: Schema.NullOr(Schema.String),
  ...storedUsage,
  cost: Schema.NullOr(Schema.Finite),
  reason: Schema.NullOr(Schema.String),
  version: Schema.NullOr(Schema.String),
  attempts: Schema.Array(StoredAttempt),
})
export type StoredRequest = typeof StoredRequest.Type

const decodeRequests = decodeRows(StoredRequest)
const decodeCounts = decodeRows(Schema.Struct({ count: Schema.Finite }))
const decodeIds = decodeRows(Schema.Struct({ id: Schema.String }))

export interface CostChange {
  readonly id: string
  readonly old_cost: number | null
  readonly cost: number | null
  readonly reason: string | null
  readonly version: string | null
}

export interface AttemptChange {
  readonly request_id: string
  readonly ordinal: number
  readonly old_cost: number | null
  readonly cost: number | null
}

const within = (sql: SqlClient.SqlClient, { fromMs, toMs }: TimeRange) =>
  sql`started_at >= to_timestamp(${fromMs}::float8 / 1000) AND started_at < to_timestamp(${toMs}::float8 / 1000)`

export const countRequests = (
  sql: SqlClient.SqlClient,
  { requests }: LedgerPartition,
  span: TimeRange,
): Effect.Effect<number, SqlError.SqlError> =>
  Effect.map(
    decodeCounts(sql`
      SELECT count(*)::float8 AS count FROM ${sql(requests)} WHERE ${within(sql, span)}`),
    ([row]) => row?.count ?? 0,
  )

/** Returns the next requests of a partition by start and id, behind `after`. */
export const readRequests = (
  sql: SqlClient.SqlClient,
  { requests, attempts }: LedgerPartition,
  span: TimeRange,
  after: StoredRequest | undefined,
  limit: number,
): Effect.Effect<ReadonlyArray<StoredRequest>, SqlError.SqlError> => {
  // Attempts from before that was stored do not say how many tokens were cached; the request says it of its last one.
  const answered = sql.literal(
    "attempt.ordinal = request.attempts AND (attempt.provider, attempt.model, attempt.input_tokens, " +
      "attempt.output_tokens) = (request.provider, request.model, request.input_tokens, request.output_tokens)",
  )
  return decodeRequests(sql`
    SELECT
      id, started_at::text AS started, extract(epoch FROM started_at)::float8 * 1000 AS started_ms, provider, model, input_tokens::float8, output_tokens::float8,
      cached_tokens::float8, cache_write_tokens::float8, service_tier, reported_nano_usd::float8 AS reported,
      usage_details AS details, cost_nano_usd::float8 AS cost, cost_reason AS reason, price_version AS version,
      (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
          'ordinal', ordinal, 'provider', attempt.provider, 'model', attempt.model,
          'input_tokens', attempt.input_tokens, 'output_tokens', attempt.output_tokens,
          'cached_tokens', cached, 'cache_write_tokens', attempt.cache_write_tokens,
          'service_tier', attempt.service_tier, 'reported', attempt.reported_nano_usd,
          'details', attempt.usage_details, 'cost', attempt.cost_nano_usd
        )), '[]')
        FROM ${sql(attempts)} AS attempt
          CROSS JOIN coalesce(attempt.cached_tokens, CASE WHEN ${answered} THEN request.cached_tokens END) AS cached
        WHERE attempt.request_id = request.id AND attempt.input_tokens IS NOT NULL
          AND attempt.output_tokens IS NOT NULL AND cached IS NOT NULL
      ) AS attempts
    FROM ${sql(requests)} AS request
    WHERE ${within(sql, span)}
      AND ${after === undefined ? sql`true` : sql`(started_at, id) > (${after.started}::timestamptz, ${after.id}::uuid)`}
    ORDER BY started_at, id
    LIMIT ${limit}`)
}

/**
 * Writes new costs and takes the same differences to the rollups: one statement, so that they agree whenever it ends
 * and however. Returns the ids of the requests whose cost was still the old one; somebody else re-priced the others
 * meanwhile, with differences of their own. Attempts are written on the same terms.
 *
 * A difference is one more row, or an addition to a row, of the table that the writer of batches adds to, and moves on
 * from there with the rest. Rows are locked in key order, as that writer locks them.
 */
export const writeCosts = (
  sql: SqlClient.SqlClient,
  { requests, attempts }: LedgerPartition,
  changes: ReadonlyArray<CostChange>,
  attemptChanges: ReadonlyArray<AttemptChange>,
): Effect.Effect<ReadonlySet<string>, SqlError.SqlError> => {
  const cell = sql.literal("hour, key_id, provider, model, stream")
  const belongs = sql.literal("hour, minute, key_id, provider, model, stream, endpoint, team, end_user, tags")
  const memberCell = sql.literal(ATTRIBUTED_CELL)
  const member = sql.literal(MEMBER)
  const sums = sql.literal(ROLLUP_SUMS.join(", "))
  const summed = sql.literal(
    ROLLUP_SUMS.map((column) => (isMoney(column) ? `sum(${column})` : "0")).join(", "),
  )
  const differs = sql.literal(MONEY_SUMS.map((column) => `sum(${column}) <> 0`).join(" OR "))
  const added = sql.literal(addedSums("rollup"))
  return Effect.map(
    decodeIds(sql`
      WITH change AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(${JSON.stringify(changes)}::jsonb) AS change (
          id uuid, old_cost bigint, cost bigint, reason text, version text
        )
        ORDER BY id
      ), updated AS (
        UPDATE ${sql(requests)} AS request
        SET cost_nano_usd = change.cost, cost_reason = change.reason, price_version = change.version
        FROM change
        WHERE request.id = change.id AND request.cost_nano_usd IS NOT DISTINCT FROM change.old_cost
        RETURNING
          request.id, date_trunc('hour', request.started_at, 'UTC') AS hour,
          date_trunc('minute', request.started_at) AS minute, request.key_id,
          coalesce(request.provider, '') AS provider, coalesce(request.model, '') AS model, request.stream,
          request.endpoint, request.team, request.end_user, request.tags, coalesce(change.cost, 0) - coalesce(change.old_cost, 0) AS difference,
          CASE
            WHEN request.provider IS NULL OR request.status NOT BETWEEN 200 AND 299 OR request.error_code IS NOT NULL
            THEN 0
            ELSE (change.cost IS NULL)::int - (change.old_cost IS NULL)::int
          END AS unpriced
      ), updated_attempts AS (
        UPDATE ${sql(attempts)} AS attempt SET cost_nano_usd = change.cost
        FROM jsonb_to_recordset(${JSON.stringify(attemptChanges)}::jsonb) AS change (
          request_id uuid, ordinal smallint, old_cost bigint, cost bigint
        ) JOIN ${sql(requests)} AS request ON request.id = change.request_id
        WHERE attempt.request_id = change.request_id AND attempt.ordinal = change.ordinal
          AND attempt.cost_nano_usd IS NOT DISTINCT FROM change.old_cost
        RETURNING
          date_trunc('hour', request.started_at, 'UTC') AS hour, date_trunc('minute', request.started_at) AS minute,
          request.key_id, attempt.provider, attempt.model,
          request.stream, request.endpoint, request.team, request.end_user, request.tags,
          CASE
            WHEN ${sql.literal(isWasted("attempt", "request"))}
            THEN coalesce(change.cost, 0) - coalesce(change.old_cost, 0)
            ELSE 0
          END AS wasted,
          CASE
            WHEN attempt.input_tokens IS NOT NULL AND ${sql.literal(isWasted("attempt", "request"))}
            THEN (change.cost IS NULL)::int - (change.old_cost IS NULL)::int
            ELSE 0
          END AS unpriced_attempts
      ), differences AS (
        SELECT ${belongs}, difference AS cost_nano_usd, unpriced AS unpriced_requests, 0 AS wasted_nano_usd, 0 AS unpriced_attempts
        FROM updated
        UNION ALL
        SELECT ${belongs}, 0, 0, wasted, unpriced_attempts FROM updated_attempts
      ), updated_usage AS (
        INSERT INTO usage_recent AS rollup (${cell}, ${sums})
        SELECT ${cell}, ${summed} FROM differences GROUP BY ${cell} HAVING ${differs} ORDER BY ${cell}
        ON CONFLICT (${cell}) DO UPDATE SET ${added}
      ), updated_minutes AS (
        INSERT INTO minute_usage AS rollup (minute, stream, ${sums}, latencies, first_tokens)
        SELECT minute, stream, ${summed}, '', '' FROM differences
        WHERE minute >= now() - interval '1 day'
        GROUP BY minute, stream
        HAVING ${differs}
        ORDER BY minute, stream
        ON CONFLICT (minute, stream) DO UPDATE SET ${added}
      ), updated_members AS (
        INSERT INTO attributed_recent AS rollup (${memberCell}, ${sums})
        SELECT hour, ${member}, stream, ${summed}
        FROM differences CROSS JOIN LATERAL ${sql.literal(
          membersOf("differences", "differences.provider", "differences.model"),
        )}
        GROUP BY hour, ${member}, stream
        HAVING ${differs}
        ORDER BY hour, ${member}, stream
        ON CONFLICT (${memberCell}) DO UPDATE SET ${added}
      )
      SELECT id FROM updated`),
    (rows) => new Set(rows.map(({ id }) => id)),
  )
}

/** Sums that another cost changes. */
const MONEY_SUMS = ["cost_nano_usd", "unpriced_requests", "wasted_nano_usd", "unpriced_attempts"] as const

const isMoney = (column: string): boolean => MONEY_SUMS.some((each) => each === column)

/** Tells whether a deadlock, a conflict or a long wait for a lock ended it: nothing was done, it may be tried again. */
export const isRolledBack = (error: SqlError.SqlError): boolean =>
  ["40P01", "40001", "55P03"].includes(failureCode(error) ?? "")
