import { Clock, Context, Data, Effect, Layer, Option } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type * as Api from "../api/AnalyticsApi.ts"
import { answerWithin } from "../database/answer-within.ts"
import { failureCode } from "../database/failure-code.ts"
import { DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT } from "../domain/bounds.ts"
import { toUsd } from "../domain/Money.ts"
import type { TimeRange } from "../domain/TimeRange.ts"
import { calibrationQuery, decodeCalibration, recentOf, type StoredCalibration } from "./calibration-query.ts"
import {
  type CursorCodec,
  calibrationCursor,
  keyCursor,
  providerCursor,
  requestCursor,
  timeCursor,
} from "./cursor.ts"
import { storedText } from "./filters.ts"
import type { AnalyticsQuery, Page, RequestsQuery } from "./query.ts"
import { readRequests } from "./requests-query.ts"
import { storedHistogram } from "./stored-histogram.ts"
import { type Bucket, inBuckets, timeRange } from "./time-range.ts"
import { decodeUsage, type StoredSums, usageQuery } from "./usage-query.ts"
import { usageTotals } from "./usage-totals.ts"

const QUERY_TIMEOUT = "10 seconds"

export type { AnalyticsQuery, Page, RequestsQuery } from "./query.ts"

type UsageByKey = typeof Api.UsageByKey.Type
type UsageByProvider = typeof Api.UsageByProvider.Type
/** Usage of a bucket of time; one in which nothing was counted has no row. */
type UsageInTime = typeof Api.TimeseriesRow.Type
type Calibration = typeof Api.Calibration.Type
export type RequestRow = typeof Api.RequestRow.Type

/** Error of a database that did not answer, or not in time: the kind and its code, no message. */
export class AnalyticsUnavailable extends Data.TaggedError("AnalyticsUnavailable")<{
  readonly reason: SqlError.SqlError["reason"]["_tag"]
  readonly code: string | undefined
}> {}
class InvalidCursor extends Data.TaggedError("InvalidCursor") {}
/** Error of a span that is empty, backwards or outside the years 1970 to 9999. */
class InvalidRange extends Data.TaggedError("InvalidRange") {}

export type AnalyticsError = AnalyticsUnavailable | InvalidCursor | InvalidRange

/** Reads what the ledger wrote: usage from the hourly rollups, single requests through their indexes. */
export class Analytics extends Context.Service<
  Analytics,
  {
    /** Lists usage in order of `key_id`. */
    readonly usageByKey: (query: AnalyticsQuery) => Effect.Effect<Page<UsageByKey>, AnalyticsError>
    /** Lists usage in order of `provider`, `model`. */
    readonly usageByProvider: (query: AnalyticsQuery) => Effect.Effect<Page<UsageByProvider>, AnalyticsError>
    /** Lists usage in order of `start`. */
    readonly timeseries: (
      query: AnalyticsQuery & { readonly bucket: Bucket },
    ) => Effect.Effect<Page<UsageInTime>, AnalyticsError>
    /** Lists how predictions compare with what came, in order of `provider`, `model`, `mode`: of the newest requests. */
    readonly calibration: (query: AnalyticsQuery) => Effect.Effect<Page<Calibration>, AnalyticsError>
    /** Lists requests, newest first. */
    readonly requests: (query: RequestsQuery) => Effect.Effect<Page<RequestRow>, AnalyticsError>
  }
>()("gateway/analytics/Analytics") {
  static readonly layer = Layer.effect(
    Analytics,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const usageByKey = Effect.fn("Analytics.usageByKey")(function* (query: AnalyticsQuery) {
        const place = yield* placeOf(query, keyCursor, "hour")
        const after = place.after && sql`key_id > ${storedText(place.after[0])}`
        const rows = yield* answered(
          decodeUsage.key(usageQuery(sql, { ...place, grouping: "key", bucket: "hour", after })),
        )
        return page(rows, place, {
          row: (row): UsageByKey => ({ key_id: row.key_id, key_name: row.key_name, ...totals(row) }),
          cursor: (row) => keyCursor.encode(place.range, [row.key_id]),
        })
      })

      const usageByProvider = Effect.fn("Analytics.usageByProvider")(function* (query: AnalyticsQuery) {
        const place = yield* placeOf(query, providerCursor, "hour")
        const after =
          place.after &&
          sql`(provider, model) > (${storedText(place.after[0])}, ${storedText(place.after[1])})`
        const rows = yield* answered(
          decodeUsage.provider(usageQuery(sql, { ...place, grouping: "provider", bucket: "hour", after })),
        )
        return page(rows, place, {
          row: (row): UsageByProvider => ({ provider: row.provider, model: row.model, ...totals(row) }),
          cursor: (row) => providerCursor.encode(place.range, [row.provider, row.model]),
        })
      })

      const timeseries = Effect.fn("Analytics.timeseries")(function* (
        query: AnalyticsQuery & { readonly bucket: Bucket },
      ) {
        const { bucket } = query
        const place = yield* placeOf(query, timeCursor, bucket)
        const after = place.after && sql`start > ${new Date(place.after[0])}`
        const rows = yield* answered(
          decodeUsage.time(usageQuery(sql, { ...place, grouping: "time", bucket, after })),
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
        const rows = yield* answered(readRequests(sql, place, query))
        return page(rows, place, {
          row: ({ cost_nano_usd, started_at, ...row }): RequestRow => ({
            ...row,
            cost_usd: cost_nano_usd === null ? null : toUsd(cost_nano_usd),
            started_at: started_at.toISOString(),
          }),
          cursor: (row) => requestCursor.encode(place.range, [row.started_at.getTime(), row.request_id]),
        })
      })

      return Analytics.of({ usageByKey, usageByProvider, timeseries, calibration, requests })
    }),
  )
}

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
  readonly filters: AnalyticsQuery
  readonly range: TimeRange
  readonly after: Key | undefined
  readonly limit: number
}

const placeOf = Effect.fnUntraced(function* <Key>(
  query: AnalyticsQuery,
  codec: CursorCodec<Key>,
  bucket: Bucket | undefined,
): Effect.fn.Return<Place<Key>, InvalidCursor | InvalidRange> {
  const limit = Math.min(Math.max(1, query.limit ?? DEFAULT_PAGE_LIMIT), MAX_PAGE_LIMIT)
  if (query.cursor !== undefined) {
    const cursor = codec.decode(query.cursor)
    if (Option.isNone(cursor)) return yield* new InvalidCursor()
    const { fromMs, toMs, after } = cursor.value
    return { filters: query, range: { fromMs, toMs }, after, limit }
  }
  const range = timeRange(query, yield* Clock.currentTimeMillis)
  if (range === undefined) return yield* new InvalidRange()
  return { filters: query, range: bucket ? inBuckets(range, bucket) : range, after: undefined, limit }
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

const answered = <Row>(
  query: Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>,
): Effect.Effect<ReadonlyArray<Row>, AnalyticsUnavailable> =>
  query.pipe(
    answerWithin(QUERY_TIMEOUT),
    Effect.mapError(
      (error) => new AnalyticsUnavailable({ reason: error.reason._tag, code: failureCode(error) }),
    ),
  )
