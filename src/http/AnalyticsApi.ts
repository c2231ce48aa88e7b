import { DateTime, Effect, Option } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Analytics, type AnalyticsError, type AnalyticsQuery } from "../analytics/Analytics.ts"
import { GatewayApi } from "../api/GatewayApi.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { requireAdmin } from "./credentials.ts"
import { answeringProblems } from "./problem.ts"
import { pageLimit } from "./query.ts"

/** Reads for operators; every number comes from rollups or an index. */
export const AnalyticsHandlers = HttpApiBuilder.group(
  GatewayApi,
  "analytics",
  Effect.fn(function* (handlers) {
    const analytics = yield* Analytics

    const read = <Query extends QueryParams, Page>(
      request: HttpServerRequest.HttpServerRequest,
      query: Query,
      list: (query: AnalyticsQuery) => Effect.Effect<Page, AnalyticsError | GatewayError>,
    ) =>
      requireAdmin(request).pipe(
        Effect.andThen(analyticsQuery(query)),
        Effect.flatMap(list),
        Effect.mapError(analyticsError),
        Effect.map((page) => HttpServerResponse.jsonUnsafe(page)),
        answeringProblems,
      )

    return handlers
      .handleRaw("usageByKey", ({ request, query }) => read(request, query, analytics.usageByKey))
      .handleRaw("usageByProvider", ({ request, query }) => read(request, query, analytics.usageByProvider))
      .handleRaw("timeseries", ({ request, query }) =>
        read(request, query, (filters) =>
          Effect.flatMap(bucketOf(query.bucket), (bucket) => analytics.timeseries({ ...filters, bucket })),
        ),
      )
      .handleRaw("requests", ({ request, query }) => read(request, query, analytics.requests))
  }),
)

interface QueryParams {
  readonly from?: string
  readonly to?: string
  readonly key_id?: string
  readonly provider?: string
  readonly model?: string
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
