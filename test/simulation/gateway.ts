import { Clock, Context, Effect, Layer, type Scope } from "effect"
import type { SqlClient } from "effect/sql"
import type { Authenticator } from "../../src/auth/Authenticator.ts"
import { Budgets } from "../../src/budgets/Budgets.ts"
import { LeaseStore } from "../../src/budgets/LeaseStore.ts"
import { SharedBudgets } from "../../src/budgets/SharedBudgets.ts"
import type { ModelConfig, Price } from "../../src/catalog/model.ts"
import type { GatewayConfig } from "../../src/config/GatewayConfig.ts"
import { InferenceEndpoints } from "../../src/http/InferenceEndpoints.ts"
import type { ClaimStore } from "../../src/idempotency/ClaimStore.ts"
import { Idempotency } from "../../src/idempotency/Idempotency.ts"
import { IdempotencyLimits } from "../../src/idempotency/IdempotencyLimits.ts"
import { Attempts } from "../../src/inference/Attempts.ts"
import { Inference } from "../../src/inference/Inference.ts"
import type { Journal } from "../../src/journal/Journal.ts"
import { Ledger } from "../../src/ledger/Ledger.ts"
import { Admission } from "../../src/limits/Admission.ts"
import { EventLoopDelay } from "../../src/limits/EventLoopDelay.ts"
import { RateLimits } from "../../src/limits/RateLimits.ts"
import type { Providers } from "../../src/providers/Providers.ts"
import { Breakers } from "../../src/routing/Breakers.ts"
import { RetryBudget } from "../../src/routing/RetryBudget.ts"
import { Router } from "../../src/routing/Router.ts"
import { refs, route, simulated } from "../routing/world.ts"
import { settingsOf, timeouts } from "../support/settings.ts"
import type { WorldBudgets } from "./World.ts"

/**
 * The gateway of all worlds, everything between its edges real. Three providers serve the route `auto`: `a` is the
 * cheapest and goes first while nothing is known, then `b`; `c` has no price. `b/big` takes longer prompts. The route `hedged`
 * has the same ones, and asks a second one when the first is late.
 */

export type ProviderName = "a" | "b" | "c"

const usualLimits = {
  maxAttempts: 4,
  retryRatio: 0.2,
  requestsPerMinute: 120,
  cachedTokensCount: true,
  models: {},
  defaultMaxOutputTokens: 8_192,
  maxInFlight: 200,
  maxStreams: 200,
  maxKeyShare: 0.5,
  maxEventLoopDelayMs: 100,
  maxUpstreamBytes: 1_000_000,
  timeZone: "UTC",
}

export type Limits = typeof usualLimits
export type LimitChanges = Partial<Limits>

export type IdempotencyChanges = Partial<(typeof IdempotencyLimits)["Service"]>

export const idempotencyOf = (changes: IdempotencyChanges): (typeof IdempotencyLimits)["Service"] => ({
  ...IdempotencyLimits.defaultValue(),
  ...changes,
})

export const limitsOf = (changes: LimitChanges): Limits => ({ ...usualLimits, ...changes })

/** Cached input at a tenth of the price. */
const price = (usdPer1M: number): Price => ({
  inputNanoPer1M: usdPer1M * 1e9,
  cachedInputNanoPer1M: usdPer1M * 1e8,
  outputNanoPer1M: usdPer1M * 4e9,
  source: "test",
  asOf: "2026-11-23",
})

export const models: Readonly<Record<ProviderName, ReadonlyArray<ModelConfig>>> = {
  a: [{ name: "m", kind: "chat", price: price(1) }],
  b: [
    { name: "m", kind: "chat", price: price(2) },
    { name: "big", kind: "chat", price: price(8) },
  ],
  c: [{ name: "m", kind: "chat" }],
}

export const targets = ["a/m", "b/m", "b/big", "c/m"] as const

/** Most hedges, as a share of requests and of what is spent. */
export const hedge = { traffic: 0.25, spend: 0.5 }

export const providerNames: ReadonlyArray<ProviderName> = ["a", "b", "c"]

const gatewayOf = (changes: LimitChanges): GatewayConfig => ({
  providers: providerNames.map((name) => simulated(name, models[name])),
  priceLayers: new Map(),
  off: new Map(),
  routes: new Map([
    [
      "auto",
      route(refs("a/m", "b/m", "c/m"), { largerContext: refs("b/big"), exploration: 0.05, hysteresis: 0.1 }),
    ],
    ["hedged", route(refs("a/m", "b/m", "c/m"), { name: "hedged", largerContext: refs("b/big"), hedge })],
    ["only-a", route(refs("a/m"), { name: "only-a" })],
  ]),
  timeouts,
  limits: limitsOf(changes),
  attribution: { headers: {} },
  ledger: { journal: "memory", journalMaxBytes: 0 },
})

/** Without its samples of the event loop, which has no delay here: they come four times a second. */
const admission = Admission.layerNoDeps.pipe(
  Layer.provide(Layer.succeed(EventLoopDelay, { take: () => 0 })),
  Layer.provide(
    Layer.effect(
      Clock.Clock,
      Effect.map(Clock.Clock, (clock): Clock.Clock => ({ ...clock, sleep: () => Effect.never })),
    ),
  ),
)

const routing = Layer.mergeAll(Router.layer, RetryBudget.layer).pipe(Layer.provideMerge(Breakers.layer))

/** What a gateway finds around it. */
interface Surroundings {
  readonly limits: LimitChanges
  readonly idempotency: IdempotencyChanges
  readonly edges: Layer.Layer<Authenticator | ClaimStore | Providers | SqlClient.SqlClient>
  readonly journal: Effect.Effect<Journal, never, Scope.Scope>
  readonly budgets: WorldBudgets | undefined
}

const budgetsLayer = ({ all }: WorldBudgets) =>
  Layer.unwrap(
    Effect.map(Ledger, ({ holder }) =>
      Budgets.layerNoDeps(holder).pipe(
        Layer.provide([
          LeaseStore.layerPostgres(holder),
          SharedBudgets.layerTest(all.filter(({ scope }) => scope !== "key")),
        ]),
      ),
    ),
  )

/** Characters of records that wait in memory while the journal takes none. */
const OVERFLOW_CHARACTERS = 1_000_000

export const startGateway = ({ budgets, edges, idempotency, journal, limits }: Surroundings) =>
  Effect.map(
    Layer.build(
      Layer.fresh(
        InferenceEndpoints.layer.pipe(
          Layer.provideMerge(Inference.layer),
          Layer.provide(Attempts.layer),
          Layer.provideMerge(routing),
          Layer.provide([
            Idempotency.layerNoDeps,
            RateLimits.layerMemory,
            budgets === undefined ? Budgets.layerNone : budgetsLayer(budgets),
            admission,
          ]),
          Layer.provide(Ledger.layerOn(journal, OVERFLOW_CHARACTERS)),
          Layer.provide([
            edges,
            settingsOf(gatewayOf(limits)),
            Layer.succeed(IdempotencyLimits, idempotencyOf(idempotency)),
          ]),
        ),
      ),
    ),
    (context) => ({
      endpoints: Context.get(context, InferenceEndpoints),
      inference: Context.get(context, Inference),
      breakers: Context.get(context, Breakers),
    }),
  )

export type Gateway = Effect.Success<ReturnType<typeof startGateway>>
