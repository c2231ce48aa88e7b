import type { Effect, Result } from "effect"
import type { Principal } from "../auth/Principal.ts"
import type { CallMode, ChatRequest, Completion } from "../domain/Chat.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { RequestId } from "../domain/Ids.ts"
import type { StoredResponse } from "../idempotency/Idempotency.ts"
import type { AttemptRecord } from "../ledger/LedgerRecord.ts"
import type { RateLimitState } from "../limits/RateLimits.ts"
import type { Cost } from "../pricing/cost.ts"
import type { Candidate, Plan } from "../routing/plan.ts"

/** One client request as a route sees it: how its credential and body are read and how an outcome is written. */
export interface Exchange {
  readonly requestId: RequestId
  /** Path template, e.g. `/infer`. */
  readonly endpoint: string
  readonly credential: Effect.Effect<string, GatewayError>
  /** Reads and checks the body; runs only for an authenticated client. */
  readonly call: Effect.Effect<Call, GatewayError>
  readonly write: (settled: Settled) => StoredResponse
}

/** What the client asks for, understood. */
export interface Call {
  readonly requestedModel: string
  readonly request: ChatRequest
  readonly mode: CallMode
  /** Plan only: no upstream call, no ledger row. */
  readonly dryRun: boolean
  /** Add the routing decision to the answer. */
  readonly explain: boolean
  readonly idempotency: { readonly key: string; readonly fingerprint: Uint8Array } | undefined
}

/** A provider's answer and what it cost. */
export interface Answer {
  readonly candidate: Candidate
  readonly completion: Completion
  readonly cost: Cost
}

/** How a request ended, with everything that was learned on the way. */
export interface Settled {
  readonly requestId: RequestId
  readonly principal: Principal
  readonly call: Call
  /** Undefined answer: a dry run. */
  readonly result: Result.Result<Answer | undefined, GatewayError>
  readonly plan: Plan | undefined
  readonly attempts: ReadonlyArray<AttemptRecord>
  readonly rateLimit: RateLimitState | undefined
  readonly latencyMs: number
  readonly timings: Timings
}

/** Milliseconds of each phase, for `Server-Timing`. */
export interface Timings {
  readonly authMs: number
  readonly routeMs: number
  /** Sum over attempts. */
  readonly upstreamMs: number
}
