import { Data } from "effect"

/** What is counted: requests and tokens of a minute, or requests in flight. */
type LimitKind = "requests" | "tokens" | "concurrency"
/** Whose: a key's, a team's, or everybody's at one model. */
type LimitScope = "key" | "team" | "model"

/** How much one subject may have of something. */
export interface Limit {
  readonly kind: LimitKind
  readonly scope: LimitScope
  /** A key's id, a team's name, or `provider/model`. */
  readonly subject: string
  readonly limit: number
  /** The same for all replicas, and for every value of `limit`. */
  readonly name: string
}

export const makeLimit = (kind: LimitKind, scope: LimitScope, subject: string, limit: number): Limit => ({
  kind,
  scope,
  subject,
  limit,
  name: `${kind}:${scope}:${subject}`,
})

/** Where a subject stands, as far as this replica knows; for header fields. */
export interface RateLimitState {
  readonly limit: number
  readonly remaining: number
  /** Milliseconds until nothing of it is in use; of requests in flight 0. */
  readonly resetMs: number
}

export class RateLimited extends Data.TaggedError("RateLimited")<{
  readonly limit: Limit
  readonly state: RateLimitState
  /** What was asked for: 1, or tokens. More than the limit never passes. */
  readonly wanted: number
  /** Milliseconds after which the next request succeeds, if no other comes before it. */
  readonly retryAfterMs: number
}> {
  get isFinal(): boolean {
    return this.wanted > this.limit.limit
  }
}
