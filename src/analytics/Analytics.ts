import { Clock, Context, Data, Effect, Layer, Option } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type * as Api from "../api/AnalyticsApi.ts"
import type { RequestRow as LoggedRequest } from "../api/logged-request.ts"
import type { Overview } from "../api/overview.ts"
import { answerWithin } from "../database/answer-within.ts"
import { failureCode } from "../database/failure-code.ts"
import { DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT } from "../domain/bounds.ts"
import type { TimeRange } from "../domain/TimeRange.ts"
import { calibrationQuery, decodeCalibration, recentOf, type StoredCalibration } from "./calibration-query.ts"
import {
  type CursorCodec,
  calibrationCursor,
  keyCursor,
  providerCursor,
  requestCursor,
  timeCursor,
  usageCursors,
} from "./cursor.ts"
import { readLastUsed } from "./last-used-query.ts"
import { readOverview } from "./overview.ts"
import type {
  AnalyticsQuery,
  AttributedQuery,
  OverviewQuery,
  Page,
  RequestsQuery,
  ScannedPage,
  UsageGrouping,
} from "./query.ts"
import { readRequests } from "./read-requests.ts"
import { type RequestInFull, readRequest } from "./request-query.ts"
import { requestRow } from "./requests-query.ts"
import { storedHistogram } from "./stored-histogram.ts"
import { type Bucket, hoursOf, inBuckets, timeRange } from "./time-range.ts"
import {
  decodeTimes,
  decodeUsage,
  type StoredSums,
  type StoredUsage,
  tableFor,
  usageQuery,
} from "./usage-query.ts"
import { usageTotals } from "./usage-totals.ts"

export type { RequestInFull } from "./request-query.ts"

const QUERY_TIMEOUT = "10 seconds"

export type {
  AnalyticsQuery,
  AttributedQuery,
  OverviewQuery,
  Page,
  RequestsQuery,
  UsageGrouping,
} from "./query.ts"

type Usage = typeof Api.Usage.Type
type UsageByKey = typeof Api.UsageByKey.Type
type UsageByProvider = typeof Api.UsageByProvider.Type
/** Usage of a bucket of time; one in which nothing was counted has no row. */
type UsageInTime = typeof Api.TimeseriesRow.Type
type Calibration = typeof Api.Calibration.Type
export type RequestRow = typeof LoggedRequest.Type

/** Error of a database that did not answer, or not in time: the kind and its code, no message. */
export class AnalyticsUnavailable extends Data.TaggedError("AnalyticsUnavailable")<{
  readonly reason: SqlError.SqlError["reason"]["_tag"]
  readonly code: string | undefined
}> {}
class InvalidCursor extends Data.TaggedError("InvalidCursor") {}
/** Error of a span that is empty, backwards or outside the years 1970 to 9999. */
class InvalidRange extends Data.TaggedError("InvalidRange") {}

/** Error of usage that no rollup knows by all of these fields at once, or with a bucket by days alone. */
export class NoRollup extends Data.TaggedError("NoRollup")<{
  readonly parts: ReadonlyArray<string>
  readonly bucket?: "day"
}> {}

export type AnalyticsError = AnalyticsUnavailable | InvalidCursor | InvalidRange | NoRollup

/** Reads what the ledger wrote: usage from the hourly rollups, single requests through their indexes. */
export class Analytics extends Context.Service<
  Analytics,
  {
    /** Sums up a span, the one before it and all that was ever counted. */
    readonly overview: (query: OverviewQuery) => Effect.Effect<typeof Overview.Type, AnalyticsError>
    /** Lists usage in order of what it is grouped by: of a day, if no hours of that are known. */
    readonly usage: (
      query: AttributedQuery & { readonly groupBy: UsageGrouping },
    ) => Effect.Effect<Page<Usage>, AnalyticsError>
    /** Lists usage in order of `key_id`. */
    readonly usageByKey: (query: AnalyticsQuery) => Effect.Effect<Page<UsageByKey>, AnalyticsError>
    /** Lists usage in order of `provider`, `model`. */
    readonly usageByProvider: (query: AnalyticsQuery) => Effect.Effect<Page<UsageByProvider>, AnalyticsError>
    /** Lists usage in order of `start`. */
    readonly timeseries: (
      query: AttributedQuery & { readonly bucket: Bucket },
    ) => Effect.Effect<Page<UsageInTime>, AnalyticsError>
    /** Lists how predictions compare with what came, in order of `provider`, `model`, `mode`: of the newest requests. */
    readonly calibration: (query: AnalyticsQuery) => Effect.Effect<Page<Calibration>, AnalyticsError>
    /** Lists requests, newest first. */
    readonly requests: (query: RequestsQuery) => Effect.Effect<ScannedPage<RequestRow>, AnalyticsError>
    /** Returns when keys were last used, of those that were in the last 31 days. */
    readonly lastUsed: (
      keyIds: ReadonlyArray<string>,
    ) => Effect.Effect<ReadonlyMap<string, Date>, AnalyticsUnavailable>
    /** Reads one request; undefined: the ledger has none with this id. */
    readonly request: (id: string) => Effect.Effect<RequestInFull | undefined, AnalyticsUnavailable>
  }
>()("gateway/analytics/Analytics") {
  static readonly layer = Layer.effect(
    Analytics,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const overview = Effect.fn("Analytics.overview")(function* (filters: OverviewQuery) {
        const table = tableFor("time", filters)
        if (table === undefined) return yield* new NoRollup({ parts: partsOf(filters) })
        const nowMs = yield* Clock.currentTimeMillis
        const range = timeRange(filters, nowMs)
        if (range === undefined) return yield* new InvalidRange()
        return yield* answered(readOverview(sql, { table, range, filters, nowMs }))
      })

      /** Reads a page of usage, each row of which `rowOf` writes. */
      const grouped = Effect.fnUntraced(function* <Row>(
        query: AttributedQuery,
        groupBy: UsageGrouping,
        codec: CursorCodec<ReadonlyArray<string>>,
        rowOf: (row: StoredUsage) => Row,
      ) {
        const table = tableFor(groupBy, query)
        if (table === undefined) return yield* new NoRollup({ parts: partsOf(query, groupBy) })
        const bucket = table.hours.includes(1) ? "hour" : "day"
        const place = yield* placeOf(query, codec, bucket)
        const rows = yield* answered(
          decodeUsage(usageQuery(sql, { ...place, table, grouping: groupBy, bucket })),
        )
        return page(rows, place, {
          row: rowOf,
          cursor: (row) => codec.encode(place.range, placeIn(groupBy, row)),
        })
      })

      const usage = Effect.fn("Analytics.usage")(
        (query: AttributedQuery & { readonly groupBy: UsageGrouping }) =>
          grouped(
            query,
            query.groupBy,
            usageCursors[query.groupBy],
            (row): Usage => ({ ...namesOf(query.groupBy, row), ...totals(row) }),
          ),
      )

      const usageByKey = Effect.fn("Analytics.usageByKey")((query: AnalyticsQuery) =>
        grouped(
          query,
          "key",
          keyCursor,
          (row): UsageByKey => ({
            key_id: row.key_id ?? "",
            key_name: row.key_name ?? null,
            ...totals(row),
          }),
        ),
      )

      const usageByProvider = Effect.fn("Analytics.usageByProvider")((query: AnalyticsQuery) =>
        grouped(
          query,
          "model",
          providerCursor,
          (row): UsageByProvider => ({
            provider: row.provider ?? "",
            model: row.model ?? "",
            ...totals(row),
          }),
        ),
      )

      const timeseries = Effect.fn("Analytics.timeseries")(function* (
        query: AttributedQuery & { readonly bucket: Bucket },
      ) {
        const { bucket } = query
        const table = tableFor("time", query)
        if (table?.hours.includes(hoursOf[bucket]) !== true) {
          return yield* new NoRollup({
            parts: partsOf(query),
            ...(table !== undefined && { bucket: "day" as const }),
          })
        }
        const place = yield* placeOf(query, timeCursor, bucket)
        const rows = yield* answered(
          decodeTimes(usageQuery(sql, { ...place, table, grouping: "time", bucket })),
        )
        return page(rows, place, {
          row: (row): UsageInTime => ({ start: row.start.toISOString(), bucket, ...totals(row) }),
          cursor: (row) => timeCursor.encode(place.range, [row.start.getTime()]),
        })
      })

      const calibration = Effect.fn("Analytics.calibration")(function* (query: AnalyticsQuery) {
        const asked = yield* placeOf(query, calibrationCursor, undefined)
        const place = { ...asked, range: recentOf(asked.range) }
        const rows = yield* answered(decodeCalibration(calibrationQuery(sql, place).unprepared))
        return page(rows, place, {
          row: calibrationRow,
          cursor: (row) => calibrationCursor.encode(place.range, [row.provider, row.model, row.stream]),
        })
      })

      const requests = Effect.fn("Analytics.requests")(function* (query: RequestsQuery) {
        const place = yield* placeOf(query, requestCursor, undefined)
        const { rows, scannedTo } = yield* answered(readRequests(sql, place, query))
        const full = page(rows, place, {
          row: requestRow,
          cursor: (row) => requestCursor.encode(place.range, [row.started_at.getTime(), row.request_id]),
        })
        return scannedTo === undefined
          ? { ...full, scanned_to: null }
          : {
              ...full,
              next_cursor: requestCursor.encode(place.range, scannedTo),
              scanned_to: new Date(scannedTo[0]).toISOString(),
            }
      })

      const lastUsed = Effect.fn("Analytics.lastUsed")(function* (keyIds: ReadonlyArray<string>) {
        return yield* answered(readLastUsed(sql, keyIds, yield* Clock.currentTimeMillis))
      })

      const request = Effect.fn("Analytics.request")((id: string) => answered(readRequest(sql, id)))

      return Analytics.of({
        overview,
        usage,
        usageByKey,
        usageByProvider,
        timeseries,
        calibration,
        requests,
        request,
        lastUsed,
      })
    }),
  )
}

/** The fields of the wire that a listing is grouped and filtered by. */
const partsOf = (
  { endpoint, keyId, model, provider, tag, team, user }: AttributedQuery,
  groupBy?: UsageGrouping,
): ReadonlyArray<string> => {
  const filters = { key_id: keyId, team, user, tag, provider, model, endpoint }
  return [
    ...(groupBy === undefined ? [] : ["group_by"]),
    ...Object.entries(filters).flatMap(([name, value]) => (value === undefined ? [] : name)),
  ]
}

/** What a row is known by, under the wire's names. */
const namesOf = (groupBy: UsageGrouping, row: StoredUsage) => {
  switch (groupBy) {
    case "key":
      return { key_id: row.key_id ?? "", key_name: row.key_name ?? null }
    case "team":
      return { team: row.team ?? "" }
    case "user":
      return { user: row.end_user ?? "" }
    case "tag":
      return { tag: row.tag ?? "" }
    case "provider":
      return { provider: row.provider ?? "" }
    case "model":
      return { provider: row.provider ?? "", model: row.model ?? "" }
    case "endpoint":
      return { endpoint: row.endpoint ?? "" }
  }
}

/** The row's place among the others: what it is known by, but for the name of a key. */
const placeIn = (groupBy: UsageGrouping, row: StoredUsage): ReadonlyArray<string> =>
  groupBy === "key" ? [row.key_id ?? ""] : Object.values(namesOf(groupBy, row)).map(String)

const totals = (row: StoredSums) => usageTotals({ ...row, histogram: storedHistogram(row.latencies) })

const thousandths = (n: number | null): number | null => (n === null ? null : Math.round(n * 1000) / 1000)

const calibrationRow = (row: StoredCalibration): Calibration => ({
  provider: row.provider,
  model: row.model,
  mode: row.stream ? "stream" : "whole",
  requests: row.requests,
  time_bias: thousandths(row.time_bias),
  time_p50_error: thousandths(row.time_p50),
  time_p90_error: thousandths(row.time_p90),
  cost_bias: thousandths(row.cost_bias),
  cost_p50_error: thousandths(row.cost_p50),
  cost_p90_error: thousandths(row.cost_p90),
})

/** A page's place in its listing. */
interface Place<Key> {
  readonly filters: AttributedQuery
  readonly range: TimeRange
  readonly after: Key | undefined
  readonly limit: number
}

const placeOf = Effect.fnUntraced(function* <Key>(
  query: AnalyticsQuery,
  codec: CursorCodec<Key>,
  bucket: Bucket | undefined,
): Effect.fn.Return<Place<Key>, InvalidCursor | InvalidRange> {
  // Cursors are anybody's text, too.
  const whole = ({ fromMs, toMs }: TimeRange) =>
    bucket ? inBuckets({ fromMs, toMs }, bucket) : { fromMs, toMs }
  const limit = Math.min(Math.max(1, query.limit ?? DEFAULT_PAGE_LIMIT), MAX_PAGE_LIMIT)
  if (query.cursor !== undefined) {
    const cursor = codec.decode(query.cursor)
    if (Option.isNone(cursor)) return yield* new InvalidCursor()
    const { after, ...range } = cursor.value
    return { filters: query, range: whole(range), after, limit }
  }
  const range = timeRange(query, yield* Clock.currentTimeMillis)
  if (range === undefined) return yield* new InvalidRange()
  return { filters: query, range: whole(range), after: undefined, limit }
})

/** Makes a page of rows, which are one more than its limit when there is a next one. */
const page = <Row, Out>(
  rows: ReadonlyArray<Row>,
  { range, limit }: Place<unknown>,
  to: { readonly row: (row: Row) => Out; readonly cursor: (last: Row) => string },
): Page<Out> => {
  const last = rows.length > limit ? rows[limit - 1] : undefined
  return {
    data: rows.slice(0, limit).map(to.row),
    from: new Date(range.fromMs).toISOString(),
    to: new Date(range.toMs).toISOString(),
    next_cursor: last === undefined ? null : to.cursor(last),
  }
}

const answered = <A>(query: Effect.Effect<A, SqlError.SqlError>): Effect.Effect<A, AnalyticsUnavailable> =>
  query.pipe(
    answerWithin(QUERY_TIMEOUT),
    Effect.mapError(
      (error) => new AnalyticsUnavailable({ reason: error.reason._tag, code: failureCode(error) }),
    ),
  )
