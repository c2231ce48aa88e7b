import { Effect, Schema, Struct } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import { RequestRow } from "../api/AnalyticsApi.ts"
import { decodeRows } from "../database/decode-rows.ts"
import { DAY_MS, type TimeRange } from "../domain/TimeRange.ts"
import { selectColumns } from "../ledger/columns.ts"
import { kindFilters, nameFilters, outcomeFilters, storedText } from "./filters.ts"
import type { RequestsQuery } from "./query.ts"

/** Fields that clients see as they are stored. */
const shown = Struct.omit(RequestRow.fields, ["request_id", "user", "cost_usd", "started_at"])

const selected = selectColumns([...Struct.keys(shown), "end_user", "cost_nano_usd", "started_at"])

const StoredRequest = Schema.Struct({
  ...shown,
  request_id: Schema.String,
  end_user: Schema.NullOr(Schema.String),
  cost_nano_usd: Schema.NullOr(Schema.Finite),
  started_at: Schema.Date,
})
type StoredRequest = typeof StoredRequest.Type

const decodeRequests = decodeRows(StoredRequest)

const decodePartitions = decodeRows(Schema.Struct({ fromMs: Schema.Finite, toMs: Schema.Finite }))

interface RequestsPlace {
  readonly range: TimeRange
  readonly after: readonly [startedAtMs: number, id: string] | undefined
  readonly limit: number
}

/** Partitions of a statement at most: it locks each and all its indexes, and the server's table of locks is finite. */
const MAX_PARTITIONS = 32

/**
 * Reads requests, newest first, from the row after `after`; one row more than `limit` tells that there is a next page.
 * A long span, and one where the filters meet on some days only, is read in parts, the newest first, until the page is
 * full.
 */
export const readRequests = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  place: RequestsPlace,
  filters: RequestsQuery,
): Effect.fn.Return<ReadonlyArray<StoredRequest>, SqlError.SqlError> {
  const rows: Array<StoredRequest> = []
  for (const range of yield* partsOf(sql, rest(place), filters)) {
    const part = { ...place, range, limit: place.limit - rows.length }
    // Planned for these very values: without the span a plan covers every partition.
    rows.push(...(yield* decodeRequests(requestsQuery(sql, part, filters).unprepared)))
    if (rows.length > place.limit) break
  }
  return rows
})

/**
 * Returns the parts of a span to read, newest first. A single filter has an index that finds its rows or finds none;
 * several are found by the index of one, which can be every row of a month for a combination that never occurs. So the
 * days where it does are looked up first.
 */
export const partsOf = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  range: TimeRange,
  filters: RequestsQuery,
) {
  const combined = kindFilters(sql, filters)
  const short = range.toMs - range.fromMs < (MAX_PARTITIONS - 1) * DAY_MS
  const { tag, team, user } = filters
  const belongs = team !== undefined || user !== undefined || tag !== undefined
  if (short && combined.length < 2 && !belongs) return [range]
  const occurrences = sql`
    SELECT FROM request_kinds
    WHERE ${sql.and([sql`day = (lower AT TIME ZONE 'UTC')::date`, ...combined])}`
  const partitions = yield* decodePartitions(sql`
    SELECT
      coalesce((extract(epoch FROM lower) * 1000)::float8, 0) AS "fromMs",
      (extract(epoch FROM upper) * 1000)::float8 AS "toMs"
    FROM ledger_partitions
    WHERE ${sql.and([
      sql`upper > ${new Date(range.fromMs)}`,
      sql`coalesce(lower < ${new Date(range.toMs)}, true)`,
      ...(combined.length === 0 ? [] : [sql`(lower IS NULL OR EXISTS (${occurrences}))`]),
      ...(user === undefined ? [] : [occursOn(sql, "user", user)]),
      ...(tag === undefined ? [] : [occursOn(sql, "tag", tag)]),
    ])}
    ORDER BY upper DESC`)
  const parts: Array<{ fromMs: number; toMs: number; partitions: number }> = []
  for (const { fromMs, toMs } of partitions) {
    const newer = parts.at(-1)
    if (newer !== undefined && newer.fromMs === toMs && newer.partitions < MAX_PARTITIONS) {
      newer.fromMs = fromMs
      newer.partitions += 1
    } else parts.push({ fromMs, toMs, partitions: 1 })
  }
  return parts.map(({ fromMs, toMs }) => ({
    fromMs: Math.max(fromMs, range.fromMs),
    toMs: Math.min(toMs, range.toMs),
  }))
})

/** Returns SQL for whether usage of a user or a tag is known on the day of a partition; each partition of before may have some. */
const occursOn = (sql: SqlClient.SqlClient, dimension: "user" | "tag", name: string) => {
  const table = sql.literal(dimension === "user" ? "user_usage" : "tag_usage")
  const column = sql.literal(dimension === "user" ? "end_user" : "tag")
  return sql`(
    lower IS NULL
    OR EXISTS (
      SELECT FROM ${table}
      WHERE hours = 24 AND start = lower AND stream = ANY ('{t,f}') AND ${column} = ${storedText(name)}
    )
    OR EXISTS (
      SELECT FROM attributed_recent
      WHERE hour = ANY (ARRAY(SELECT lower + make_interval(hours => i) FROM generate_series(0, 23) AS i))
        AND dimension = ${sql.literal(`'${dimension}'`)} AND name = ${storedText(name)}
    )
  )`
}

/** Returns the span from `after` on: an index scan from its upper end would read all pages before again. */
const rest = ({ range, after }: RequestsPlace): TimeRange =>
  after === undefined ? range : { fromMs: range.fromMs, toMs: Math.min(range.toMs, after[0] + 1) }

export const requestsQuery = (
  sql: SqlClient.SqlClient,
  place: RequestsPlace,
  filters: RequestsQuery,
): Statement.Statement<unknown> => {
  const { fromMs, toMs } = rest(place)
  return sql`
    SELECT id AS request_id, ${sql.literal(selected)}
    FROM requests
    WHERE ${sql.and([
      sql`started_at >= ${new Date(fromMs)}`,
      sql`started_at < ${new Date(toMs)}`,
      ...(place.after === undefined
        ? []
        : [sql`(started_at, id) < (${new Date(place.after[0])}, ${place.after[1]})`]),
      ...kindFilters(sql, filters),
      ...nameFilters(sql, filters),
      ...outcomeFilters(sql, filters),
    ])}
    ORDER BY started_at DESC, id DESC
    LIMIT ${place.limit + 1}`
}
