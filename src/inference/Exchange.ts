import type { Effect, Result } from "effect"
import type { Principal } from "../auth/Principal.ts"
import type { Cost } from "../catalog/cost.ts"
import type { AnswerSummary, ChatChunk, Completion } from "../domain/Chat.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { RequestId } from "../domain/Ids.ts"
import type { Task } from "../domain/Task.ts"
import type { AttemptRecord } from "../ledger/LedgerRecord.ts"
import type { RateLimitState } from "../limits/RateLimits.ts"
import type { StoredResponse } from "../responses/response.ts"
import type { Candidate, Plan } from "../routing/plan.ts"

/** One client request as a route sees it: how its credential and body are read and how an outcome is written. */
export interface Exchange {
  readonly requestId: RequestId
  /** Path template, e.g. `/infer`. */
  readonly endpoint: string
  readonly credential: Effect.Effect<string, GatewayError>
  /** Reads and checks the body; runs only for an authenticated client. */
  readonly call: Effect.Effect<Call, GatewayError>
  /** Everything but a stream that has begun. */
  readonly write: (settled: Settled) => StoredResponse
}

/** What the client asks for, understood. */
export interface Call {
  readonly requestedModel: string
  readonly task: Task
  /** How the events of a streamed answer are written; undefined: the answer travels whole. */
  readonly stream: StreamWriter | undefined
  /** Plan only: no upstream call, no ledger row. */
  readonly dryRun: boolean
  /** Add the routing decision to the answer. */
  readonly explain: boolean
  readonly idempotency: { readonly key: string; readonly fingerprint: Uint8Array } | undefined
}

/** A route's way to write a stream. Every event is complete, its blank line included. */
export interface StreamWriter {
  readonly headers: (progress: Progress) => Readonly<Record<string, string>>
  /** Its last events repeat the whole text, which is then kept. */
  readonly needsText: boolean
  /** Undefined: nothing in it for this client. */
  readonly chunk: (chunk: ChatChunk) => Uint8Array | undefined
  /** The last events: `[DONE]` after a complete answer, an error and no `[DONE]` after any other. */
  readonly end: (settled: Settled) => Uint8Array
}

/** A provider's answer and what it cost. */
export interface Answer {
  readonly candidate: Candidate
  readonly summary: AnswerSummary
  /** Undefined when the answer was streamed. */
  readonly completion: Completion | undefined
  readonly cost: Cost
}

/** Where a request stands. */
export interface Progress {
  readonly requestId: RequestId
  /** Who answers; undefined while that is open, and when nobody does. */
  readonly candidate: Candidate | undefined
  /** Upstream calls, one under way included. */
  readonly attemptCount: number
  readonly rateLimit: RateLimitState | undefined
  readonly latencyMs: number
  readonly timings: Timings
}

/** How a request ended, with everything that was learned on the way. */
export interface Settled extends Progress {
  readonly principal: Principal
  readonly call: Call
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
