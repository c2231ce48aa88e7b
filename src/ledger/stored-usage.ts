import { Schema } from "effect"
import { makeUsage, type Usage } from "../domain/Usage.ts"

/** The columns of a request or an attempt that decide its cost, by the names that queries give them. */
export const storedUsage = {
  input_tokens: Schema.NullOr(Schema.Finite),
  output_tokens: Schema.NullOr(Schema.Finite),
  cached_tokens: Schema.NullOr(Schema.Finite),
  cache_write_tokens: Schema.NullOr(Schema.Finite),
  service_tier: Schema.NullOr(Schema.String),
  /** `reported_nano_usd`. */
  reported: Schema.NullOr(Schema.Finite),
  /** `usage_details`. */
  details: Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)),
} as const
const StoredUsage = Schema.Struct(storedUsage)

/** Reads a stored usage; null where it was not counted. */
export const readStoredUsage = (stored: typeof StoredUsage.Type): Usage | null =>
  makeUsage({
    inputTokens: stored.input_tokens,
    outputTokens: stored.output_tokens,
    cachedTokens: stored.cached_tokens,
    cacheWriteTokens: stored.cache_write_tokens,
    serviceTier: stored.service_tier,
    details: stored.details ?? undefined,
    reportedNanoUsd: stored.reported,
  })
