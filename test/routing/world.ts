import { type Clock, Duration, Effect, Layer, Result } from "effect"
import type { ModelConfig, Price } from "../../src/catalog/model.ts"
import type {
  CandidateRef,
  GatewayConfig,
  RouteConfig,
  SimulatedProviderConfig,
} from "../../src/config/GatewayConfig.ts"
import type { CallMode, ChatRequest } from "../../src/domain/Chat.ts"
import type { Task } from "../../src/domain/Task.ts"
import type { Provider, Unsupported } from "../../src/providers/Provider.ts"
import { Providers } from "../../src/providers/Providers.ts"
import { makeSimulated } from "../../src/providers/vendors/simulated/simulated.ts"
import { Breakers } from "../../src/routing/Breakers.ts"
import { RetryBudget } from "../../src/routing/RetryBudget.ts"
import { Router } from "../../src/routing/Router.ts"
import { settingsOf, timeouts } from "../support/settings.ts"
import { START_MS } from "../support/started-clock.ts"

/** A small gateway for routing tests: one model `m` per provider unless told otherwise. */

export const price = (usdPer1M: number): Price => ({
  inputNanoPer1M: usdPer1M * 1e9,
  cachedInputNanoPer1M: usdPer1M * 1e9,
  outputNanoPer1M: usdPer1M * 1e9,
  source: "test",
  asOf: "2026-11-23",
})

export const simulated = (
  name: string,
  models: ReadonlyArray<Omit<ModelConfig, "kind"> & Partial<Pick<ModelConfig, "kind">>>,
  simulation: Partial<SimulatedProviderConfig["simulation"]> = {},
): SimulatedProviderConfig => ({
  kind: "simulated",
  name,
  models: models.map((model) => ({ kind: "chat", ...model })),
  simulation: {
    medianMs: 500,
    p95Ms: 1_000,
    msPerOutputToken: 0,
    serverErrorRate: 0,
    rateLimitRate: 0,
    contentFilterRate: 0,
    midStreamErrorRate: 0,
    retryAfterMs: 1_000,
    ...simulation,
  },
})

export const route = (
  candidates: ReadonlyArray<CandidateRef>,
  rules: Partial<RouteConfig> = {},
): RouteConfig => ({
  name: "auto",
  candidates,
  largerContext: [],
  strategy: "score",
  when: [],
  weights: { latency: 0.6, cost: 0.4 },
  exploration: 0,
  hysteresis: 0,
  parameters: new Map(),
  ...rules,
})

/** `a/m` -> a reference to it. */
export const refs = (...keys: ReadonlyArray<string>): ReadonlyArray<CandidateRef> =>
  keys.map((key) => {
    const slash = key.indexOf("/")
    return { provider: key.slice(0, slash), model: key.slice(slash + 1) }
  })

export const world = (
  providers: ReadonlyArray<SimulatedProviderConfig>,
  routes: ReadonlyArray<RouteConfig>,
  /** By provider: what its protocol has no words for. */
  unsupported: Readonly<Record<string, (task: Task, model: string) => Unsupported | undefined>> = {},
  /** By provider: what its protocol leaves out. */
  dropped: Readonly<Record<string, ReadonlyArray<string>>> = {},
) => {
  const gateway: GatewayConfig = {
    providers,
    priceLayers: new Map(),
    off: new Map(),
    routes: new Map(routes.map((each) => [each.name, each])),
    timeouts: { ...timeouts, headersMs: 60_000, bodyMs: 60_000, streamMs: 60_000 },
    limits: {
      maxAttempts: 4,
      retryRatio: 0.2,
      requestsPerMinute: 60,
      cachedTokensCount: true,
      models: {},
      defaultMaxOutputTokens: 8_192,
      maxInFlight: 100,
      maxStreams: 100,
      maxKeyShare: 1,
      maxEventLoopDelayMs: 100,
      maxUpstreamBytes: 1_000_000,
      timeZone: "UTC",
    },
    attribution: { headers: {} },
    ledger: { journal: "memory", journalMaxBytes: 0 },
  }
  const settings = settingsOf(gateway)
  const made = Layer.effect(
    Providers,
    Effect.map(
      Effect.forEach(providers, makeSimulated),
      (all): ReadonlyMap<string, Provider> =>
        new Map(
          all.map((provider): readonly [string, Provider] => [
            provider.name,
            {
              ...provider,
              prepare: (task, model) => {
                const found = unsupported[provider.name]?.(task, model)
                if (found !== undefined) return Result.fail(found)
                const lost = dropped[provider.name]
                const call = provider.prepare(task, model)
                return lost === undefined
                  ? call
                  : Result.map(call, (made) => ({ ...made, dropped: () => lost }))
              },
            },
          ]),
        ),
    ),
  )
  return Layer.mergeAll(Router.layer, RetryBudget.layer).pipe(
    Layer.provideMerge(Layer.mergeAll(Breakers.layer, made)),
    Layer.provide(settings),
  )
}

export const ask = (prompt = "Hello", extra: Partial<ChatRequest> = {}): ChatRequest => ({
  messages: [{ role: "user", content: prompt }],
  ...extra,
})

/** The task of a chat. */
export const chat = (request: ChatRequest, mode: CallMode = "whole"): Task => ({
  _tag: "Chat",
  request,
  mode,
})

/** A clock for one fiber at a time: a sleep is over at once and moves the time. Thousands of requests take no time. */
export const steppingClock = (startMs = START_MS): Clock.Clock => {
  let nowMs = startMs
  const nanos = () => BigInt(Math.round(nowMs)) * 1_000_000n
  return {
    currentTimeMillisUnsafe: () => nowMs,
    currentTimeMillis: Effect.sync(() => nowMs),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.sync(() => {
        nowMs += Duration.toMillis(duration)
      }),
  }
}
