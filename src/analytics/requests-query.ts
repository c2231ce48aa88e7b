import { Effect, Schema, Struct } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { RequestRow } from "../api/logged-request.ts"
import { decodeRows } from "../database/decode-rows.ts"
import { toUsd } from "../domain/Money.ts"
import { DAY_MS, type TimeRange } from "../domain/TimeRange.ts"
import { selectColumns } from "../ledger/columns.ts"
import { kindFilters, nameFilters, outcomeFilters, quantityFilters, storedText } from "./filters.ts"
import type { RequestsQuery } from "./query.ts"

/** Fields that clients see as they are stored. */
const shown = Struct.omit(RequestRow.fields, ["request_id", "user", "cost_usd", "started_at"])

const selected = selectColumns([...Struct.keys(shown), "end_user", "cost_nano_usd", "started_at"])

export const StoredRequest = Schema.Struct({
  ...shown,
  request_id: Schema.String,
  end_user: Schema.NullOr(Schema.String),
  cost_nano_usd: Schema.NullOr(Schema.Finite),
  started_at: Schema.Date,
})
export type StoredRequest = typeof StoredRequest.Type

/** Returns a request as clients see it. */
export const requestRow = ({
  cost_nano_usd,
  end_user,
  started_at,
  ...row
}: StoredRequest): typeof RequestRow.Type => ({
  ...row,
  user: end_user,
  cost_usd: cost_nano_usd === null ? null : toUsd(cost_nano_usd),
  started_at: started_at.toISOString(),
})

const decodePartitions = decodeRows(Schema.Struct({ fromMs: Schema.Finite, toMs: Schema.Finite }))

export interface RequestsPlace {
  readonly range: TimeRange
  readonly after: Place | undefined
  readonly limit: number
}

/** Partitions of a statement at most: it locks each and all its indexes, and the server's table of locks is finite. */
const MAX_PARTITIONS = 32

export type Place = readonly [startedAtMs: number, id: string]

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
export const rest = ({ range, after }: RequestsPlace): TimeRange =>
  after === undefined ? range : { fromMs: range.fromMs, toMs: Math.min(range.toMs, after[0] + 1) }

/** Returns the conditions on a page's place. */
const placeFilters = (sql: SqlClient.SqlClient, place: RequestsPlace): ReadonlyArray<Statement.Fragment> => {
  const { fromMs, toMs } = rest(place)
  return [
    sql`started_at >= ${new Date(fromMs)}`,
    sql`started_at < ${new Date(toMs)}`,
    ...(place.after === undefined
      ? []
      : [sql`(started_at, id) < (${new Date(place.after[0])}, ${place.after[1]})`]),
  ]
}

const allFilters = (sql: SqlClient.SqlClient, filters: RequestsQuery): ReadonlyArray<Statement.Fragment> => [
  ...kindFilters(sql, filters),
  ...nameFilters(sql, filters),
  ...outcomeFilters(sql, filters),
  ...quantityFilters(sql, filters),
]

/** Returns the filter that leaves fewest rows, as far as that can be told by what it is about. */
const narrowest = ({
  endpoint,
  errorCode,
  keyId,
  model,
  provider,
  status,
  statusClass,
  stream,
  team,
  user,
}: RequestsQuery): RequestsQuery => {
  if (user !== undefined) return { user }
  if (errorCode !== undefined) return { errorCode }
  if (status !== undefined && status >= 400) return { status }
  if (statusClass !== undefined && statusClass >= 4) return { statusClass }
  if (keyId !== undefined) return { keyId }
  if (team !== undefined) return { team }
  if (model !== undefined) return { model }
  if (provider !== undefined) return { provider }
  return endpoint === undefined ? { stream } : { endpoint }
}

const IN_ORDER = "ORDER BY started_at DESC, id DESC"
/** The same, of which the database does not see that an index has it. */
export const SORTED = "ORDER BY started_at + interval '0' DESC, id DESC"

export const decodePlaces = decodeRows(Schema.Struct({ started_at: Schema.Date, id: Schema.String }))

/** Finds the last of so many rows that pass the narrowest filter; none: there are fewer. */
export const lastCandidateQuery = (
  sql: SqlClient.SqlClient,
  place: RequestsPlace,
  filters: RequestsQuery,
  candidates: number,
): Statement.Statement<unknown> => sql`
  SELECT started_at, id FROM requests
  WHERE ${sql.and([...placeFilters(sql, place), ...allFilters(sql, narrowest(filters))])}
  ${sql.literal(IN_ORDER)}
  OFFSET ${candidates - 1} LIMIT 1`

/** Reads those of them, up to the last one, that pass all filters. */
export const candidatesQuery = (
  sql: SqlClient.SqlClient,
  place: RequestsPlace,
  filters: RequestsQuery,
  last: { readonly started_at: Date; readonly id: string } | undefined,
): Statement.Statement<unknown> => sql`
  SELECT id AS request_id, ${sql.literal(selected)}
  FROM (
    SELECT * FROM requests
    WHERE ${sql.and([
      ...placeFilters(sql, place),
      ...allFilters(sql, narrowest(filters)),
      ...(last === undefined
        ? []
        : [sql`started_at >= ${last.started_at}`, sql`(started_at, id) >= (${last.started_at}, ${last.id})`]),
    ])}
    ${sql.literal(IN_ORDER)}
    OFFSET 0
  ) AS candidate
  WHERE ${sql.and([sql`true`, ...allFilters(sql, filters)])}
  ${sql.literal(IN_ORDER)}
  LIMIT ${place.limit + 1}`

export const requestsQuery = (
  sql: SqlClient.SqlClient,
  place: RequestsPlace,
  filters: RequestsQuery,
  order = IN_ORDER,
): Statement.Statement<unknown> => sql`
  SELECT id AS request_id, ${sql.literal(selected)}
  FROM requests
  WHERE ${sql.and([...placeFilters(sql, place), ...allFilters(sql, filters)])}
  ${sql.literal(order)}
  LIMIT ${place.limit + 1}`
