import { Schema } from "effect"
import { InstantText } from "./instant-text.ts"
import { totals } from "./usage-totals.ts"

const { avg_latency_ms: _avg, p95_latency_ms: _p95, ...sums } = totals

const OverviewTotals = Schema.Struct({
  ...totals,
  error_share: Schema.NullOr(Schema.Finite).annotate({
    description: "errors of requests, 0 to 1; null where there were none",
  }),
  p50_latency_ms: Schema.NullOr(Schema.Finite),
  p50_first_token_ms: Schema.NullOr(Schema.Finite).annotate({
    description:
      "Until streamed answers said something; null where none did, and with filters other than provider and model",
  }),
  p95_first_token_ms: Schema.NullOr(Schema.Finite),
}).annotate({ identifier: "OverviewTotals" })

const Period = Schema.Struct({ from: InstantText, to: InstantText, totals: OverviewTotals })

const top = <Fields extends Schema.Struct.Fields>(identifier: string, fields: Fields) =>
  Schema.NullOr(
    Schema.Struct({
      from: InstantText,
      to: InstantText,
      data: Schema.Array(Schema.Struct({ ...fields, ...sums }).annotate({ identifier })),
    }),
  )

/** What a page that shows everything at a glance asks for. */
export const Overview = Schema.Struct({
  from: InstantText,
  to: InstantText,
  totals: OverviewTotals,
  compared: Schema.Struct({ ended: Period, before: Period }).annotate({
    description:
      "What of the span has ended, in whole parts of `bucket`, and as long a time right before the span; both are empty where no part has ended",
  }),
  bucket: Schema.Literals(["minute", "hour", "day"]).annotate({
    description: "The size of each part of `series`, and what the span is in whole parts of",
  }),
  series: Schema.Array(Schema.Struct({ start: InstantText, ...OverviewTotals.fields })).annotate({
    description: "In order of time; a part in which nothing was counted has no row",
  }),
  top: Schema.Struct({
    models: top("TopModel", { provider: Schema.String, model: Schema.String }),
    providers: top("TopProvider", { provider: Schema.String }),
    keys: top("TopKey", { key_id: Schema.String, key_name: Schema.NullOr(Schema.String) }),
    teams: top("TopTeam", { team: Schema.String }),
  }).annotate({
    description:
      "Of whole hours or days, from `from` to `to`. Ten of each at most, who spent most first; null where no sums are kept by it together with the filters",
  }),
  ever: Schema.Struct(sums).annotate({ description: "All that was ever counted and passes the filters" }),
}).annotate({ identifier: "Overview" })
