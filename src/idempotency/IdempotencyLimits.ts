import { Context } from "effect"

/**
 * Every duration and size of the idempotency room. A reference, so that a test can shorten them.
 *
 * A lease outlives two failed renewals. Waiting for another replica ends well before clients time out, and then asks
 * them to come back rather than holding a connection for as long as a model may take.
 */
export const IdempotencyLimits = Context.Reference<{
  /** Time that a crashed owner blocks its key. */
  readonly leaseMs: number
  readonly renewEveryMs: number
  /** Pause before a failed renewal or a failed store of an answer is tried again. */
  readonly retryEveryMs: number
  /** Waiting for a run in another process: how often to look, and when to give up. */
  readonly pollEveryMs: number
  readonly waitMs: number
  /** Wait that a client is told of before it asks again. */
  readonly retryAfterMs: number
  /** Time that an answer is replayed, from the claim on. */
  readonly expireMs: number
  readonly cleanupEveryMs: number
  readonly cleanupBatch: number
  /** No answer of the database within this time counts as none. */
  readonly statementMs: number
  /** Larger answers are delivered once and not stored. */
  readonly maxStoredBytes: number
  /** Bytes of all streams under way together; what exceeds it is delivered once and not stored. */
  readonly maxReplayBytes: number
  /** Keyed runs in this process at once; they outlive their clients, so no connection bounds them. */
  readonly maxRunning: number
  /** Time that a stopping process waits for running work. */
  readonly drainMs: number
}>("gateway/idempotency/IdempotencyLimits", {
  defaultValue: () => ({
    leaseMs: 30_000,
    renewEveryMs: 10_000,
    retryEveryMs: 1_000,
    pollEveryMs: 200,
    waitMs: 5_000,
    retryAfterMs: 1_000,
    expireMs: 24 * 60 * 60 * 1000,
    cleanupEveryMs: 5 * 60 * 1000,
    cleanupBatch: 500,
    maxRunning: 500,
    statementMs: 1_500,
    maxStoredBytes: 4 * 1024 * 1024,
    maxReplayBytes: 128 * 1024 * 1024,
    drainMs: 25_000,
  }),
})
