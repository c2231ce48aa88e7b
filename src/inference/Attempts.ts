import { Clock, Context, Effect, Exit, Layer } from "effect"
import { type Cost, costOf } from "../catalog/cost.ts"
import { Settings } from "../config/Settings.ts"
import type { AnswerSummary, CallMode } from "../domain/Chat.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import { ProviderError } from "../domain/ProviderError.ts"
import { billed } from "../domain/Usage.ts"
import type { AttemptRecord } from "../ledger/LedgerRecord.ts"
import { RateLimits } from "../limits/RateLimits.ts"
import { updater } from "../observability/Metrics.ts"
import { peersOf } from "../observability/peers.ts"
import { monotonicMsUnsafe } from "../platform/monotonic.ts"
import { Breakers } from "../routing/Breakers.ts"
import type { Candidate, Plan } from "../routing/plan.ts"
import { RetryBudget } from "../routing/RetryBudget.ts"
import { Router } from "../routing/Router.ts"
import { measure, measureTold } from "./attempt-metrics.ts"
import { attemptRecord } from "./attempt-record.ts"
import { makeReport } from "./attempt-report.ts"
import { fromBrokenStream, fromProviders } from "./failures.ts"
import { HeldAnswer } from "./HeldAnswer.ts"
import { type Hedging, makeHedges } from "./hedges.ts"
import { LearnedMargins } from "./InputMargins.ts"
import { fromRateLimit } from "./limit-failures.ts"
import type { RequestRecorder } from "./RequestRecorder.ts"
import { heldBack, Reservations, ReservedCall } from "./Reservations.ts"
import {
  type AttemptState,
  fallbackOf,
  mayChangeKey,
  mayRetry,
  patienceWith,
  retryFailed,
} from "./retry-policy.ts"
import { tracedAttempt } from "./spans.ts"
import { tokenBoundOf, tokensOf } from "./tokens-of.ts"
import type { UpstreamCall } from "./upstream-call.ts"
import { WayBack } from "./WayBack.ts"

/**
 * Share of all requests in flight that may wait for one candidate, where there are others: so many may hang in it. More
 * than one key may have, so that no key takes a candidate from the others.
 */
const MAX_SHARE_IN_FLIGHT = 0.9

/**
 * A call that runs out of its request's time says something of its candidate if it had so much of the time that requests
 * have, or was late: what is left after a slow upload is none of the candidate's doing.
 */
const FAIR_SHARE_OF_DEADLINE = 0.5

type RecordIntent = (candidate: Candidate, startedAt: number) => Effect.Effect<void>

interface Answered<A> {
  readonly candidate: Candidate
  readonly answer: A
  readonly cost: Cost
}

/** Carries a plan out: one attempt after another until one succeeds or nothing sensible is left to try. */
export class Attempts extends Context.Service<
  Attempts,
  {
    /** `recordIntent` runs right before each upstream call leaves. */
    readonly run: <A extends AnswerSummary>(
      plan: Plan,
      call: UpstreamCall<A>,
      recorder: RequestRecorder,
      recordIntent: RecordIntent,
    ) => Effect.Effect<Answered<A>, GatewayError>
  }
>()("gateway/inference/Attempts") {
  static readonly layerNoDeps = Layer.effect(
    Attempts,
    Effect.suspend(() => make),
  )
  static readonly layer = this.layerNoDeps.pipe(Layer.provide(LearnedMargins.layer))
}

const make = Effect.gen(function* () {
  const { gateway, otlpEndpoint } = yield* Settings
  const { maxAttempts, maxInFlight } = gateway.limits
  const fullMs = { whole: gateway.timeouts.deadlineMs, stream: gateway.timeouts.streamMs }
  const models = gateway.providers.reduce((count, provider) => count + provider.models.length, 0)
  const maxWaitingEach = models > 1 ? Math.max(1, Math.floor(maxInFlight * MAX_SHARE_IN_FLIGHT)) : maxInFlight
  const breakers = yield* Breakers
  const retryBudget = yield* RetryBudget
  const router = yield* Router
  const hedges = yield* makeHedges(maxWaitingEach)
  const rateLimits = yield* RateLimits
  const clock = yield* Clock.Clock
  const update = yield* updater
  const waysBack = { breakers, clock, retryBudget }
  const report = makeReport()
  const reservations = new Reservations(yield* LearnedMargins, gateway.limits.defaultMaxOutputTokens)
  const peers = otlpEndpoint === undefined ? undefined : peersOf(gateway.providers)

  /** Makes one upstream call, recorded and learned from however it ends. */
  const attempt = <A extends AnswerSummary>(
    request: Running<A>,
    candidate: Candidate,
    next: Candidate | undefined,
    call: UpstreamCall<A>,
  ): Effect.Effect<Answered<A>, ProviderError> => {
    const { recorder } = request
    const { budgets } = recorder
    if (budgets === undefined) {
      return Effect.suspend(() =>
        attemptWith(request, candidate, next, call, undefined, monotonicMsUnsafe(clock)),
      )
    }
    return Effect.suspend(() => {
      const nowMs = monotonicMsUnsafe(clock)
      const reserved = reservations.reserve(budgets, candidate, recorder, nowMs)
      return reserved instanceof ReservedCall
        ? attemptWith(request, candidate, next, call, reserved, nowMs)
        : Effect.flatMap(reserved, (given) =>
            attemptWith(request, candidate, next, call, given, monotonicMsUnsafe(clock)),
          )
    })
  }

  const attemptWith = <A extends AnswerSummary>(
    request: Running<A>,
    candidate: Candidate,
    next: Candidate | undefined,
    call: UpstreamCall<A>,
    reserved: ReservedCall | undefined,
    startedMs: number,
  ): Effect.Effect<Answered<A>, ProviderError> => {
    const { recorder, recordIntent, deadlineAt } = request
    const last = request.failures.at(-1)
    // The wait after that one may have lasted longer than it should.
    if (last !== undefined && recorder.now() >= deadlineAt) {
      reserved?.giveBack()
      return Effect.fail(last)
    }
    reserved?.leaves()
    const startedAt = recorder.attemptStarted(startedMs)
    const remainingMs = deadlineAt - startedAt
    const then = next ?? request.wayBack.reserve(candidate.patienceMs)
    const patienceMs = patienceWith(candidate, then, {
      attempts: recorder.attemptCount,
      left: request.timeouts,
      maxAttempts,
      remainingMs,
    })
    const health = breakers.healthOf(candidate.key)
    const { resets } = health
    let key: string | undefined
    const room = recorder.request?.answerRoom
    const answerRoom = room && new HeldAnswer(room, recorder, deadlineAt)
    const made = call.attempt(candidate, remainingMs, patienceMs, {
      conversation: candidate.features.conversation,
      answerRoom,
      onLimit: (ms) => {
        const nowMs = monotonicMsUnsafe(clock)
        // Else the provider is reached otherwise by now, or an operator has looked after it.
        if (health.resets === resets) health.rest(nowMs, nowMs + ms)
      },
      onKey: (name) => {
        key = name
      },
    })
    const isHurried =
      remainingMs < Math.min(candidate.lateAfterMs, FAIR_SHARE_OF_DEADLINE * fullMs[call.mode]) ||
      (patienceMs < candidate.patienceMs && patienceMs < remainingMs)
    let isSent = false
    const upstream = Effect.andThen(recordIntent(candidate, startedAt), () => {
      isSent = true
      return call.deadline.isClients
        ? Effect.mapError(made, (error) => orClients(error, request, call, candidate, startedAt))
        : made
    })
    let cost: Cost | undefined
    // Once for each attempt: its record and its answer share it.
    const price = (spent: Spent | undefined): Cost => {
      const usage = spent === undefined ? null : billed(spent.usage, spent.rawUsage)
      cost ??= costOf(candidate.model.price, usage, recorder.startedAt)
      return cost
    }
    let ended: AttemptRecord | undefined
    const { expectedMs, lateAfterMs } = candidate
    const tookMs = () => (call.firstTokenAt() ?? answerRoom?.heldUpAt ?? recorder.now()) - startedAt
    const isAnswering = () => answerRoom?.heldUpAt !== undefined || call.committed()
    const recorded = breakers
      .run(candidate.key, { expectedMs, tookMs, lateAfterMs, isAnswering, isHurried }, upstream)
      .pipe(
        Effect.onExit((exit) => {
          const endedAt = recorder.now()
          const spent = isSent ? (spentBy(exit) ?? call.partial()) : undefined
          const record = attemptRecord(
            candidate,
            startedAt,
            endedAt - startedAt,
            exit,
            isSent,
            spent,
            price(spent),
            call.race,
          )
          recorder.attemptEnded(record)
          ended = record
          reserved?.settle(record)
          // Nobody goes back from what was not left.
          if (record.outcome !== "timeout") request.wayBack.release()
          const ms = tookMs()
          measure(update, candidate, record, ms, key)
          if (peers !== undefined) measureTold(update, peers, candidate, record, call.firstTokenAt())
          if (isHurried && record.outcome === "timeout") return Effect.void
          // What has begun to be answered is a sign of life itself.
          const lives =
            record.outcome === "timeout" &&
            !isAnswering() &&
            breakers.healthOf(candidate.key).livesSince(startedMs)
          return learn(router, candidate, call.mode, record, ms, lives)
        }),
        Effect.map((answer) => ({ candidate, answer, cost: price(answer) })),
      )
    if (peers === undefined) return recorded
    return tracedAttempt(recorded, {
      candidate,
      peer: peers(candidate.provider.name),
      mode: call.mode,
      number: recorder.attemptCount,
      isHedge: call.race?.isHedge === true,
      record: () => ended,
      firstTokenAt: call.firstTokenAt,
    })
  }

  /** Makes one upstream call within the limits of its model, where it has some; above them it is not held against anybody. */
  const ask = <A extends AnswerSummary>(
    request: Running<A>,
    candidate: Candidate,
    next: Candidate | undefined,
    call: UpstreamCall<A>,
  ): Effect.Effect<Answered<A>, ProviderError> => {
    const asked = askNow(request, candidate, next, call)
    const { attempts, request: asking } = request.recorder
    if (asking === undefined || !rateLimits.limitsModel(candidate.key)) return asked
    return Effect.suspend(() => {
      const before = attempts.length
      const tokens = tokenBoundOf(asking.task, candidate, gateway.limits)
      return Effect.acquireUseRelease(
        Effect.mapError(rateLimits.takeModel(candidate.key, tokens), (refusal) => {
          const error = heldBack(candidate, fromRateLimit(refusal, asking.principal.keyId, asking.task))
          request.failures.push(error)
          return error
        }),
        () => asked,
        (hold) => {
          const isOwn = ({ model, provider }: AttemptRecord) => `${provider}/${model}` === candidate.key
          return Effect.sync(() =>
            hold.settle(tokensOf(attempts.slice(before).filter(isOwn), tokens, gateway.limits)),
          )
        },
      )
    })
  }

  /** Makes one upstream call, whose failure is noted and told. */
  const askNow = <A extends AnswerSummary>(
    request: Running<A>,
    candidate: Candidate,
    next: Candidate | undefined,
    call: UpstreamCall<A>,
  ): Effect.Effect<Answered<A>, ProviderError> =>
    Effect.tapError(attempt(request, candidate, next, call), (error) => {
      const { recorder } = request
      if (error.key?.othersFree !== true) request.failures.push(error)
      if (error.kind === "held_back") return Effect.void
      if (error.kind === "timeout") request.timeouts += 1
      const reported = Effect.andThen(
        router.noteFailure(candidate.key, recorder.requestId, error),
        report(candidate.key, error, recorder),
      )
      const { code, kind, param } = error
      const task = recorder.request?.task
      return kind === "unsupported" && param && task !== undefined
        ? Effect.andThen(router.observeRefusal(candidate.key, task, { code, param }), reported)
        : reported
    })

  /** Asks a candidate, and at once with another of its keys where one is refused what another is free for. */
  const askWithKeys = <A extends AnswerSummary>(
    request: Running<A>,
    candidate: Candidate,
    next: Candidate | undefined,
    call: UpstreamCall<A>,
    changed = false,
  ): Effect.Effect<Answered<A>, ProviderError> => {
    const asked = ask(request, candidate, next, call)
    if (candidate.provider.keys === undefined) return asked
    return Effect.catch(asked, (error) => {
      if (error.key?.othersFree !== true) return Effect.fail(error)
      const { deadlineAt, recorder } = request
      const may =
        !call.committed() &&
        mayChangeKey({
          attempts: recorder.attemptCount,
          maxAttempts,
          remainingMs: deadlineAt - recorder.now(),
          expectedMs: candidate.expectedMs,
          next,
          changed,
        })
      if (!may) {
        request.failures.push(error)
        return Effect.fail(error)
      }
      request.keyChanges += 1
      return askWithKeys(request, candidate, next, call, true)
    })
  }

  /** Asks one candidate, again and again as far as policy, deadline and the provider's retry budget allow. */
  const askCandidate = <A extends AnswerSummary>(
    request: Running<A>,
    candidate: Candidate,
    rest: ReadonlyArray<Candidate>,
    state: (error: ProviderError) => AttemptState,
  ): Effect.Effect<Answered<A>, ProviderError> => {
    const { call, deadlineAt, hedging, recorder } = request
    const provider = candidate.provider.name
    retryBudget.deposit(provider)
    const alone = askWithKeys(request, candidate, rest[0], call)
    const hedge = hedging?.hedge
    const asked =
      hedging === undefined || hedge?.first !== candidate
        ? alone
        : Effect.suspend(() => {
            if (recorder.attempts.length > 0) return alone
            const attempt = (one: Candidate, own: UpstreamCall<A>) =>
              askWithKeys(
                request,
                one,
                rest.find((each) => each !== one),
                own,
              )
            return hedges.ask(hedging, hedge, { call, recorder, deadlineAt, attempt })
          })
    return retryFailed(
      asked,
      (error, waitMs) =>
        !call.committed() && mayRetry(state(error), waitMs) && retryBudget.withdraw(provider),
    )
  }

  /**
   * Asks the first candidate of `queue`, and on its failure whoever the typed error says comes next. `larger` is
   * undefined once the queue itself is the larger ones'.
   */
  const askFrom = <A extends AnswerSummary>(
    request: Running<A>,
    queue: ReadonlyArray<Candidate>,
    larger: ReadonlyArray<Candidate> | undefined,
  ): Effect.Effect<Answered<A>, GatewayError> => {
    const { call, deadlineAt, failures, recorder } = request
    const [candidate, ...rest] = queue
    if (candidate === undefined) return Effect.suspend(() => Effect.fail(fromProviders(failures)))
    // It has been asked beside the first one.
    if (candidate === request.hedging?.hedgedTo) return askFrom(request, rest, larger)
    const nextLarger = larger ?? rest
    if (breakers.healthOf(candidate.key).hasWaiting(maxWaitingEach)) {
      return Effect.suspend(() => {
        failures.push(atItsBound(candidate))
        return askFrom(request, rest, larger)
      })
    }
    /** Attempts, without those that another key made good. */
    const tries = () => recorder.attempts.length - request.keyChanges
    const before = tries()
    const askedAtMs = monotonicMsUnsafe(clock)
    const state = (error: ProviderError): AttemptState => ({
      error,
      attempts: recorder.attempts.length,
      attemptsHere: tries() - before,
      maxAttempts,
      remainingMs: deadlineAt - recorder.now(),
      expectedMs: candidate.expectedMs,
      next: untriedOf(request, rest)[0],
      nextLarger: nextLarger[0],
      untried: untriedOf(request, rest).length,
      tripped: isTripped(candidate),
    })
    return Effect.catch(askCandidate(request, candidate, rest, state), (error) => {
      // The client's answer is this one, as far as it came.
      if (call.committed()) return Effect.fail(fromBrokenStream(error))
      const reduced = untriedOf(request, rest).length === 0 ? withoutRefused(candidate, error) : undefined
      if (reduced !== undefined && recorder.attempts.length < maxAttempts) {
        return askFrom(request, [reduced], larger)
      }
      switch (fallbackOf(state(error))) {
        case "Next":
          request.wayBack.leave(candidate, error, askedAtMs)
          return askFrom(request, rest, larger)
        case "NextLarger":
          // Too long for one of them: only the larger ones are asked from here on.
          request.wayBack.close()
          return askFrom(request, nextLarger, undefined)
        case "GiveUp": {
          const again = request.wayBack.take(state(error))
          return again === undefined
            ? Effect.fail(fromProviders(failures))
            : askFrom(request, [again], larger)
        }
      }
    })
  }

  const run = <A extends AnswerSummary>(
    plan: Plan,
    call: UpstreamCall<A>,
    recorder: RequestRecorder,
    recordIntent: RecordIntent,
  ): Effect.Effect<Answered<A>, GatewayError> =>
    Effect.suspend(() => {
      const deadlineAt = recorder.startedAt + call.deadline.ms
      const hedging = hedges.of(plan)
      const request: Running<A> = {
        call,
        recorder,
        recordIntent,
        deadlineAt,
        failures: [],
        timeouts: 0,
        keyChanges: 0,
        wayBack: new WayBack(waysBack),
        hedging,
      }
      // A slow upload or a wait for another replica may have used up the request's time already.
      const candidates = recorder.now() < deadlineAt ? plan.candidates : []
      const answered = Effect.ensuring(
        askFrom(request, candidates, plan.largerContext),
        Effect.sync(() => request.wayBack.release()),
      )
      return hedging === undefined
        ? answered
        : Effect.map(answered, (answer) => {
            hedging.budget.answered(answer.cost.nanoUsd)
            return answer
          })
    })

  return Attempts.of({ run })
})

/** Returns what an attempt used as far as its end says: an answer, or something that is none. */
type Spent = Pick<AnswerSummary, "usage" | "usageEstimated" | "rawUsage">

const spentBy = (exit: Exit.Exit<AnswerSummary, ProviderError>): Spent | undefined => {
  if (Exit.isSuccess(exit)) return exit.value
  const failure = Exit.findErrorOption(exit)
  if (failure._tag === "None" || failure.value.usage === undefined) return undefined
  return { usage: failure.value.usage, usageEstimated: false, rawUsage: null }
}

/** Returns the candidate with a call that does not say what it just refused; undefined where nothing is to be dropped. */
const withoutRefused = (candidate: Candidate, { kind, param }: ProviderError): Candidate | undefined => {
  const call = kind === "unsupported" && param ? candidate.call.without?.(param) : undefined
  return call && { ...candidate, call }
}

const untriedOf = (
  { hedging }: Pick<Running<never>, "hedging">,
  rest: ReadonlyArray<Candidate>,
): ReadonlyArray<Candidate> =>
  hedging?.hedgedTo === undefined ? rest : rest.filter((candidate) => candidate !== hedging.hedgedTo)

/** Tells a candidate whose circuit or cooldown keeps traffic away. */
const isTripped = ({ tier }: Candidate): boolean => tier === 2

/** One request's attempts under way. */
interface Running<A extends AnswerSummary> {
  readonly call: UpstreamCall<A>
  readonly recorder: RequestRecorder
  readonly recordIntent: RecordIntent
  readonly deadlineAt: number
  readonly failures: Array<ProviderError>
  /** Calls that were left, or ran out of time. */
  timeouts: number
  /** Attempts after which the same candidate was asked with another of its keys. */
  keyChanges: number
  readonly wayBack: WayBack
  readonly hedging: Hedging | undefined
}

/** By how much a timer and the clock may differ, in milliseconds. */
const TIMER_SLACK_MS = 2

/**
 * Returns the failure of a call that the client's own deadline ended: held against nobody, since a client could take a
 * candidate from the others with a deadline that none can keep. One that had the time after which it would have been
 * left for another is the provider's failure, as without such a deadline.
 */
const orClients = (
  error: ProviderError,
  { deadlineAt, recorder }: Pick<Running<never>, "deadlineAt" | "recorder">,
  call: UpstreamCall<AnswerSummary>,
  { model, patienceMs, provider }: Candidate,
  startedAt: number,
): ProviderError => {
  const now = recorder.now()
  if (error.kind !== "timeout" || now < deadlineAt - TIMER_SLACK_MS) return error
  if (!call.committed() && now - startedAt >= patienceMs) return error
  return new ProviderError({
    kind: "client_deadline",
    provider: provider.name,
    model: model.name,
    ...(error.unsent && { unsent: true }),
  })
}

/** Stands for a candidate that was not asked, as it has as many calls in flight as one may have. */
const atItsBound = ({ provider, model }: Candidate): ProviderError =>
  new ProviderError({
    kind: "overloaded",
    provider: provider.name,
    model: model.name,
    retryAfterMs: 1_000,
    detail: "as many calls in flight as one candidate may have",
  })

/** Teaches the router what an attempt showed; one that the client or a defect ended shows nothing. */
const learn = (
  router: Router["Service"],
  { expectedMs, features, key }: Candidate,
  mode: CallMode,
  { outcome, usage }: AttemptRecord,
  ms: number,
  lives: boolean,
): Effect.Effect<void> => {
  if (outcome === "cancelled" || outcome === "defect" || outcome === "lost") return Effect.void
  return router.observe({
    key,
    mode,
    features,
    expectedMs,
    outcome:
      outcome === "success"
        ? {
            _tag: "success",
            ms,
            outputTokens: usage?.outputTokens ?? null,
            inputTokens: usage?.inputTokens,
            cachedTokens: usage?.cachedTokens,
          }
        : outcome === "hedged"
          ? { _tag: "cut", ms }
          : { _tag: "failure", kind: outcome, ms, lives },
  })
}
