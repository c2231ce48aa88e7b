/** How long and in which way a page of requests is looked for. */
import { Clock, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"
import { failureCode } from "../database/failure-code.ts"
import { DAY_MS } from "../domain/TimeRange.ts"
import { kindFilters, nameFilters, outcomeFilters, quantityFilters } from "./filters.ts"
import type { RequestsQuery } from "./query.ts"
import {
  candidatesQuery,
  decodePlaces,
  lastCandidateQuery,
  type Place,
  partsOf,
  type RequestsPlace,
  requestsQuery,
  rest,
  SORTED,
  StoredRequest,
} from "./requests-query.ts"

const decodeRequests = decodeRows(StoredRequest)

/** What a page may take. */
export interface Bounds {
  /** Milliseconds of a statement that the database chose the way of; 0: none is tried. */
  readonly patienceMs: number
  /** Milliseconds after which no further part is begun. */
  readonly budgetMs: number
  /** Rows that are looked at one by one. */
  readonly candidates: number
}

const BOUNDS: Bounds = { patienceMs: 50, budgetMs: 100, candidates: 2_000 }

/** Rows of a page, one more than its limit when it is full and there is a next one. */
export interface RequestsRead {
  readonly rows: ReadonlyArray<StoredRequest>
  /** The place up to which was read of a page that is not full; undefined: to the end of the span. */
  readonly scannedTo?: Place
}

/**
 * Reads requests, newest first, from the row after `after`. A long span, and one where the filters meet on some days only, is
 * read in parts, the newest first, until the page is full.
 *
 * A single filter has an index that finds its rows in order. Where several are rare together none does, so the database has a
 * moment to find them its own way, and then a number of rows that pass one of them is looked at, and the page ends there.
 */
export const readRequests = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  place: RequestsPlace,
  filters: RequestsQuery,
  bounds = BOUNDS,
): Effect.fn.Return<RequestsRead, SqlError.SqlError> {
  const rows: Array<StoredRequest> = []
  const clock = yield* Clock.Clock
  const untilMs = clock.currentTimeMillisUnsafe() + bounds.budgetMs
  const parts = yield* partsOf(sql, rest(place), filters)
  for (const [i, range] of parts.entries()) {
    const part = { ...place, range, limit: place.limit - rows.length }
    const read = yield* readPart(sql, part, filters, bounds, untilMs)
    rows.push(...read.rows)
    if (rows.length > place.limit) break
    if (read.scannedTo !== undefined) return { rows, scannedTo: read.scannedTo }
    const isLate = clock.currentTimeMillisUnsafe() > untilMs
    if (isLate && i < parts.length - 1) return { rows, scannedTo: [range.fromMs, FIRST_ID] }
  }
  return { rows }
})

/** No id is before it. */
const FIRST_ID = "00000000-0000-0000-0000-000000000000"

const readPart = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  part: RequestsPlace,
  filters: RequestsQuery,
  bounds: Bounds,
  untilMs: number,
): Effect.fn.Return<RequestsRead, SqlError.SqlError> {
  // Planned for these very values: without the span a plan covers every partition.
  const all = decodeRequests(requestsQuery(sql, part, filters).unprepared)
  if (isFoundInOrder(sql, filters)) return { rows: yield* all }
  if (quantityFilters(sql, filters).length === 0 && bounds.patienceMs > 0) {
    const rows = yield* withinMs(sql, bounds.patienceMs, all)
    if (rows !== undefined) return { rows }
  }
  return yield* readCandidates(sql, part, filters, bounds, untilMs)
})

/** One in so many is found sooner by looking at more than in an index that has too many of them. */
const COMMON = 100

/**
 * Looks at so many rows that pass one filter, and at four times as many as long as there is time. What is known to be rare by then
 * is read from its index, where it has one.
 */
const readCandidates = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  part: RequestsPlace,
  filters: RequestsQuery,
  bounds: Bounds,
  untilMs: number,
): Effect.fn.Return<RequestsRead, SqlError.SqlError> {
  const clock = yield* Clock.Clock
  const rows: Array<StoredRequest> = []
  let { after } = part
  let looked = 0
  for (let candidates = bounds.candidates; ; candidates *= 4) {
    const startedMs = clock.currentTimeMillisUnsafe()
    const rest = { ...part, after, limit: part.limit - rows.length }
    const [last] = yield* decodePlaces(lastCandidateQuery(sql, rest, filters, candidates).unprepared)
    rows.push(...(yield* decodeRequests(candidatesQuery(sql, rest, filters, last).unprepared)))
    if (last === undefined || rows.length > part.limit) return { rows }
    after = [last.started_at.getTime(), last.id]
    looked += candidates
    if (isIndexed(filters) && rows.length * COMMON < looked && bounds.patienceMs > 0) {
      const found = yield* readIndexed(
        sql,
        { ...part, limit: part.limit - rows.length },
        filters,
        bounds.patienceMs,
        after,
        untilMs,
      )
      return { ...found, rows: [...rows, ...found.rows] }
    }
    const nowMs = clock.currentTimeMillisUnsafe()
    // The next ones take as much longer.
    if (nowMs + 4 * (nowMs - startedMs) > untilMs) return { rows, scannedTo: after }
  }
})

/** The index of quantities has those of a day, few enough to be sorted, or of twice as many days each time. */
const readIndexed = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  part: RequestsPlace,
  filters: RequestsQuery,
  patienceMs: number,
  after: Place,
  untilMs: number,
): Effect.fn.Return<RequestsRead, SqlError.SqlError> {
  const clock = yield* Clock.Clock
  const rows: Array<StoredRequest> = []
  let scannedTo = after
  for (let days = 1; clock.currentTimeMillisUnsafe() <= untilMs; days *= 2) {
    const midnightMs = Math.floor((scannedTo[0] - 1) / DAY_MS) * DAY_MS
    const fromMs = Math.max(part.range.fromMs, midnightMs - (days - 1) * DAY_MS)
    const older = {
      range: { fromMs, toMs: part.range.toMs },
      after: scannedTo,
      limit: part.limit - rows.length,
    }
    const found = yield* withinMs(
      sql,
      patienceMs,
      decodeRequests(requestsQuery(sql, older, filters, SORTED).unprepared),
    )
    if (found === undefined) break
    rows.push(...found)
    if (fromMs === part.range.fromMs || rows.length > part.limit) return { rows }
    scannedTo = [fromMs, FIRST_ID]
  }
  return { rows, scannedTo }
})

/** From here on a day has an index of quantities. */
const SLOW_MS = 10_000
const EXPENSIVE_NANO_USD = 50_000_000

const isIndexed = ({ minCostNanoUsd = 0, minLatencyMs = 0 }: RequestsQuery): boolean =>
  minLatencyMs >= SLOW_MS || minCostNanoUsd >= EXPENSIVE_NANO_USD

/** Tells whether an index has the rows in order: that of the only filter. */
const isFoundInOrder = (sql: SqlClient.SqlClient, filters: RequestsQuery): boolean =>
  quantityFilters(sql, filters).length === 0 &&
  kindFilters(sql, filters).length + nameFilters(sql, filters).length + outcomeFilters(sql, filters).length <=
    1

/** Runs a statement for so long at most; undefined: it took longer. The embedded database lets it take its time. */
const withinMs = <A>(
  sql: SqlClient.SqlClient,
  ms: number,
  statement: Effect.Effect<A, SqlError.SqlError>,
): Effect.Effect<A | undefined, SqlError.SqlError> =>
  sql`SET LOCAL statement_timeout = ${sql.literal(String(ms))}`.pipe(
    Effect.andThen(statement),
    sql.withTransaction,
    Effect.catchIf(
      (error) => failureCode(error) === CANCELED,
      () => Effect.succeed(undefined),
    ),
  )

const CANCELED = "57014"
