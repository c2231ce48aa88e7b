import type { SqlClient, Statement } from "effect/sql"
import type { RequestRow, RequestsQuery } from "./Analytics.ts"
import type { TimeRange } from "./time-range.ts"
import { filterConditions, storedText } from "./usage-query.ts"

export interface StoredRequest extends Omit<RequestRow, "cost_usd" | "started_at"> {
  readonly cost_nano_usd: number | null
  readonly started_at: Date
}

interface RequestsPlace {
  readonly range: TimeRange
  readonly after: readonly [startedAtMs: number, id: string] | undefined
  readonly limit: number
}

/** Newest first, from the row after `after`; one row more than `limit` tells that there is a next page. */
export const requestsQuery = (
  sql: SqlClient.SqlClient,
  place: RequestsPlace,
  filters: RequestsQuery,
): Statement.Statement<StoredRequest> => {
  const { endpoint, statusClass, errorCode } = filters
  return sql<StoredRequest>`
    SELECT
      id AS request_id, key_id, endpoint, route, provider, model, status, stream, first_token_ms,
      finish_reason, input_tokens::float8 AS input_tokens, output_tokens::float8 AS output_tokens, usage_estimated,
      cost_nano_usd::float8 AS cost_nano_usd, latency_ms, attempts, started_at, error_code
    FROM requests
    WHERE ${sql.and([
      sql`started_at >= ${new Date(place.range.fromMs)}`,
      before(sql, place),
      ...filterConditions(sql, filters),
      ...(endpoint === undefined ? [] : [sql`endpoint = ${storedText(endpoint)}`]),
      ...(statusClass === undefined
        ? []
        : [sql`status BETWEEN ${statusClass * 100} AND ${statusClass * 100 + 99}`]),
      ...(errorCode === undefined ? [] : [sql`error_code = ${storedText(errorCode)}`]),
    ])}
    ORDER BY started_at DESC, id DESC
    LIMIT ${place.limit + 1}`
}

/**
 * The upper end of the span, or the last row given. Never both: an index scan would start at the upper end, and every
 * page read all pages before it again.
 */
const before = (sql: SqlClient.SqlClient, { range, after }: RequestsPlace): Statement.Fragment =>
  after === undefined
    ? sql`started_at < ${new Date(range.toMs)}`
    : sql`(started_at, id) < (${new Date(after[0])}, ${after[1]})`
