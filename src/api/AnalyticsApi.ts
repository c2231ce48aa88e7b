import { Effect, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { errorCatalogue } from "../domain/GatewayError.ts"
import { instant } from "../domain/Instant.ts"
import { AdminAuth } from "./AdminAuth.ts"
import { amountFromText, booleanFromText, choiceFromText, integerFromText, queryOf } from "./from-text.ts"
import { InstantText } from "./instant-text.ts"
import { RequestDetail, RequestRow } from "./logged-request.ts"
import { Overview } from "./overview.ts"
import { problem } from "./Problem.ts"
import { nextCursor, pageParameters } from "./paging.ts"
import { SchemaErrors } from "./RequestChecks.ts"
import { line } from "./shapes.ts"
import { totals } from "./usage-totals.ts"

const text = (description: string) => Schema.optionalKey(line.annotate({ description }))

const filterParameters = {
  from: Schema.optionalKey(
    instant({
      description: "An instant or a UTC day, inclusive; 24 hours before `to` when absent",
      examples: ["2026-11-23T00:00:00Z"],
    }),
  ),
  to: Schema.optionalKey(
    instant({
      description: "An instant or a UTC day, exclusive; now when absent",
      examples: ["2026-11-24T00:00:00+01:00"],
    }),
  ),
  key_id: text("Id of one API key"),
  provider: text("Name of one provider"),
  model: text("Name of one model, as its provider calls it"),
  stream: Schema.optionalKey(
    booleanFromText({ description: "true for streamed answers alone, false for whole ones" }),
  ),
}

const usageParameters = { ...filterParameters, ...pageParameters }

/** Query of the usage per key and per provider. */
export const UsageParameters = queryOf(usageParameters)

/** What requests belong to. */
const attributedParameters = {
  team: text("Name of one team"),
  user: text("One end user"),
  tag: text("One tag"),
  endpoint: text("Path, e.g. /v1/chat/completions"),
}

/** Query of the overview. */
const OverviewParameters = queryOf({ ...filterParameters, ...attributedParameters })

const GROUPINGS = "Expected key, team, user, tag, provider, model or endpoint"

/** Query of the usage by any grouping. */
const GroupedParameters = queryOf({
  ...usageParameters,
  ...attributedParameters,
  group_by: Schema.Literals(["key", "team", "user", "tag", "provider", "model", "endpoint"])
    .annotate({ message: GROUPINGS, examples: ["team"] })
    .annotateKey({ messageMissingKey: GROUPINGS }),
})

/** Query of the usage over time. */
const TimeseriesParameters = queryOf({
  ...usageParameters,
  ...attributedParameters,
  bucket: Schema.Literals(["hour", "day"])
    .annotate({ message: "Expected hour or day", default: "hour" })
    .pipe(Schema.withDecodingDefaultKey(Effect.succeed("hour" as const))),
})

// `Object.keys` forgets which keys; the catalogue is not empty.
const errorCodes = Object.keys(errorCatalogue) as [keyof typeof errorCatalogue]

/** Query of single requests. */
const RequestsParameters = queryOf({
  ...usageParameters,
  ...attributedParameters,
  status_class: Schema.optionalKey(
    choiceFromText([2, 4, 5], { description: "First digit of the status, e.g. 5" }),
  ),
  status: Schema.optionalKey(
    integerFromText({ minimum: 100, maximum: 599, description: "The status that the client was answered" }),
  ),
  min_latency_ms: Schema.optionalKey(
    integerFromText({
      minimum: 0,
      maximum: 2 ** 31 - 1,
      description: "Requests that took as long, or longer",
    }),
  ),
  min_cost_usd: Schema.optionalKey(
    amountFromText({ maximum: 1_000_000, description: "Requests that are known to cost as much, or more" }),
  ),
  error_code: Schema.optionalKey(
    Schema.Literals(errorCodes).annotate({
      message: "Expected a code of docs/errors.md",
      description: "Code of the error that the client was answered",
    }),
  ),
})

const pageFields = <S extends Schema.Top>(row: S) => ({
  data: Schema.Array(row),
  from: InstantText,
  to: InstantText,
  next_cursor: nextCursor,
})

const page = <S extends Schema.Top>(row: S) => Schema.Struct(pageFields(row))

export const Usage = Schema.Struct({
  key_id: Schema.optionalKey(Schema.String).annotate({ description: "By key" }),
  key_name: Schema.optionalKey(Schema.NullOr(Schema.String)).annotate({ description: "By key" }),
  team: Schema.optionalKey(Schema.String).annotate({ description: "By team" }),
  user: Schema.optionalKey(Schema.String).annotate({ description: "By user" }),
  tag: Schema.optionalKey(Schema.String).annotate({ description: "By tag" }),
  provider: Schema.optionalKey(Schema.String).annotate({
    description: "By provider and by model; empty for requests that nobody answered",
  }),
  model: Schema.optionalKey(Schema.String).annotate({ description: "By model" }),
  endpoint: Schema.optionalKey(Schema.String).annotate({ description: "By endpoint" }),
  ...totals,
}).annotate({ identifier: "Usage" })

export const UsageByKey = Schema.Struct({
  key_id: Schema.String,
  key_name: Schema.NullOr(Schema.String),
  ...totals,
}).annotate({ identifier: "UsageByKey" })

export const UsageByProvider = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  ...totals,
}).annotate({ identifier: "UsageByProvider" })

export const TimeseriesRow = Schema.Struct({
  start: InstantText,
  bucket: Schema.Literals(["hour", "day"]),
  ...totals,
}).annotate({ identifier: "UsageOverTime" })

const ratio = (description: string) => Schema.NullOr(Schema.Finite).annotate({ description })

export const Calibration = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  mode: Schema.Literals(["whole", "stream"]),
  requests: Schema.Int.annotate({
    description: "Requests that were sent to it first and that it answered at the first attempt",
  }),
  time_bias: ratio(
    "Mean of actual to predicted time, until the whole answer or the first token: 1 is right, 2 is twice as slow",
  ),
  time_p50_error: ratio("Half of the times are off by no more than this share of the prediction"),
  time_p90_error: ratio("The same of nine in ten"),
  cost_bias: ratio("Mean of actual to predicted cost; null where one of them is unknown"),
  cost_p50_error: ratio("Half of the costs are off by no more than this share of the prediction"),
  cost_p90_error: ratio("The same of nine in ten"),
}).annotate({ identifier: "Calibration" })

const error = [problem(500), problem(503)]

export class AnalyticsApi extends HttpApiGroup.make("analytics")
  .add(
    HttpApiEndpoint.get("overview", "/analytics/overview", {
      query: OverviewParameters,
      success: Overview,
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "A span at a glance",
        description:
          "Totals, what has ended beside as long a time before, usage over time, who spent most, and all that was ever counted. Up to " +
          "three hours of the last day are known by minutes where nothing but `stream` is asked for; all else is in whole " +
          "hours, or days. Fields that no rollup knows together are refused.",
      }),
    ),
    HttpApiEndpoint.get("usage", "/analytics/usage", {
      query: GroupedParameters,
      success: page(Usage),
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Usage by one thing, whole hours or days",
        description:
          "A request with two tags counts in both. Requests without a team, a user or a tag are in no row of that " +
          "grouping. Users, and tags beside a provider or a model, are known by whole UTC days and without " +
          "percentiles. Fields that no rollup knows together are refused.",
      }),
    ),
    HttpApiEndpoint.get("usageByKey", "/analytics/usage-by-key", {
      query: UsageParameters,
      success: page(UsageByKey),
      error,
    }).annotateMerge(OpenApi.annotations({ summary: "Usage per API key, whole hours" })),
    HttpApiEndpoint.get("usageByProvider", "/analytics/usage-by-provider", {
      query: UsageParameters,
      success: page(UsageByProvider),
      error,
    }).annotateMerge(OpenApi.annotations({ summary: "Usage per provider and model, whole hours" })),
    HttpApiEndpoint.get("timeseries", "/analytics/timeseries", {
      query: TimeseriesParameters,
      success: page(TimeseriesRow),
      error,
    }).annotateMerge(OpenApi.annotations({ summary: "Usage over time" })),
    HttpApiEndpoint.get("calibration", "/analytics/calibration", {
      query: UsageParameters,
      success: page(Calibration),
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Predictions of routing beside what came",
        description:
          "Of the newest 50,000 answers in the span, and of its last 31 days at most: `from` says where that begins.",
      }),
    ),
    HttpApiEndpoint.get("requests", "/analytics/requests", {
      query: RequestsParameters,
      success: Schema.Struct({
        ...pageFields(RequestRow),
        scanned_to: Schema.NullOr(InstantText).annotate({
          description:
            "Set where the page ends before it is full: back to when was looked, as no question may take long; `next_cursor` goes on from there",
        }),
      }),
      error,
    }).annotateMerge(OpenApi.annotations({ summary: "Single requests, newest first" })),
    HttpApiEndpoint.get("request", "/analytics/requests/:id", {
      params: { id: Schema.String.annotate({ description: "A request's id, as `x-request-id` has it" }) },
      success: RequestDetail,
      error: [problem(404), ...error],
    }).annotateMerge(
      OpenApi.annotations({
        summary: "One request in full",
        description:
          "Its attempts, its routing decision, and what it cost line by line. No prompt is stored.",
      }),
    ),
  )
  .middleware(SchemaErrors)
  .middleware(AdminAuth)
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotateMerge(
    OpenApi.annotations({ title: "Analytics", description: "Authenticated by an admin token" }),
  ) {}
