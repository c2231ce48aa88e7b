import type { Clock, Result } from "effect"
import type { Principal } from "../auth/Principal.ts"
import { costOf } from "../catalog/cost.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { RequestId } from "../domain/Ids.ts"
import { modeOf } from "../domain/Task.ts"
import type { AttemptIntent, AttemptRecord, LedgerRecord } from "../ledger/LedgerRecord.ts"
import type { RateLimitState } from "../limits/RateLimits.ts"
import type { Candidate, Plan } from "../routing/plan.ts"
import type { Answer, Call, Exchange, Progress, Settled } from "./Exchange.ts"
import type { StreamedAnswer } from "./StreamedAnswer.ts"

/** Notes taken while one request runs: mutable, owned by its fiber, read once it is settled. */
export class Trace {
  readonly attempts: Array<AttemptRecord> = []
  plan: Plan | undefined
  rateLimit: RateLimitState | undefined
  /** When the answer is a stream. */
  stream: StreamedAnswer | undefined
  /** A request has one record: of its run when there was one, even if its client was then told something else. */
  recorded = false
  readonly startedAt: number
  private readonly exchange: Exchange
  private readonly clock: Clock.Clock
  private authMs = 0
  private routeMs = 0

  constructor(exchange: Exchange, clock: Clock.Clock) {
    this.exchange = exchange
    this.clock = clock
    this.startedAt = this.now()
  }

  get requestId(): RequestId {
    return this.exchange.requestId
  }

  now(): number {
    return this.clock.currentTimeMillisUnsafe()
  }

  authenticated(): void {
    this.authMs = this.now() - this.startedAt
  }

  planned(plan: Plan, sinceMs: number): void {
    this.plan = plan
    this.routeMs = this.now() - sinceMs
  }

  /** Before an upstream call leaves: what would be left of it if the process died. */
  intent(principal: Principal, call: Call, { provider, model }: Candidate, startedAt: number): AttemptIntent {
    return {
      id: this.exchange.requestId,
      requestStartedAt: this.startedAt,
      keyId: principal.keyId,
      endpoint: this.exchange.endpoint,
      route: this.plan?.route ?? null,
      requestedModel: call.requestedModel,
      stream: modeOf(call.task) === "stream",
      provider: provider.name,
      model: model.name,
      startedAt,
    }
  }

  /** `attemptAt`: start of the latest attempt, under way or not. */
  progress(candidate: Candidate | undefined, attemptAt: number | undefined): Progress {
    const latest = this.attempts.at(-1)
    const running = attemptAt !== undefined && (latest === undefined || latest.startedAt < attemptAt)
    return {
      requestId: this.exchange.requestId,
      candidate,
      attemptCount: this.attempts.length + (running ? 1 : 0),
      rateLimit: this.rateLimit,
      latencyMs: this.now() - this.startedAt,
      timings: this.timings(running ? this.now() - attemptAt : 0),
    }
  }

  settled(
    principal: Principal,
    call: Call,
    result: Result.Result<Answer | undefined, GatewayError>,
  ): Settled {
    return {
      requestId: this.exchange.requestId,
      principal,
      call,
      result,
      candidate: result._tag === "Success" ? result.success?.candidate : undefined,
      plan: this.plan,
      attempts: this.attempts,
      attemptCount: this.attempts.length,
      rateLimit: this.rateLimit,
      latencyMs: this.now() - this.startedAt,
      timings: this.timings(0),
    }
  }

  /** `call` is undefined when the request was refused before it was understood. */
  record(
    principal: Principal,
    call: Call | undefined,
    outcome: Answer | GatewayError | undefined,
  ): LedgerRecord {
    const answer = outcome !== undefined && "summary" in outcome ? outcome : this.brokenOff()
    const error = outcome !== undefined && "code" in outcome ? outcome : undefined
    const { stream } = this
    const begun = stream?.opened === true && error?.code !== "client_closed_request"
    return {
      id: this.exchange.requestId,
      startedAt: this.startedAt,
      latencyMs: this.now() - this.startedAt,
      keyId: principal.keyId,
      endpoint: this.exchange.endpoint,
      route: this.plan?.route ?? null,
      requestedModel: call?.requestedModel ?? "",
      provider: answer?.candidate.provider.name ?? null,
      model: answer?.candidate.model.name ?? null,
      // A stream that broke had its status long before.
      status: begun ? 200 : (error?.status ?? 200),
      errorCode: error?.code ?? null,
      stream: call !== undefined && modeOf(call.task) === "stream",
      firstTokenMs: stream?.firstTokenAt === undefined ? null : stream.firstTokenAt - this.startedAt,
      finishReason: answer?.summary.finishReason ?? null,
      usage: answer?.summary.usage ?? null,
      usageEstimated: answer !== undefined && answer.summary.usage !== null && answer.summary.usageEstimated,
      rawUsage: answer?.summary.rawUsage ?? null,
      costNanoUsd: answer?.cost.nanoUsd ?? null,
      costReason: answer?.cost.reason ?? null,
      priceVersion: answer?.cost.priceVersion ?? null,
      decision: this.plan?.decision ?? null,
      attempts: this.attempts,
    }
  }

  /** What the client got of a stream that ended too early: it was produced, and will be billed. */
  private brokenOff(): Answer | undefined {
    const { stream } = this
    if (stream?.committed !== true || stream.candidate === undefined) return undefined
    const summary = stream.partial()
    const cost = costOf(stream.candidate.model.price, summary.usage)
    return { candidate: stream.candidate, summary, completion: undefined, cost }
  }

  private timings(runningMs: number): Progress["timings"] {
    const upstreamMs = this.attempts.reduce((sum, attempt) => sum + attempt.latencyMs, runningMs)
    return { authMs: this.authMs, routeMs: this.routeMs, upstreamMs }
  }
}
