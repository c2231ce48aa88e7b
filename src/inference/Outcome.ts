import type { Result } from "effect"
import type { Cost } from "../catalog/cost.ts"
import type { AnswerSummary, Completion } from "../domain/Chat.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { RequestId } from "../domain/Ids.ts"
import type { AttemptRecord } from "../ledger/LedgerRecord.ts"
import type { RateLimitState } from "../limits/limit.ts"
import type { Candidate, Plan } from "../routing/plan.ts"

/** A provider's answer and its cost. */
export interface Answer {
  readonly candidate: Candidate
  readonly summary: AnswerSummary
  /** Undefined when the answer was streamed. */
  readonly completion: Completion | undefined
  readonly cost: Cost
}

/** State of a request while it runs. */
export interface Progress {
  readonly requestId: RequestId
  /** The candidate that answers; undefined while that is open, and when none does. */
  readonly candidate: Candidate | undefined
  /** Upstream calls, one under way included. */
  readonly attemptCount: number
  /** Of requests, and of tokens; undefined where there is none, or it was not asked. */
  readonly rateLimit: RateLimitState | undefined
  /** Nano-dollars that are left of the budget that is nearest to its end; undefined: the request has none. */
  readonly budgetRemaining: number | undefined
  readonly tokenLimit: RateLimitState | undefined
  readonly latencyMs: number
  readonly timings: Timings
}

/** End of a request, with everything that was learned on the way. */
export interface Outcome extends Progress {
  /** Undefined answer: a dry run. */
  readonly result: Result.Result<Answer | undefined, GatewayError>
  readonly plan: Plan | undefined
  readonly attempts: ReadonlyArray<AttemptRecord>
}

/** Milliseconds of each phase, for `Server-Timing`. */
export interface Timings {
  readonly authMs: number
  readonly routeMs: number
  /** Sum over attempts. */
  readonly upstreamMs: number
}
