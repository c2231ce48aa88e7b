import { Clock, DateTime, Effect, Schema } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import {
  Analytics,
  type AnalyticsError,
  type AnalyticsQuery,
  type AnalyticsUnavailable,
  type AttributedQuery,
} from "../analytics/Analytics.ts"
import type { UsageParameters } from "../api/AnalyticsApi.ts"
import { AdminApi } from "../api/GatewayApi.ts"
import { Settings } from "../config/Settings.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { fromUsd } from "../domain/Money.ts"
import { answeringErrors } from "./error-response.ts"
import { requestDetail } from "./request-detail.ts"
import { requestIdOf } from "./request-id.ts"

/** Milliseconds between two log lines: dashboards ask again and again while the database is away. */
const LOG_INTERVAL_MS = 10_000

/** Reads for operators; every number comes from rollups or an index, or from so many rows at most. */
export const AnalyticsHandlers = HttpApiBuilder.group(
  AdminApi,
  "analytics",
  Effect.fn(function* (handlers) {
    const analytics = yield* Analytics
    const settings = yield* Settings
    let lastLogMs = Number.NEGATIVE_INFINITY

    const logUnavailable = Effect.fnUntraced(function* ({ reason, code }: AnalyticsUnavailable) {
      const nowMs = yield* Clock.currentTimeMillis
      if (nowMs - lastLogMs < LOG_INTERVAL_MS) return
      lastLogMs = nowMs
      yield* Effect.annotateLogs(Effect.logWarning("Analytics could not be read"), {
        request_id: requestIdOf(yield* HttpServerRequest.HttpServerRequest),
        reason,
        ...(code !== undefined && { code }),
      })
    })

    const answer = <Page>(page: Effect.Effect<Page, AnalyticsError | GatewayError>) =>
      page.pipe(
        Effect.tapErrorTag("AnalyticsUnavailable", logUnavailable),
        Effect.mapError(analyticsError),
        answeringErrors,
      )

    return handlers.handleAll({
      overview: ({ query }) => answer(analytics.overview({ ...filters(query), ...belonging(query) })),
      usage: ({ query }) =>
        answer(analytics.usage({ ...filters(query), ...belonging(query), groupBy: query.group_by })),
      usageByKey: ({ query }) => answer(analytics.usageByKey(filters(query))),
      usageByProvider: ({ query }) => answer(analytics.usageByProvider(filters(query))),
      timeseries: ({ query }) =>
        answer(analytics.timeseries({ ...filters(query), ...belonging(query), bucket: query.bucket })),
      calibration: ({ query }) => answer(analytics.calibration(filters(query))),
      request: ({ params: { id } }) =>
        answer(
          Effect.flatMap(isUuid(id) ? analytics.request(id) : Effect.undefined, (read) =>
            read === undefined
              ? Effect.fail(new GatewayError({ code: "request_not_found", detail: NOT_FOUND }))
              : Effect.succeed(requestDetail(read, settings.gateway.providers)),
          ),
        ),
      requests: ({ query }) =>
        answer(
          analytics.requests({
            ...filters(query),
            ...belonging(query),
            statusClass: query.status_class,
            status: query.status,
            errorCode: query.error_code,
            minLatencyMs: query.min_latency_ms,
            minCostNanoUsd: query.min_cost_usd && fromUsd(query.min_cost_usd),
          }),
        ),
    })
  }),
)

const NOT_FOUND =
  "The ledger has no request with this id: it never was, is not written yet, or is older than what is kept."

const isUuid = Schema.is(Schema.String.check(Schema.isUUID()))

const filters = (query: Partial<typeof UsageParameters.Type>): AnalyticsQuery => ({
  fromMs: query.from && DateTime.toEpochMillis(query.from),
  toMs: query.to && DateTime.toEpochMillis(query.to),
  keyId: query.key_id,
  provider: query.provider,
  model: query.model,
  stream: query.stream,
  limit: query.limit,
  cursor: query.cursor,
})

const belonging = ({
  endpoint,
  tag,
  team,
  user,
}: {
  readonly team?: string
  readonly user?: string
  readonly tag?: string
  readonly endpoint?: string
}): Pick<AttributedQuery, "team" | "user" | "tag" | "endpoint"> => ({ team, user, tag, endpoint })

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
    case "NoRollup": {
      const [param = "group_by", ...others] = error.parts.toReversed()
      return error.bucket === undefined
        ? wrong(
            param,
            `No sums are kept by it together with ${others.join(" and ")}; /analytics/requests lists single requests`,
          )
        : wrong("bucket", `Expected day with ${error.parts.join(" and ")}`)
    }
    case "AnalyticsUnavailable":
      return new GatewayError({
        code: "database_unavailable",
        detail: "The database did not answer in time. Retry shortly.",
      })
  }
}
