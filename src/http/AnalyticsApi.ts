import { Clock, DateTime, Effect, Option } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import {
  Analytics,
  type AnalyticsError,
  type AnalyticsQuery,
  type AnalyticsUnavailable,
} from "../analytics/Analytics.ts"
import { requestsParameters, timeseriesParameters, usageParameters } from "../api/AnalyticsApi.ts"
import { AdminApi } from "../api/GatewayApi.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { requireAdmin } from "./credentials.ts"
import { answeringErrors } from "./error-response.ts"
import { pageLimit } from "./query.ts"
import { requestIdOf } from "./request-id.ts"

/** Dashboards ask again and again while the database is away. */
const LOG_INTERVAL_MS = 10_000

/** Reads for operators; every number comes from rollups or an index. */
export const AnalyticsHandlers = HttpApiBuilder.group(
  AdminApi,
  "analytics",
  Effect.fn(function* (handlers) {
    const analytics = yield* Analytics
    let lastLogMs = Number.NEGATIVE_INFINITY

    const logUnavailable = Effect.fnUntraced(function* (
      request: HttpServerRequest.HttpServerRequest,
      { reason, code }: AnalyticsUnavailable,
    ) {
      const nowMs = yield* Clock.currentTimeMillis
      if (nowMs - lastLogMs < LOG_INTERVAL_MS) return
      lastLogMs = nowMs
      yield* Effect.annotateLogs(Effect.logWarning("Analytics could not be read"), {
        request_id: requestIdOf(request),
        reason,
        ...(code !== undefined && { code }),
      })
    })

    const read = <Query extends QueryParams, Page>(
      request: HttpServerRequest.HttpServerRequest,
      parameters: object,
      query: Query,
      list: (query: AnalyticsQuery) => Effect.Effect<Page, AnalyticsError | GatewayError>,
    ) =>
      requireAdmin(request).pipe(
        Effect.andThen(onlyKnown(Object.keys(parameters))),
        Effect.andThen(analyticsQuery(query)),
        Effect.flatMap(list),
        Effect.tapError((error) =>
          error._tag === "AnalyticsUnavailable" ? logUnavailable(request, error) : Effect.void,
        ),
        Effect.mapError(analyticsError),
        Effect.map((page) => HttpServerResponse.jsonUnsafe(page)),
        answeringErrors,
      )

    return handlers
      .handleRaw("usageByKey", ({ request, query }) =>
        read(request, usageParameters, query, analytics.usageByKey),
      )
      .handleRaw("usageByProvider", ({ request, query }) =>
        read(request, usageParameters, query, analytics.usageByProvider),
      )
      .handleRaw("timeseries", ({ request, query }) =>
        read(request, timeseriesParameters, query, (filters) =>
          Effect.flatMap(bucketOf(query.bucket), (bucket) => analytics.timeseries({ ...filters, bucket })),
        ),
      )
      .handleRaw("requests", ({ request, query }) =>
        read(request, requestsParameters, query, (filters) =>
          analytics.requests({ ...filters, endpoint: query.endpoint }),
        ),
      )
  }),
)

/** Ignoring a misspelt filter would answer another question than was asked. */
const onlyKnown = Effect.fnUntraced(function* (known: ReadonlyArray<string>) {
  const asked = yield* HttpServerRequest.ParsedSearchParams
  const unknown = Object.keys(asked).find((name) => !known.includes(name))
  if (unknown !== undefined) {
    return yield* wrong(unknown, `Unknown parameter; known are ${known.join(", ")}`)
  }
})

interface QueryParams {
  readonly from?: string
  readonly to?: string
  readonly key_id?: string
  readonly provider?: string
  readonly model?: string
  readonly stream?: string
  readonly limit?: string
  readonly cursor?: string
}

const analyticsQuery = Effect.fnUntraced(function* (query: QueryParams) {
  const filters: AnalyticsQuery = {
    fromMs: yield* instant("from", query.from),
    toMs: yield* instant("to", query.to),
    keyId: query.key_id,
    provider: query.provider,
    model: query.model,
    stream: yield* streamOf(query.stream),
    limit: yield* pageLimit(query.limit),
    cursor: query.cursor,
  }
  return filters
})

/** With a zone: an instant without one would mean something else on every machine. */
const ISO_INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})$/

const instant = (
  param: string,
  text: string | undefined,
): Effect.Effect<number | undefined, GatewayError> => {
  if (text === undefined) return Effect.undefined
  const parsed = ISO_INSTANT.test(text) ? DateTime.make(text) : Option.none()
  return Option.isSome(parsed)
    ? Effect.succeed(DateTime.toEpochMillis(parsed.value))
    : Effect.fail(wrong(param, "Expected an ISO 8601 instant such as 2026-11-23T00:00:00Z"))
}

const streamOf = (text: string | undefined): Effect.Effect<boolean | undefined, GatewayError> => {
  if (text === undefined) return Effect.undefined
  return text === "true" || text === "false"
    ? Effect.succeed(text === "true")
    : Effect.fail(wrong("stream", "Expected true or false"))
}

const bucketOf = (text: string | undefined): Effect.Effect<"hour" | "day", GatewayError> =>
  text === undefined || text === "hour" || text === "day"
    ? Effect.succeed(text ?? "hour")
    : Effect.fail(wrong("bucket", "Expected hour or day"))

const wrong = (param: string, rule: string) =>
  new GatewayError({ code: "invalid_request", param, detail: `${param}: ${rule}.` })

const analyticsError = (error: AnalyticsError | GatewayError): GatewayError => {
  switch (error._tag) {
    case "GatewayError":
      return error
    case "InvalidCursor":
      return wrong("cursor", "Expected next_cursor of a page of this listing")
    case "InvalidRange":
      return wrong("from", "Expected an instant before `to`")
    case "AnalyticsUnavailable":
      return new GatewayError({
        code: "database_unavailable",
        detail: "The database did not answer in time. Retry shortly.",
      })
  }
}
