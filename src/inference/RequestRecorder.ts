import type { Clock, Result } from "effect"
import type { Principal } from "../auth/Principal.ts"
import type { RequestBudgets } from "../budgets/Budgets.ts"
import { costOf } from "../catalog/cost.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { RequestId } from "../domain/Ids.ts"
import { modeOf } from "../domain/Task.ts"
import { billed } from "../domain/Usage.ts"
import type { AttemptIntent, AttemptRecord, LedgerRecord } from "../ledger/LedgerRecord.ts"
import type { RateLimitState } from "../limits/limit.ts"
import type { TakeTokens, TokenHold } from "../limits/RateLimits.ts"
import { monotonicMsUnsafe } from "../platform/monotonic.ts"
import type { Candidate, Plan } from "../routing/plan.ts"
import type { InferenceRequest } from "./InferenceRequest.ts"
import type { Answer, Outcome, Progress, Timings } from "./Outcome.ts"
import type { StreamedAnswer } from "./StreamedAnswer.ts"

/** Notes on one request while it runs: mutable, owned by its fiber, turned into its ledger record at its end. */
export class RequestRecorder {
  readonly requestId: RequestId
  /** Path template, e.g. `/infer`. */
  readonly endpoint: string
  /** Epoch milliseconds: the one reading of the wall clock. */
  readonly startedAt: number
  readonly attempts: Array<AttemptRecord> = []
  /** Undefined until the request's body is understood. */
  request: InferenceRequest | undefined
  plan: Plan | undefined
  rateLimit: RateLimitState | undefined
  /** Undefined: no budget is concerned. */
  budgets: RequestBudgets | undefined
  tokenLimit: RateLimitState | undefined
  /** Undefined: no limit of tokens is concerned. */
  takeTokens: TakeTokens | undefined
  tokenHold: TokenHold | undefined
  /** Set when the answer is a stream. */
  stream: StreamedAnswer | undefined
  /** A provider's answer is there and has waited for room: a second one would not come sooner. */
  isHeldUp = false
  /** Set once it is written. A request has one, even if its client is then told something else. */
  written: LedgerRecord | undefined
  /** Attempts under way, and the sum of when they began. */
  #underWay = 0
  #startsMs = 0
  readonly #clock: Clock.Clock
  readonly #startedMs: number
  #principal: Principal | undefined
  #authMs = 0
  #routeMs = 0

  constructor(requestId: RequestId, endpoint: string, clock: Clock.Clock) {
    this.requestId = requestId
    this.endpoint = endpoint
    this.#clock = clock
    this.startedAt = clock.currentTimeMillisUnsafe()
    this.#startedMs = monotonicMsUnsafe(clock)
  }

  /**
   * Epoch milliseconds on this request's own time line: its start by the wall clock and what has passed since then by
   * the clock that never steps. Differences are true to the millisecond; times of two requests are not to be compared.
   */
  now(): number {
    return this.startedAt + this.#sinceStart(monotonicMsUnsafe(this.#clock))
  }

  authenticated(principal: Principal): void {
    this.#principal = principal
    this.#authMs = this.now() - this.startedAt
  }

  planned(plan: Plan, sinceMs: number): void {
    this.plan = plan
    this.#routeMs = this.now() - sinceMs
  }

  /** Begins an attempt now, by `monotonicMs`, and returns when that is on this request's time line. */
  attemptStarted(nowMs: number): number {
    const startedAt = this.startedAt + this.#sinceStart(nowMs)
    this.#underWay += 1
    this.#startsMs += startedAt
    return startedAt
  }

  attemptEnded(record: AttemptRecord): void {
    this.#underWay -= 1
    this.#startsMs -= record.startedAt
    this.attempts.push(record)
  }

  /** Attempts, with those under way. */
  get attemptCount(): number {
    return this.attempts.length + this.#underWay
  }

  /** Describes an upstream call before it leaves: what is left of it if the process dies. */
  intent(request: InferenceRequest, { provider, model }: Candidate, startedAt: number): AttemptIntent {
    return {
      id: this.requestId,
      requestStartedAt: this.startedAt,
      keyId: request.principal.keyId,
      team: request.principal.team,
      user: request.attribution.user,
      tags: request.attribution.tags.length === 0 ? undefined : request.attribution.tags,
      endpoint: this.endpoint,
      route: this.plan?.route ?? null,
      requestedModel: request.requestedModel,
      stream: modeOf(request.task) === "stream",
      provider: provider.name,
      model: model.name,
      startedAt,
      charges: this.budgets?.charges(),
    }
  }

  /** State of a streamed request: a candidate answers once it has said something. */
  progress(): Progress {
    const { stream } = this
    const nowMs = monotonicMsUnsafe(this.#clock)
    const latencyMs = this.#sinceStart(nowMs)
    return {
      requestId: this.requestId,
      candidate: stream?.committed === true ? stream.candidate : undefined,
      attemptCount: this.attemptCount,
      rateLimit: this.rateLimit,
      budgetRemaining: this.budgets?.remaining(nowMs),
      tokenLimit: this.tokenLimit,
      latencyMs,
      timings: this.#timings(this.#underWay * (this.startedAt + latencyMs) - this.#startsMs),
    }
  }

  outcome(result: Result.Result<Answer | undefined, GatewayError>): Outcome {
    const nowMs = monotonicMsUnsafe(this.#clock)
    return {
      requestId: this.requestId,
      result,
      candidate: result._tag === "Success" ? result.success?.candidate : undefined,
      plan: this.plan,
      attempts: this.attempts,
      attemptCount: this.attempts.length,
      rateLimit: this.rateLimit,
      budgetRemaining: this.budgets?.remaining(nowMs),
      tokenLimit: this.tokenLimit,
      latencyMs: this.#sinceStart(nowMs),
      timings: this.#timings(0),
    }
  }

  /** Returns the ledger's record; undefined for a request whose sender is not known. */
  record(ended: Answer | GatewayError): LedgerRecord | undefined {
    const principal = this.#principal
    if (principal === undefined) return undefined
    const error = "code" in ended ? ended : undefined
    const answer = "code" in ended ? this.#brokenOff() : ended
    const { request, stream } = this
    const opened = stream?.opened === true && error?.code !== "client_closed_request"
    return {
      requests: 1,
      id: this.requestId,
      startedAt: this.startedAt,
      latencyMs: this.now() - this.startedAt,
      keyId: principal.keyId,
      team: principal.team ?? null,
      user: request?.attribution.user ?? null,
      tags: request?.attribution.tags ?? principal.tags,
      endpoint: this.endpoint,
      route: this.plan?.route ?? null,
      requestedModel: request?.requestedModel ?? "",
      provider: answer?.candidate.provider.name ?? null,
      model: answer?.candidate.model.name ?? null,
      // A stream that broke had its status long before.
      status: opened ? 200 : (error?.status ?? 200),
      errorCode: error?.code ?? null,
      stream: request !== undefined && modeOf(request.task) === "stream",
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
      charges: this.#charges(),
    }
  }

  /** Returns what the request is charged, now that no call follows. */
  #charges(): LedgerRecord["charges"] {
    this.budgets?.close()
    return this.budgets?.charges()
  }

  /** Prices what the client got of a stream that ended too early: it was produced, and will be billed. */
  #brokenOff(): Answer | undefined {
    const { stream } = this
    if (stream?.committed !== true || stream.candidate === undefined) return undefined
    const summary = stream.partial()
    const cost = costOf(stream.candidate.model.price, billed(summary.usage, summary.rawUsage), this.startedAt)
    return { candidate: stream.candidate, summary, completion: undefined, cost }
  }

  /** Returns milliseconds since the request's start, of a time by the clock that never steps. */
  #sinceStart(nowMs: number): number {
    return Math.round(nowMs - this.#startedMs)
  }

  #timings(runningMs: number): Timings {
    const upstreamMs = this.attempts.reduce((sum, attempt) => sum + attempt.latencyMs, runningMs)
    return { authMs: this.#authMs, routeMs: this.#routeMs, upstreamMs }
  }
}
