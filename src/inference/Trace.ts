import type { Clock, Result } from "effect"
import type { Principal } from "../auth/Principal.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { RequestId } from "../domain/Ids.ts"
import type { AttemptRecord, LedgerRecord } from "../ledger/LedgerRecord.ts"
import type { RateLimitState } from "../limits/RateLimits.ts"
import type { Plan } from "../routing/plan.ts"
import type { Answer, Call, Exchange, Settled } from "./Exchange.ts"

/** Notes taken while one request runs: mutable, owned by its fiber, read once it is settled. */
export class Trace {
  readonly attempts: Array<AttemptRecord> = []
  plan: Plan | undefined
  rateLimit: RateLimitState | undefined
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
      plan: this.plan,
      attempts: this.attempts,
      rateLimit: this.rateLimit,
      latencyMs: this.now() - this.startedAt,
      timings: {
        authMs: this.authMs,
        routeMs: this.routeMs,
        upstreamMs: this.attempts.reduce((sum, attempt) => sum + attempt.latencyMs, 0),
      },
    }
  }

  /** `call` is undefined when the request was refused before it was understood. */
  record(
    principal: Principal,
    call: Call | undefined,
    outcome: Answer | GatewayError | undefined,
  ): LedgerRecord {
    const answer = outcome !== undefined && "completion" in outcome ? outcome : undefined
    const error = outcome !== undefined && "code" in outcome ? outcome : undefined
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
      status: error?.status ?? 200,
      errorCode: error?.code ?? null,
      stream: call?.mode === "stream",
      finishReason: answer?.completion.finishReason ?? null,
      usage: answer?.completion.usage ?? null,
      rawUsage: answer?.completion.rawUsage ?? null,
      costNanoUsd: answer?.cost.nanoUsd ?? null,
      costReason: answer?.cost.reason ?? null,
      priceVersion: answer?.cost.priceVersion ?? null,
      decision: this.plan?.decision ?? null,
      attempts: this.attempts,
    }
  }
}
