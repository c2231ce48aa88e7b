import { Clock, Context, Effect, Layer, Random, Result } from "effect"
import { expectedCost } from "../catalog/cost.ts"
import { priceAt } from "../catalog/price-history.ts"
import { Settings } from "../config/Settings.ts"
import type { CallMode } from "../domain/Chat.ts"
import { estimateLongestInputTokens } from "../domain/Embedding.ts"
import { restrictedField } from "../domain/restricted-fields.ts"
import { fieldsOf, inputTokensOf, modeOf, outputLimitOf, type Task } from "../domain/Task.ts"
import { breakerOpen, observe, upstreamInFlight, upstreamLimit } from "../observability/Metrics.ts"
import { monotonicMs, monotonicMsUnsafe } from "../platform/monotonic.ts"
import { Providers } from "../providers/Providers.ts"
import { Breakers } from "./Breakers.ts"
import type { Trouble } from "./CandidateHealth.ts"
import { Conversations } from "./Conversations.ts"
import { type AskedRequest, follow } from "./conditions.ts"
import { drawPosition, explorationChances, findProbe, keepIncumbent, tryFirst } from "./deviations.ts"
import { applicationOf, conversationOf, pointOf } from "./identity.ts"
import { LearnedRefusals, type RefusedParameter } from "./LearnedRefusals.ts"
import {
  type Candidate,
  type ChosenBy,
  describe,
  describeExclusion,
  ModelNotAllowed,
  ModelNotFound,
  NoCandidate,
  type Plan,
} from "./plan.ts"
import { prepareCalls, type ReadyTarget } from "./prepare-calls.ts"
import { RecentErrors } from "./RecentErrors.ts"
import { type Features, type Observation, Statistics } from "./Statistics.ts"
import { rank, type Tier } from "./score.ts"
import { arrange, isByPrediction } from "./strategy.ts"
import { type ListedModel, listModels, type Route, routesByName, type Target } from "./targets.ts"

interface PlanInput extends AskedRequest {
  /** The client's own name of the conversation, where it has one beside the request's body. */
  readonly session?: string | undefined
  /** The key's allow-list; undefined = everything. */
  readonly allowed: ReadonlySet<string> | undefined
  /** Milliseconds until the request's deadline. */
  readonly remainingMs: number
}

/**
 * What is expected of the turns to come makes a turn at most so many times as good as it is by itself: a bound on how dear
 * loyalty can be.
 */
const MAX_LOYALTY = 3
/** What a failure costs beside its time, in milliseconds: an attempt less, and a wait before the next. */
const FAILURE_COST_MS = 100

/**
 * Puts the candidates for one request in order: availability tier, then score, then three deliberate deviations.
 * Hysteresis keeps the leader of a route until another is better by a margin, so that two close candidates do not
 * take turns. A candidate whose circuit or cooldown time has ended gets the next request that has the time, and a healthy
 * candidate, to fall back on: its probe. Exploration sends a small share of requests to another candidate, so that one
 * that got better is found.
 */
export class Router extends Context.Service<
  Router,
  {
    readonly plan: (input: PlanInput) => Effect.Effect<Plan, ModelNotFound | ModelNotAllowed | NoCandidate>
    readonly observe: (observation: Observation) => Effect.Effect<void>
    /** Takes note that a candidate does not take a parameter of a task, which the vendor names. */
    readonly observeRefusal: (
      key: string,
      task: Task,
      refused: { readonly param: string; readonly code?: string | undefined },
    ) => Effect.Effect<void>
    /** Returns what keeps traffic away from a candidate. */
    readonly troubleOf: (key: string) => Effect.Effect<Trouble>
    /** Returns what a candidate is remembered not to take. */
    readonly refusalsOf: (key: string) => Effect.Effect<ReadonlyArray<RefusedParameter>>
    /** Forgets all trouble and all statistics of a provider. Returns its models; undefined: no provider has this name. */
    readonly reset: (provider: string) => ReadonlyArray<string> | undefined
    /** Every name that a key with this allow-list may ask for. */
    readonly models: (allowed: ReadonlySet<string> | undefined) => ReadonlyArray<ListedModel>
  }
>()("gateway/routing/Router") {
  static readonly layerNoDeps = Layer.effect(
    Router,
    Effect.suspend(() => make()),
  )
  static readonly layer = this.layerNoDeps.pipe(Layer.provide(Statistics.layer))
}

const make = Effect.fnUntraced(function* () {
  const { gateway } = yield* Settings
  const providers = yield* Providers
  const routes = routesByName(gateway, providers)
  const statistics = yield* Statistics
  const breakers = yield* Breakers
  const clock = yield* Clock.Clock
  for (const provider of providers.values()) {
    for (const model of provider.models.values()) {
      const key = `${provider.name}/${model.name}`
      yield* observe(breakerOpen(provider.name, model.name), () =>
        breakers.healthOf(key).trippedForMs(monotonicMsUnsafe(clock)) > 0 ? 1 : 0,
      )
      yield* observe(upstreamInFlight(provider.name, model.name), () => breakers.healthOf(key).inFlight)
      yield* observe(upstreamLimit(provider.name, model.name), () => breakers.healthOf(key).limit)
    }
  }
  /** Key of the leader by route name. Only configured names get here, so all are bounded. */
  const incumbents: Readonly<Record<Contest, Map<string, string>>> = {
    whole: new Map(),
    stream: new Map(),
    embedding: new Map(),
  }

  const refusals = new LearnedRefusals()
  const conversations = new Conversations()
  /** By `provider/model`: only configured ones get here. */
  const errors: Readonly<Record<CallMode, Map<string, RecentErrors>>> = {
    whole: new Map(),
    stream: new Map(),
  }
  const errorsOf = (key: string, mode: CallMode): RecentErrors => {
    const known = errors[mode].get(key)
    if (known !== undefined) return known
    const fresh = new RecentErrors()
    errors[mode].set(key, fresh)
    return fresh
  }

  const isTripped = (key: string, nowMs: number): boolean => breakers.healthOf(key).trippedForMs(nowMs) > 0

  const tierOf = (
    { call, refuses, target: { key } }: ReadyTarget,
    isUnhealthy: boolean,
    nowMs: number,
  ): Tier => {
    const health = breakers.healthOf(key)
    if (health.trippedForMs(nowMs) > 0) return 2
    if (call.isReduced === true || refuses === true) return 1
    if (health.isResting(nowMs) || health.isAtLimit) return 1
    return isUnhealthy || health.isSuspect(nowMs) ? 1 : 0
  }

  const byScore = (
    ready: ReadonlyArray<ReadyTarget>,
    { rules }: Route,
    task: Task,
    inputTokens: number,
    conversation: string | undefined,
    nowMs: number,
  ): Array<Candidate> => {
    const mode = modeOf(task)
    const asked = outputLimitOf(task)
    // Prices go by the calendar, everything else by the clock that never steps.
    const pricedAt = clock.currentTimeMillisUnsafe()
    const { rest } = conversations
    const application = applicationOf(task)
    const estimates = ready.map((each) => {
      const { key, model } = each.target
      const price = priceAt(model.price, pricedAt)
      const discounted = price !== undefined && price.cachedInputNanoPer1M < price.inputNanoPer1M
      const warmth =
        conversation === undefined
          ? undefined
          : conversations.warmth(conversation, key, discounted, inputTokens, nowMs)
      const features: Features = {
        application,
        conversation,
        inputTokens,
        cachedTokens: warmth?.now ?? 0,
        outputLimit: asked,
        modelLimit: model.maxOutputTokens,
        inFlight: breakers.healthOf(key).inFlight,
      }
      const predicted = statistics.predict(key, mode, nowMs, features)
      const { availability, burdenMs, failureMs, lateAfterMs, ms, outputTokens, patienceMs } = predicted
      const costOf = (cachedTokens: number): number | undefined =>
        price && expectedCost(price, predicted.inputTokens, cachedTokens, outputTokens)
      const expectedNanoUsd = costOf(features.cachedTokens)
      const failuresMs = ((1 - availability) / availability) * (failureMs + FAILURE_COST_MS)
      // What a turn leaves in a cache is worth something to those that follow.
      let scoredMs = ms
      let scoredNanoUsd = expectedNanoUsd
      if (warmth !== undefined && rest > 0) {
        const next = statistics.predict(key, mode, nowMs, { ...features, cachedTokens: warmth.next })
        scoredMs = Math.max(ms / MAX_LOYALTY, (ms + rest * next.ms) / (1 + rest))
        const nextNanoUsd = costOf(warmth.next)
        if (expectedNanoUsd !== undefined && nextNanoUsd !== undefined) {
          scoredNanoUsd = Math.max(
            expectedNanoUsd / MAX_LOYALTY,
            (expectedNanoUsd + rest * nextNanoUsd) / (1 + rest),
          )
        }
      }
      return {
        features,
        errors: errorsOf(key, mode),
        known: predicted.known,
        answers: predicted.answers,
        availability,
        tier: tierOf(each, predicted.isUnhealthy, nowMs),
        expectedMs: ms,
        weighedMs: scoredMs + burdenMs + failuresMs,
        weighedNanoUsd: scoredNanoUsd,
        failuresMs,
        lateAfterMs,
        patienceMs,
        expectedNanoUsd,
        expectedOutputTokens: outputTokens,
      }
    })
    const { leastMs, order, scores } = rank(
      estimates.map(({ tier, weighedMs, weighedNanoUsd }) => ({
        tier,
        expectedMs: weighedMs,
        expectedNanoUsd: weighedNanoUsd,
      })),
      rules.weights,
    )
    const candidates: Array<Candidate> = []
    for (const position of order) {
      const estimate = estimates[position]
      const score = scores[position]
      const target = ready[position]
      if (target === undefined || estimate === undefined || score === undefined) continue
      const { provider, model, key } = target.target
      const soundScore = score - (rules.weights.latency * estimate.failuresMs) / leastMs
      candidates.push({ provider, model, key, call: target.call, score, soundScore, ...estimate })
    }
    return candidates
  }

  const planAt = (
    input: PlanInput,
    nowMs: number,
    random: Context.Service.Shape<typeof Random.Random>,
  ): Result.Result<Plan, ModelNotFound | ModelNotAllowed | NoCandidate> => {
    const { requestedModel, task } = input
    const { route, via } = follow(routes, input, clock.currentTimeMillisUnsafe())
    // An `auto` without a model behind it is a name for nothing too.
    if (route === undefined || (route.targets.length === 0 && route.largerContext.length === 0)) {
      return Result.fail(new ModelNotFound({ requestedModel }))
    }
    const restricted = input.allowed === undefined ? undefined : restrictedField(fieldsOf(task))
    if (restricted !== undefined) {
      return Result.fail(new ModelNotAllowed({ requestedModel, field: restricted }))
    }
    const inputTokens = inputTokensOf(task)
    const windowTokens = task._tag === "Chat" ? inputTokens : estimateLongestInputTokens(task.request)

    const prepare = (targets: ReadonlyArray<Target>) =>
      prepareCalls(targets, input, windowTokens, route.rules.parameters, refusals, nowMs, (key) =>
        isTripped(key, nowMs),
      )
    const usual = prepare(route.targets)
    const larger = prepare(route.largerContext)
    // With no usual target left it is known before asking what the larger ones are there for.
    const onlyLarger = usual.ready.length === 0
    const first = onlyLarger ? larger.ready : usual.ready
    const excluded = onlyLarger ? [...usual.excluded, ...larger.excluded] : usual.excluded
    if (first.length === 0) {
      return Result.fail(
        excluded.every(({ rule }) => rule === "not_allowed")
          ? new ModelNotAllowed({ requestedModel })
          : new NoCandidate({ route: route.name, excluded }),
      )
    }

    const { rules } = route
    const conversation = conversationOf(task, input.keyId, input.session)
    const outputLimit = outputLimitOf(task)
    // The turns of a conversation are drawn alike.
    const draw =
      conversation !== undefined && rules.strategy === "weighted"
        ? () => pointOf(`${route.name} ${conversation}`)
        : () => random.nextDoubleUnsafe()
    const candidates = byScore(first, route, task, inputTokens, conversation, nowMs)
    const choice = arrange(candidates, rules, draw)
    let chosenBy: ChosenBy = candidates.length === 1 ? "only_candidate" : choice.by
    let { probability } = choice
    if (candidates.length > 1) {
      const underWay = (candidates[0]?.features.cachedTokens ?? 0) > 0
      if (
        !underWay &&
        isByPrediction(rules.strategy) &&
        keepIncumbent(candidates, incumbents[contestOf(task)], route.name, rules.hysteresis)
      )
        chosenBy = "hysteresis"
      const probe = findProbe(candidates, input.remainingMs, (key, usualMs, gain) =>
        breakers.healthOf(key).offersProbe(nowMs, usualMs, gain),
      )
      if (probe > 0) {
        tryFirst(candidates, probe)
        chosenBy = "probe"
      } else if (!underWay) {
        const chances = explorationChances(candidates, rules.exploration, (key) =>
          breakers.healthOf(key).askedMs(nowMs),
        )
        const explored = drawPosition(chances, draw)
        if (explored > 0) {
          tryFirst(candidates, explored)
          chosenBy = "exploration"
        }
        probability *= chances[explored] ?? 1
      }
    }
    const largerContext =
      onlyLarger || larger.ready.length === 0
        ? []
        : byScore(larger.ready, route, task, inputTokens, conversation, nowMs)
    arrange(largerContext, rules, draw)
    const { lastResorts } = onlyLarger ? larger : usual
    return Result.succeed({
      route: route.name,
      candidates:
        lastResorts.length === 0
          ? candidates
          : [...candidates, ...byScore(lastResorts, route, task, inputTokens, conversation, nowMs)],
      largerContext,
      decision: {
        route: route.name,
        ...(via.length === 0 ? {} : { requested_route: requestedModel, via }),
        strategy: rules.strategy,
        mode: modeOf(task),
        weights: rules.weights,
        estimated_input_tokens: inputTokens,
        ...(task._tag === "Chat" && outputLimit !== undefined && { output_limit: outputLimit }),
        ...(conversation !== undefined && { expected_turns: Math.round(10 * conversations.rest) / 10 }),
        candidates: candidates.map(describe),
        // Its key may not know which others there are.
        excluded: excluded.filter(({ rule }) => rule !== "not_allowed").map(describeExclusion),
        chosen_by: chosenBy,
        probability: Math.round(probability * 1e6) / 1e6,
      },
    })
  }

  return Router.of({
    // One step of the fiber: everything that planning needs is at hand.
    plan: (input) =>
      Effect.contextWith((context: Context.Context<never>) =>
        Effect.fromResult(
          planAt(
            input,
            monotonicMsUnsafe(Context.get(context, Clock.Clock)),
            Context.get(context, Random.Random),
          ),
        ),
      ),
    observe: (observation) =>
      Effect.map(Effect.andThen(statistics.observe(observation), monotonicMs), (nowMs) => {
        const { features, key, outcome } = observation
        if (features.conversation !== undefined && outcome._tag === "success") {
          conversations.answered(
            features.conversation,
            key,
            features.inputTokens,
            outcome.cachedTokens,
            nowMs,
          )
        }
        if (breakers.healthOf(observation.key).takeRecovery()) statistics.forgive(observation.key)
      }),
    observeRefusal: (key, task, refused) =>
      Effect.map(monotonicMs, (nowMs) => refusals.remember(key, task, refused, nowMs)),
    troubleOf: (key) => Effect.map(monotonicMs, (nowMs) => breakers.healthOf(key).troubleAt(nowMs)),
    refusalsOf: (key) => Effect.map(monotonicMs, (nowMs) => refusals.of(key, nowMs)),
    reset: (name) => {
      const models = providers.get(name)?.models
      if (models === undefined) return undefined
      for (const model of models.keys()) {
        breakers.healthOf(`${name}/${model}`).reset()
        statistics.forget(`${name}/${model}`)
        errorsOf(`${name}/${model}`, "whole").forget()
        errorsOf(`${name}/${model}`, "stream").forget()
        refusals.forget(`${name}/${model}`)
      }
      return [...models.keys()]
    },
    models: (allowed) => listModels(routes, allowed),
  })
})

/** A field of candidates with one leader: a bare name may stand for models of both kinds, which never compete. */
type Contest = CallMode | "embedding"

const contestOf = (task: Task): Contest => (task._tag === "Chat" ? task.mode : "embedding")
