import type { SqlClient, Statement } from "effect/sql"
import type { AnalyticsQuery, RequestsQuery } from "./query.ts"

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

/** Returns the conditions of which `request_kinds` knows the days where they meet. */
export const kindFilters = (
  sql: SqlClient.SqlClient,
  filters: RequestsQuery,
): ReadonlyArray<Statement.Fragment> => [
  ...rowFilters(sql, filters),
  ...(filters.endpoint === undefined ? [] : [sql`endpoint = ${storedText(filters.endpoint)}`]),
]

/** Returns the conditions on how a request ended; failures have indexes of their own. */
export const outcomeFilters = (
  sql: SqlClient.SqlClient,
  { statusClass, errorCode }: Pick<RequestsQuery, "statusClass" | "errorCode">,
): ReadonlyArray<Statement.Fragment> => [
  ...(statusClass === undefined
    ? []
    : [sql`status BETWEEN ${statusClass * 100} AND ${statusClass * 100 + 99}`]),
  ...(errorCode === undefined ? [] : [sql`error_code = ${storedText(errorCode)}`]),
]

/** Returns text as the ledger stores it: PostgreSQL refuses NUL, and no UTF-8 encodes half a surrogate pair. */
export const storedText = (text: string): string => text.toWellFormed().replaceAll("\0", "\ufffd")
