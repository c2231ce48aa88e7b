import { Schema } from "effect"
import { InstantText } from "./instant-text.ts"

export const RequestRow = Schema.Struct({
  request_id: Schema.String,
  requests: Schema.Int.annotate({
    description: "Requests that the row stands for: more than one where a key was refused again and again",
  }),
  key_id: Schema.String,
  team: Schema.NullOr(Schema.String).annotate({ description: "Of the key, at the time" }),
  user: Schema.NullOr(Schema.String).annotate({ description: "The end user, where one was named" }),
  tags: Schema.Array(Schema.String),
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
  service_tier: Schema.NullOr(Schema.String).annotate({
    description: "The tier that the provider says it served; null for the usual one",
  }),
  usage_estimated: Schema.Boolean.annotate({
    description: "Tokens and cost are not (all of) the provider's own count",
  }),
  cost_usd: Schema.NullOr(Schema.Finite),
  cost_reason: Schema.NullOr(Schema.String).annotate({ description: "Why the cost is unknown" }),
  price_version: Schema.NullOr(Schema.String).annotate({
    description: "The price row behind the cost: where it was read and when, and since when it holds",
  }),
  latency_ms: Schema.Int,
  attempts: Schema.Int,
  started_at: InstantText,
  error_code: Schema.NullOr(Schema.String),
}).annotate({ identifier: "LoggedRequest" })

const Attempt = Schema.Struct({
  ordinal: Schema.Int.annotate({ description: "From 1, in the order in which they ended" }),
  provider: Schema.String,
  model: Schema.String,
  started_at: InstantText,
  latency_ms: Schema.Int,
  outcome: Schema.String.annotate({
    description:
      "success, the kind of its failure, cancelled, hedged (another attempt was sooner), lost (the gateway died) or defect",
  }),
  dispatched: Schema.NullOr(Schema.String).annotate({
    description:
      "no: the call cannot have been billed; unknown: it left; answered: something came back. null where nobody looked",
  }),
  upstream_status: Schema.NullOr(Schema.Int),
  input_tokens: Schema.NullOr(Schema.Int),
  output_tokens: Schema.NullOr(Schema.Int),
  cached_tokens: Schema.NullOr(Schema.Int),
  cache_write_tokens: Schema.NullOr(Schema.Int),
  service_tier: Schema.NullOr(Schema.String),
  usage_estimated: Schema.Boolean,
  cost_usd: Schema.NullOr(Schema.Finite),
  answered: Schema.Boolean.annotate({
    description: "It is the request's answer; what else cost something was wasted",
  }),
}).annotate({ identifier: "LoggedAttempt" })

const CostLine = Schema.Struct({
  kind: Schema.String.annotate({
    description:
      "input, cached_input, cache_write, cache_write_1h, audio_input, cached_audio_input, output, audio_output, image_output, request, web_search or file_search",
  }),
  count: Schema.Int.annotate({ description: "Tokens or calls; no token is in two lines" }),
  usd_per_1m: Schema.optionalKey(Schema.Finite).annotate({
    description: "Of tokens, without a service tier's factor",
  }),
  usd_each: Schema.optionalKey(Schema.Finite).annotate({ description: "Of calls" }),
  usd: Schema.Finite.annotate({ description: "With a service tier's factor" }),
}).annotate({ identifier: "CostLine" })

const CostProof = Schema.Struct({
  lines: Schema.NullOr(Schema.Array(CostLine)).annotate({
    description:
      "What makes up `cost_usd`; null where it is not known, where the provider reported it, and where the configuration has its price row no more",
  }),
  price: Schema.NullOr(
    Schema.Struct({
      source: Schema.String.annotate({ description: "Where the price was read" }),
      as_of: Schema.String.annotate({ description: "When" }),
      valid_from: Schema.NullOr(Schema.String).annotate({ description: "The first day on which it holds" }),
    }).annotate({ description: "The row named by `price_version`, as the configuration has it" }),
  ),
  reported_usd: Schema.NullOr(Schema.Finite).annotate({
    description: "What the provider says that the answer costs; null where it says nothing",
  }),
}).annotate({ identifier: "CostProof" })

const ratio = (description: string) => Schema.NullOr(Schema.Finite).annotate({ description })

const Prediction = Schema.Struct({
  predicted_ms: Schema.Finite.annotate({
    description: "Until the whole answer, or the first token of a stream",
  }),
  actual_ms: ratio("The same of what came; null where nothing did"),
  predicted_cost_usd: Schema.NullOr(Schema.Finite),
  actual_cost_usd: Schema.NullOr(Schema.Finite),
  predicted_output_tokens: Schema.NullOr(Schema.Finite),
  actual_output_tokens: Schema.NullOr(Schema.Int),
}).annotate({ identifier: "Prediction" })

/** All that the ledger has of one request. */
export const RequestDetail = Schema.Struct({
  request: RequestRow,
  requested_model: Schema.String,
  tokens: Schema.Struct({
    input: Schema.NullOr(Schema.Int),
    cached: Schema.NullOr(Schema.Int).annotate({ description: "Of the input, read from a cache" }),
    cache_write: Schema.NullOr(Schema.Int).annotate({ description: "Of the input, written to one" }),
    output: Schema.NullOr(Schema.Int),
    reasoning: Schema.NullOr(Schema.Int).annotate({ description: "Of the output" }),
    details: Schema.Record(Schema.String, Schema.Unknown).annotate({
      description: "What few answers have, such as audio tokens and web searches",
    }),
  }).annotate({ identifier: "LoggedTokens" }),
  raw_usage: Schema.Unknown.annotate({ description: "The provider's own counts, as they came" }),
  attempts: Schema.Array(Attempt),
  decision: Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)).annotate({
    description:
      "The routing decision, as `explain` shows it: candidates with their predictions, exclusions with reasons, how the first was chosen; null where nothing was planned",
  }),
  prediction: Schema.NullOr(Prediction).annotate({
    description: "What was predicted of the model that answered, beside what came; null where nobody did",
  }),
  cost: CostProof,
}).annotate({ identifier: "RequestDetail" })
