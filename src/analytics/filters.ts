import type { SqlClient, Statement } from "effect/sql"
import type { AnalyticsQuery } from "./Analytics.ts"

/** Equality filters, shared by rollups and requests. */
export const rowFilters = (
  sql: SqlClient.SqlClient,
  filters: Pick<AnalyticsQuery, "keyId" | "provider" | "model" | "stream">,
): ReadonlyArray<Statement.Fragment> => [
  ...(filters.keyId === undefined ? [] : [sql`key_id = ${storedText(filters.keyId)}`]),
  ...(filters.provider === undefined ? [] : [sql`provider = ${storedText(filters.provider)}`]),
  ...(filters.model === undefined ? [] : [sql`model = ${storedText(filters.model)}`]),
  ...(filters.stream === undefined ? [] : [sql`stream = ${filters.stream}`]),
]

/** As the ledger stores text: PostgreSQL refuses NUL, and no UTF-8 encodes half a surrogate pair. */
export const storedText = (text: string): string => text.toWellFormed().replaceAll("\0", "\ufffd")
