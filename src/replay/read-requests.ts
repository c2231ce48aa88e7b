import { Effect, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"
import type { TimeRange } from "../domain/TimeRange.ts"
import { isDropped, isWithin, type LedgerPartition, ledgerPartitions } from "../ledger/tables/partitions.ts"
import { StoredRequest } from "./logged-request.ts"

/** Requests a page: an embedded database answers others between two of them. */
const PAGE = 1_000

const decodeCounts = decodeRows(Schema.Struct({ count: Schema.Finite }))
const decodeRequests = decodeRows(StoredRequest)

const within = (sql: SqlClient.SqlClient, { fromMs, toMs }: TimeRange) =>
  sql.and([
    sql`started_at >= to_timestamp(${fromMs}::float8 / 1000)`,
    sql`started_at < to_timestamp(${toMs}::float8 / 1000)`,
    sql`decision IS NOT NULL`,
  ])

/** Counts the requests of a span that were routed. */
export const countLogged = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  span: TimeRange,
): Effect.fn.Return<number, SqlError.SqlError> {
  let sum = 0
  for (const { requests } of yield* daysOf(sql, span)) {
    const [row] = yield* decodeCounts(
      sql`SELECT count(*)::float8 AS count FROM ${sql(requests)} WHERE ${within(sql, span)}`,
    ).pipe(Effect.catchIf(isDropped, () => Effect.succeed([])))
    sum += row?.count ?? 0
  }
  return sum
})

/** Reads them in the order in which they started, a page at a time. */
export const eachPage = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  span: TimeRange,
  onPage: (rows: ReadonlyArray<StoredRequest>) => Effect.Effect<void>,
): Effect.fn.Return<void, SqlError.SqlError> {
  for (const day of yield* daysOf(sql, span)) {
    let after: StoredRequest | undefined
    while (true) {
      const rows: ReadonlyArray<StoredRequest> = yield* readPage(sql, day, span, after).pipe(
        Effect.catchIf(isDropped, () => Effect.succeed([])),
      )
      after = rows.at(-1)
      if (after === undefined) break
      yield* onPage(rows)
    }
  }
})

const daysOf = (sql: SqlClient.SqlClient, span: TimeRange) =>
  Effect.map(ledgerPartitions(sql), (days) => days.filter((day) => isWithin(day, span)))

const readPage = (
  sql: SqlClient.SqlClient,
  { attempts, requests }: LedgerPartition,
  span: TimeRange,
  after: StoredRequest | undefined,
): Effect.Effect<ReadonlyArray<StoredRequest>, SqlError.SqlError> =>
  decodeRequests(sql`
    SELECT
      id, route, started_at::text AS started, extract(epoch FROM started_at)::float8 * 1000 AS started_ms, status, error_code,
      latency_ms, first_token_ms, decision,
      (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
          'provider', attempt.provider, 'model', attempt.model, 'outcome', attempt.outcome,
          'input_tokens', attempt.input_tokens, 'output_tokens', attempt.output_tokens,
          'cached_tokens', attempt.cached_tokens, 'cache_write_tokens', attempt.cache_write_tokens,
          'service_tier', attempt.service_tier, 'reported', attempt.reported_nano_usd,
          'details', attempt.usage_details, 'cost', attempt.cost_nano_usd
        )), '[]')
        FROM ${sql(attempts)} AS attempt
        WHERE attempt.request_id = request.id
      ) AS attempts
    FROM ${sql(requests)} AS request
    WHERE ${within(sql, span)}
      AND ${after === undefined ? sql`true` : sql`(started_at, id) > (${after.started}::timestamptz, ${after.id}::uuid)`}
    ORDER BY started_at, id
    LIMIT ${PAGE}`)
