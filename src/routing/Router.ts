import { Clock, Context, Effect, Layer, Random, Result } from "effect"
import { Settings } from "../config/Settings.ts"
import { estimateLongestInputTokens } from "../domain/Embedding.ts"
import type { ProviderError } from "../domain/ProviderError.ts"
import { restrictedField } from "../domain/restricted-fields.ts"
import { fieldsOf, inputTokensOf, modeOf, outputLimitOf, type Task } from "../domain/Task.ts"
import {
  breakerOpen,
  observe,
  upstreamInFlight,
  upstreamKeyResting,
  upstreamLimit,
} from "../observability/Metrics.ts"
import { monotonicMs, monotonicMsUnsafe } from "../platform/monotonic.ts"
import { pointOf } from "../platform/text-hash.ts"
import type { KeyState } from "../providers/Provider.ts"
import { Providers } from "../providers/Providers.ts"
import { Breakers } from "./Breakers.ts"
import type { Trouble } from "./CandidateHealth.ts"
import { type AskedRequest, follow } from "./conditions.ts"
import { drawPosition, explorationChances, findProbe, keepIncumbent, tryFirst } from "./deviations.ts"
import { conversationOf } from "./identity.ts"
import type { RefusedParameter } from "./LearnedRefusals.ts"
import { makeOrderByScore } from "./order-by-score.ts"
import {
  type ChosenBy,
  describe,
  describeExclusion,
  describeHedge,
  ModelNotAllowed,
  ModelNotFound,
  NoCandidate,
  type Plan,
} from "./plan.ts"
import { planHedge } from "./plan-hedge.ts"
import { prepareCalls } from "./prepare-calls.ts"
import type { RecentFailure } from "./RecentFailures.ts"
import { type Contest, RoutingMemory } from "./RoutingMemory.ts"
import { type Features, type Observation, Statistics } from "./Statistics.ts"
import { arrange, isByPrediction, weightsAt } from "./strategy.ts"
import { type ListedModel, listModels, routesByName, type Target } from "./targets.ts"

interface PlanInput extends AskedRequest {
  /** The client's own name of the conversation, where it has one beside the request's body. */
  readonly session?: string | undefined
  /** The key's allow-list; undefined = everything. */
  readonly allowed: ReadonlySet<string> | undefined
  /** Milliseconds until the request's deadline. */
  readonly remainingMs: number
  /** Set of a request that a budget bounds: no model without a price, and no answer that is longer unless it asks for one. */
  readonly bounded?:
    | {
        readonly outputTokens: number
        /** Share of the budget that is used up, 0 to 1. */
        readonly used: () => number
      }
    | undefined
}

/** Of a request that stands for many. */
export const TYPICAL_INPUT_TOKENS = 1_000

/** How a candidate does, as operators are shown it. */
interface Outlook {
  /** 0 to 1 */
  readonly availability: number
  /** Milliseconds that a typical request is predicted to take, whole and until the first token of a stream. */
  readonly wholeMs: number
  readonly firstTokenMs: number
  /** It has been seen to give, at most those that still count. */
  readonly answers: number
  /** Calls under way, and those above which others are preferred. */
  readonly inFlight: number
  readonly limit: number
  /** The latest first. */
  readonly failures: ReadonlyArray<Omit<RecentFailure, "atMs"> & { readonly agoMs: number }>
}

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
    /** Takes note of an attempt that failed, for people. */
    readonly noteFailure: (key: string, requestId: string, error: ProviderError) => Effect.Effect<void>
    /** Returns what keeps traffic away from a candidate. */
    readonly troubleOf: (key: string) => Effect.Effect<Trouble>
    /** Returns how each key of a provider's pool is for a model; undefined where it has none. */
    readonly keysOf: (provider: string, model: string) => Effect.Effect<ReadonlyArray<KeyState> | undefined>
    /** Returns what is expected of a candidate, and how it did of late. */
    readonly outlookOf: (key: string) => Effect.Effect<Outlook>
    /** Returns what a candidate is remembered not to take. */
    readonly refusalsOf: (key: string) => Effect.Effect<ReadonlyArray<RefusedParameter>>
    /** Forgets all trouble of a provider and its keys, and all statistics. Returns its models; undefined: no provider has this name. */
    readonly reset: (provider: string) => ReadonlyArray<string> | undefined
    /** Every name that a key with this allow-list may ask for. */
    readonly models: (allowed: ReadonlySet<string> | undefined) => ReadonlyArray<ListedModel>
  }
>()("gateway/routing/Router") {
  static readonly layerNoDeps = Layer.effect(
    Router,
    Effect.suspend(() => make()),
  )
  static readonly layer = this.layerNoDeps.pipe(Layer.provide([Statistics.layer, RoutingMemory.layer]))
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
  for (const { keys, models, name } of providers.values()) {
    for (const key of keys?.names ?? []) {
      const rests = (model: string) =>
        keys !== undefined && keys.leftMs(key, model, monotonicMsUnsafe(clock)) > 0
      yield* observe(upstreamKeyResting(name, key), () => [...models.keys()].filter(rests).length)
    }
  }
  const { conversations, errors, failures, incumbents, refusals } = yield* RoutingMemory
  const { byScore, forgetErrors } = makeOrderByScore({ breakers, clock, conversations, errors, statistics })
  const isTripped = (key: string, nowMs: number): boolean => breakers.healthOf(key).trippedForMs(nowMs) > 0

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
    const weights =
      rules.saveFrom === undefined || input.bounded === undefined
        ? rules.weights
        : weightsAt(rules, input.bounded.used())
    const conversation = conversationOf(task, input.keyId, input.session)
    const request = { task, conversation, nowMs }
    const outputLimit = outputLimitOf(task)
    // The turns of a conversation are drawn alike.
    const draw =
      conversation !== undefined && rules.strategy === "weighted"
        ? () => pointOf(`${route.name} ${conversation}`)
        : () => random.nextDoubleUnsafe()
    const candidates = byScore(first, weights, request)
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
      onlyLarger || larger.ready.length === 0 ? [] : byScore(larger.ready, weights, request)
    arrange(largerContext, rules, draw)
    const { lastResorts } = onlyLarger ? larger : usual
    const [asked] = candidates
    const hedge =
      rules.hedge === undefined || asked === undefined || chosenBy === "probe"
        ? undefined
        : planHedge(candidates, statistics.lateRatio(asked.key, modeOf(task)))
    return Result.succeed({
      route: route.name,
      candidates:
        lastResorts.length === 0 ? candidates : [...candidates, ...byScore(lastResorts, weights, request)],
      largerContext,
      hedge,
      decision: {
        route: route.name,
        ...(via.length === 0 ? {} : { requested_route: requestedModel, via }),
        strategy: rules.strategy,
        mode: modeOf(task),
        weights,
        estimated_input_tokens: inputTokens,
        ...(task._tag === "Chat" && outputLimit !== undefined && { output_limit: outputLimit }),
        ...(conversation !== undefined && { expected_turns: Math.round(10 * conversations.rest) / 10 }),
        candidates: candidates.map(describe),
        // Its key may not know which others there are.
        excluded: excluded.filter(({ rule }) => rule !== "not_allowed").map(describeExclusion),
        chosen_by: chosenBy,
        ...(hedge && { hedge: describeHedge(hedge) }),
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
    noteFailure: (key, requestId, { kind, status = null }) =>
      Effect.map(monotonicMs, (atMs) => failures.note(key, { requestId, kind, status, atMs })),
    outlookOf: (key) =>
      Effect.map(monotonicMs, (nowMs) => {
        const { inFlight, limit } = breakers.healthOf(key)
        const whole = statistics.predict(key, "whole", nowMs, { ...TYPICAL, inFlight })
        const stream = statistics.predict(key, "stream", nowMs, { ...TYPICAL, inFlight })
        return {
          availability: whole.availability,
          wholeMs: whole.ms,
          firstTokenMs: stream.ms,
          answers: whole.answers + stream.answers,
          inFlight,
          limit,
          failures: failures.of(key).map(({ atMs, ...failure }) => ({ ...failure, agoMs: nowMs - atMs })),
        }
      }),
    troubleOf: (key) => Effect.map(monotonicMs, (nowMs) => breakers.healthOf(key).troubleAt(nowMs)),
    keysOf: (name, model) =>
      Effect.map(monotonicMs, (nowMs) => providers.get(name)?.keys?.statesOf(model, nowMs)),
    refusalsOf: (key) => Effect.map(monotonicMs, (nowMs) => refusals.of(key, nowMs)),
    reset: (name) => {
      const provider = providers.get(name)
      if (provider === undefined) return undefined
      const { keys, models } = provider
      keys?.reset()
      breakers.reset(name)
      for (const model of models.keys()) {
        statistics.forget(`${name}/${model}`)
        forgetErrors(`${name}/${model}`)
        refusals.forget(`${name}/${model}`)
        failures.forget(`${name}/${model}`)
      }
      return [...models.keys()]
    },
    models: (allowed) => listModels(routes, allowed),
  })
})

/** A request of which little is known: a page of text that somebody asks something about. */
const TYPICAL: Features = {
  application: undefined,
  conversation: undefined,
  inputTokens: TYPICAL_INPUT_TOKENS,
  cachedTokens: 0,
  outputLimit: undefined,
  modelLimit: undefined,
  inFlight: 0,
}

const contestOf = (task: Task): Contest => (task._tag === "Chat" ? task.mode : "embedding")
