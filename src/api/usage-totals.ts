import { Schema } from "effect"

/** The numbers of every row of usage. */
export const totals = {
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
  wasted_usd: Schema.Finite.annotate({
    description:
      "Sum of the known costs of attempts that were not the answer, in the row of the provider and model that was asked",
  }),
  unpriced_attempts: Schema.Int.annotate({
    description: "Attempts that used tokens, were not the answer, and whose cost is unknown",
  }),
  spent_usd: Schema.NullOr(Schema.Finite).annotate({
    description:
      "cost_usd and wasted_usd together; null when neither is known. It is too little where unpriced_requests or unpriced_attempts is above 0",
  }),
  avg_latency_ms: Schema.NullOr(Schema.Finite),
  p95_latency_ms: Schema.NullOr(Schema.Finite),
}
