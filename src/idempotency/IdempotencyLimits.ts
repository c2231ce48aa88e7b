import { Context } from "effect"

/**
 * Every duration and size of the idempotency room. A reference, so that a test can shorten them.
 *
 * A lease outlives two failed renewals. Waiting for another replica ends well before clients time out, and then asks
 * them to come back rather than holding a connection for as long as a model may take. A ready answer waits to be
 * stored for as long as PostgreSQL needs to restart, with time for two tries that hang, and well within what is left
 * of a lease that was renewed in time.
 */
export const IdempotencyLimits = Context.Reference<{
  /** Time that a crashed owner blocks its key. */
  readonly leaseMs: number
  readonly renewEveryMs: number
  /** Pause before a failed renewal or a failed store of an answer is tried again. */
  readonly retryEveryMs: number
  /** Waiting for a run in another process: how often to look, and when to give up; also on room for a large answer. */
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
  /** The same for storing an answer that is ready: giving up sooner helps nobody. */
  readonly storeStatementMs: number
  /** Time that a ready answer waits to be stored, over all tries; then it goes out all the same. */
  readonly deliverAnywayMs: number
  /** Larger answers are delivered once and not stored. */
  readonly maxStoredBytes: number
  /** Bytes of all streams under way together, shared by keys as `SharedPot` says; what exceeds it is not stored. */
  readonly maxReplayBytes: number
  /**
   * Keyed runs in this process at once, shared by keys as `SharedPot` says; they outlive their clients, so no connection
   * bounds them.
   */
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
    storeStatementMs: 4_000,
    deliverAnywayMs: 10_000,
    maxStoredBytes: 4 * 1024 * 1024,
    maxReplayBytes: 128 * 1024 * 1024,
    drainMs: 25_000,
  }),
})
