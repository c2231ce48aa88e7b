import type { SqlClient, Statement } from "effect/sql"
import type { AnalyticsQuery, AttributedQuery, RequestsQuery } from "./query.ts"

/** Returns the conditions that rollups and requests share. */
export const rowFilters = (
  sql: SqlClient.SqlClient,
  filters: Pick<AnalyticsQuery, "keyId" | "provider" | "model" | "stream">,
): ReadonlyArray<Statement.Fragment> => [
  ...(filters.keyId === undefined ? [] : [sql`key_id = ${storedText(filters.keyId)}`]),
  ...(filters.provider === undefined ? [] : [sql`provider = ${storedText(filters.provider)}`]),
  ...(filters.model === undefined ? [] : [sql`model = ${storedText(filters.model)}`]),
  ...(filters.stream === undefined ? [] : [sql`stream = ${filters.stream}`]),
]

/** Returns the conditions on a table of usage that has a column for each of them. */
export const usageFilters = (
  sql: SqlClient.SqlClient,
  filters: AttributedQuery,
): ReadonlyArray<Statement.Fragment> => [
  ...rowFilters(sql, filters),
  ...(filters.team === undefined ? [] : [sql`team = ${storedText(filters.team)}`]),
  ...(filters.user === undefined ? [] : [sql`end_user = ${storedText(filters.user)}`]),
  ...(filters.tag === undefined ? [] : [sql`tag = ${storedText(filters.tag)}`]),
  ...(filters.endpoint === undefined ? [] : [sql`endpoint = ${storedText(filters.endpoint)}`]),
]

/** Returns the conditions of which `request_kinds` knows the days where they meet. */
export const kindFilters = (
  sql: SqlClient.SqlClient,
  filters: RequestsQuery,
): ReadonlyArray<Statement.Fragment> => [
  ...rowFilters(sql, filters),
  ...(filters.endpoint === undefined ? [] : [sql`endpoint = ${storedText(filters.endpoint)}`]),
  ...(filters.team === undefined ? [] : [sql`team = ${storedText(filters.team)}`]),
]

/** Returns the conditions on whom requests are for and how they are tagged. */
export const nameFilters = (
  sql: SqlClient.SqlClient,
  { tag, user }: Pick<RequestsQuery, "tag" | "user">,
): ReadonlyArray<Statement.Fragment> => [
  ...(user === undefined ? [] : [sql`end_user = ${storedText(user)}`]),
  // The index has no rows without tags, and has to be told that none is meant.
  ...(tag === undefined ? [] : [sql`tags @> ARRAY[${storedText(tag)}]`, sql`tags <> '{}'`]),
]

/** Returns the conditions on how a request ended; failures have indexes of their own. */
export const outcomeFilters = (
  sql: SqlClient.SqlClient,
  { errorCode, status, statusClass }: Pick<RequestsQuery, "statusClass" | "status" | "errorCode">,
): ReadonlyArray<Statement.Fragment> => [
  ...(statusClass === undefined
    ? []
    : [sql`status BETWEEN ${statusClass * 100} AND ${statusClass * 100 + 99}`]),
  ...(status === undefined ? [] : [sql`status = ${status}`]),
  ...(errorCode === undefined ? [] : [sql`error_code = ${storedText(errorCode)}`]),
]

/** Returns the conditions on what a request took. */
export const quantityFilters = (
  sql: SqlClient.SqlClient,
  { minCostNanoUsd, minLatencyMs }: Pick<RequestsQuery, "minLatencyMs" | "minCostNanoUsd">,
): ReadonlyArray<Statement.Fragment> => [
  ...(minLatencyMs === undefined ? [] : [sql`latency_ms >= ${minLatencyMs}`]),
  ...(minCostNanoUsd === undefined ? [] : [sql`cost_nano_usd >= ${minCostNanoUsd}`]),
]

/** Returns text as the ledger stores it: PostgreSQL refuses NUL, and no UTF-8 encodes half a surrogate pair. */
export const storedText = (text: string): string => text.toWellFormed().replaceAll("\0", "\ufffd")
