import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConfigProvider, Context, Effect, Exit, Layer, Scope, Semaphore } from "effect"
import type { GatewayConfig, ProviderConfig } from "../config/GatewayConfig.ts"
import { atNextStart, GatewayReload } from "../config/GatewayReload.ts"
import { keyValues } from "../config/key-values.ts"
import { loadGateway, Settings } from "../config/Settings.ts"
import { Attempts } from "../inference/Attempts.ts"
import { Inference } from "../inference/Inference.ts"
import { configRejected, configReloads, observe, updater } from "../observability/Metrics.ts"
import { Providers } from "../providers/Providers.ts"
import { Breakers } from "../routing/Breakers.ts"
import { Router } from "../routing/Router.ts"

/** Of whom the last request of a former configuration may still be asking something, beyond the longest deadline. */
const LAST_REQUEST_MS = 60_000

/** All that is made anew of a configuration. What is learned, counted and held is not: it comes from outside. */
const ofConfiguration = Inference.layer.pipe(
  Layer.provide(Attempts.layerNoDeps),
  Layer.provide(Router.layerNoDeps),
  Layer.provideMerge(Breakers.layerNoDeps),
  Layer.provide(Providers.layerNoDeps),
)

/** Inference by one configuration. A request ends by the one that it began with. */
interface Generation {
  readonly inference: Inference["Service"]
  readonly breakers: Breakers["Service"]
  readonly scope: Scope.Closeable
}

const make = Effect.gen(function* () {
  const services = yield* Effect.context<Layer.Services<typeof ofConfiguration>>()
  const environment = yield* ConfigProvider.ConfigProvider
  const settings = yield* Settings
  const scope = yield* Effect.scope
  const update = yield* updater
  let fault: string | undefined

  const build = Effect.fnUntraced(function* (gateway: GatewayConfig) {
    const own = yield* Scope.fork(scope)
    const made = yield* Layer.build(Layer.fresh(ofConfiguration)).pipe(
      Effect.provideService(Settings, { ...settings, gateway }),
      Effect.provide(services),
      Scope.provide(own),
    )
    return { inference: Context.get(made, Inference), breakers: Context.get(made, Breakers), scope: own }
  })

  const began = settings.gateway
  let current: Generation = yield* build(began)
  const former = new Set<Generation>()

  const retire = (generation: Generation, { deadlineMs, streamMs }: GatewayConfig["timeouts"]) =>
    Effect.sleep(Math.max(deadlineMs, streamMs) + LAST_REQUEST_MS).pipe(
      Effect.andThen(Effect.sync(() => former.delete(generation))),
      Effect.andThen(Scope.close(generation.scope, Exit.void)),
      Effect.forkIn(scope),
    )

  const reload = Effect.gen(function* () {
    const next = yield* loadGateway(settings.dataDir).pipe(
      Effect.provide(NodeServices.layer),
      Effect.provideService(ConfigProvider.ConfigProvider, environment),
    )
    const made = yield* build(next)
    const before = { config: settings.gateway, generation: current }
    // From here to the end of the block no request comes between.
    for (const name of otherwiseReached(before.config, next)) {
      current.inference.resetProvider(name)
      for (const { breakers } of [...former, current]) breakers.leave(name)
    }
    Object.assign(settings, { gateway: next })
    former.add(current)
    current = made
    fault = undefined
    update(configReloads("applied"), 1)
    yield* retire(before.generation, before.config.timeouts)
    // Also what an earlier reload brought, such as that of the watched file a moment ago.
    const waiting = atNextStart(began, next)
    yield* Effect.annotateLogs(Effect.logInfo("the configuration was reloaded"), {
      ...(waiting.length > 0 && { at_next_start: waiting }),
    })
    return { atNextStart: waiting }
  }).pipe(
    Effect.tapError((error) =>
      Effect.suspend(() => {
        fault = error.faults[0]
        update(configReloads("refused"), 1)
        return Effect.annotateLogs(
          Effect.logError("the configuration was not reloaded; the former one goes on"),
          { faults: error.faults },
        )
      }),
    ),
    Semaphore.makeUnsafe(1).withPermits(1),
    Effect.uninterruptible,
  )
  yield* observe(configRejected, () => (fault === undefined ? 0 : 1))

  return Context.make(
    Inference,
    Inference.of({
      admit: (...args) => current.inference.admit(...args),
      answer: (...args) => current.inference.answer(...args),
      stream: (...args) => current.inference.stream(...args),
      countTokens: (...args) => current.inference.countTokens(...args),
      dryRun: (...args) => current.inference.dryRun(...args),
      recordEnd: (...args) => current.inference.recordEnd(...args),
      models: (principal) => current.inference.models(principal),
      resetProvider: (name) => current.inference.resetProvider(name),
      routedModels: Effect.suspend(() => current.inference.routedModels),
      endStreams: Effect.suspend(() =>
        Effect.forEach([...former, current], ({ inference }) => inference.endStreams, { discard: true }),
      ),
    }),
  ).pipe(Context.add(GatewayReload, GatewayReload.of({ reload, fault: () => fault })))
})

/** Providers that are gone, or are reached with another key or elsewhere: what is known of their trouble is out of date. */
const otherwiseReached = (before: GatewayConfig, after: GatewayConfig): ReadonlyArray<string> => {
  const now = new Map(after.providers.map((provider) => [provider.name, provider]))
  return before.providers
    .filter((provider) => {
      const same = now.get(provider.name)
      return same === undefined || reachedBy(same) !== reachedBy(provider)
    })
    .map(({ name }) => name)
}

const reachedBy = (provider: ProviderConfig): string =>
  provider.kind === "simulated"
    ? "simulated"
    : [provider.baseUrl, ...keyValues(provider).toSorted()].join(" ")

/** Inference that follows the configuration, and what has it do so. */
export const layerLiveInference = Layer.effectContext(make)
