import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { problem } from "./Problem.ts"

const Instant = Schema.String.annotate({ description: "ISO 8601 instant, e.g. 2026-11-23T00:00:00Z" })

/** Every query parameter of the usage per key and per provider; anything else is refused. */
export const usageParameters = {
  from: Schema.optionalKey(Instant),
  to: Schema.optionalKey(Instant),
  key_id: Schema.optionalKey(Schema.String),
  provider: Schema.optionalKey(Schema.String),
  model: Schema.optionalKey(Schema.String),
  stream: Schema.optionalKey(
    Schema.String.annotate({ description: "true for streamed answers alone, false for whole ones" }),
  ),
  limit: Schema.optionalKey(
    Schema.String.annotate({ description: "Rows per page, 1 to 1000; 100 by default" }),
  ),
  cursor: Schema.optionalKey(Schema.String.annotate({ description: "`next_cursor` of the previous page" })),
}

export const timeseriesParameters = {
  ...usageParameters,
  bucket: Schema.optionalKey(Schema.String.annotate({ description: "hour or day" })),
}

export const requestsParameters = {
  ...usageParameters,
  endpoint: Schema.optionalKey(Schema.String.annotate({ description: "Path, e.g. /v1/chat/completions" })),
}

const totals = {
  requests: Schema.Int,
  errors: Schema.Int,
  input_tokens: Schema.Int,
  output_tokens: Schema.Int,
  cached_tokens: Schema.Int,
  reasoning_tokens: Schema.Int,
  cost_usd: Schema.NullOr(Schema.Finite).annotate({
    description: "Sum of the known costs; null when none is known",
  }),
  unpriced_requests: Schema.Int.annotate({ description: "Successes whose cost is unknown" }),
  avg_latency_ms: Schema.NullOr(Schema.Finite),
  p95_latency_ms: Schema.NullOr(Schema.Finite),
}

const page = <S extends Schema.Top>(row: S) =>
  Schema.Struct({
    data: Schema.Array(row),
    from: Schema.String,
    to: Schema.String,
    next_cursor: Schema.NullOr(Schema.String),
  })

export const UsageByKey = Schema.Struct({
  key_id: Schema.String,
  key_name: Schema.NullOr(Schema.String),
  ...totals,
})
export const UsageByProvider = Schema.Struct({ provider: Schema.String, model: Schema.String, ...totals })
export const TimeseriesRow = Schema.Struct({
  start: Schema.String,
  bucket: Schema.Literals(["hour", "day"]),
  ...totals,
})
export const RequestRow = Schema.Struct({
  request_id: Schema.String,
  key_id: Schema.String,
  endpoint: Schema.String,
  route: Schema.NullOr(Schema.String),
  provider: Schema.NullOr(Schema.String),
  model: Schema.NullOr(Schema.String),
  status: Schema.Int,
  stream: Schema.Boolean,
  first_token_ms: Schema.NullOr(Schema.Int).annotate({
    description: "Until a streamed answer said something; null for whole answers",
  }),
  finish_reason: Schema.NullOr(Schema.String),
  input_tokens: Schema.NullOr(Schema.Int),
  output_tokens: Schema.NullOr(Schema.Int),
  usage_estimated: Schema.Boolean.annotate({
    description: "Tokens and cost are not (all of) the provider's own count",
  }),
  cost_usd: Schema.NullOr(Schema.Finite),
  latency_ms: Schema.Int,
  attempts: Schema.Int,
  started_at: Schema.String,
  error_code: Schema.NullOr(Schema.String),
})

const error = [400, 401, 500, 503].map(problem)

export class AnalyticsApi extends HttpApiGroup.make("analytics")
  .add(
    HttpApiEndpoint.get("usageByKey", "/analytics/usage-by-key", {
      query: usageParameters,
      success: page(UsageByKey),
      error,
    }).annotateMerge(OpenApi.annotations({ summary: "Usage per API key, whole hours" })),
    HttpApiEndpoint.get("usageByProvider", "/analytics/usage-by-provider", {
      query: usageParameters,
      success: page(UsageByProvider),
      error,
    }).annotateMerge(OpenApi.annotations({ summary: "Usage per provider and model, whole hours" })),
    HttpApiEndpoint.get("timeseries", "/analytics/timeseries", {
      query: timeseriesParameters,
      success: page(TimeseriesRow),
      error,
    }).annotateMerge(OpenApi.annotations({ summary: "Usage over time" })),
    HttpApiEndpoint.get("requests", "/analytics/requests", {
      query: requestsParameters,
      success: page(RequestRow),
      error,
    }).annotateMerge(OpenApi.annotations({ summary: "Single requests, newest first" })),
  )
  .annotateMerge(OpenApi.annotations({ title: "Analytics", description: "Authenticated by an admin JWT" })) {}
