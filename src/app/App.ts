import cluster from "node:cluster"
import { Effect, Latch, Layer } from "effect"
import { Analytics } from "../analytics/Analytics.ts"
import { CurrentActor } from "../audit/Actor.ts"
import { Audit } from "../audit/Audit.ts"
import { AdminSessions } from "../auth/AdminSessions.ts"
import { AdminTokens } from "../auth/AdminTokens.ts"
import { ApiKeys } from "../auth/ApiKeys.ts"
import { Authenticator } from "../auth/Authenticator.ts"
import { ChildKeys } from "../auth/ChildKeys.ts"
import { KeyChanges } from "../auth/KeyChanges.ts"
import { Teams } from "../auth/Teams.ts"
import { Alerts } from "../budgets/Alerts.ts"
import { BudgetBook } from "../budgets/BudgetBook.ts"
import { Budgets } from "../budgets/Budgets.ts"
import { commandLineActor } from "../cli/command-line-actor.ts"
import { Settings } from "../config/Settings.ts"
import { Database } from "../database/Database.ts"
import { DatabaseHealth } from "../database/DatabaseHealth.ts"
import { migrateDatabase, migrateWhenAvailable } from "../database/migrations.ts"
import { SchemaHealth } from "../database/SchemaHealth.ts"
import { SchemaReady } from "../database/SchemaReady.ts"
import { InferenceEndpoints } from "../http/InferenceEndpoints.ts"
import { Readiness } from "../http/Readiness.ts"
import { Refusals } from "../http/Refusals.ts"
import * as Server from "../http/Server.ts"
import { Uploads } from "../http/Uploads.ts"
import { Idempotency } from "../idempotency/Idempotency.ts"
import { Inference } from "../inference/Inference.ts"
import { LearnedMargins } from "../inference/InputMargins.ts"
import { Ledger } from "../ledger/Ledger.ts"
import { LedgerUpkeep } from "../ledger/tables/LedgerUpkeep.ts"
import { Admission } from "../limits/Admission.ts"
import { RateLimits } from "../limits/RateLimits.ts"
import { layerBuildInfo } from "../observability/Metrics.ts"
import { layerTracing } from "../observability/Tracing.ts"
import { LargeBodies } from "../platform/LargeBodies.ts"
import { Siblings } from "../platform/Siblings.ts"
import { KeyMemory } from "../providers/KeyMemory.ts"
import { HealthMemory } from "../routing/HealthMemory.ts"
import { RetryBudget } from "../routing/RetryBudget.ts"
import { RoutingMemory } from "../routing/RoutingMemory.ts"
import { Statistics } from "../routing/Statistics.ts"
import { layerLiveInference } from "./live-inference.ts"
import { processPolicy } from "./process-policy.ts"
import { followReloadTriggers } from "./reload-triggers.ts"
import { layerTripReports } from "./trip-reports.ts"
import { welcome } from "./welcome.ts"
import { supervise } from "./workers/supervise.ts"

// The only file that wires layers. Each pool is its own, so that one kind of work cannot starve another.

/** API keys: short statements. */
const keyPool = Database.layerPool({
  applicationName: "llm-gateway keys",
  maxConnections: 3,
  statementTimeoutMs: 5_000,
})
/** Idempotency: clients decide how many, and may store megabytes. */
const claimPool = Database.layerPool({
  applicationName: "llm-gateway idempotency",
  maxConnections: 4,
  statementTimeoutMs: 5_000,
})
/** Budgets: one statement at a time, for all requests that wait. */
const budgetPool = Database.layerPool({
  applicationName: "llm-gateway budgets",
  maxConnections: 2,
  statementTimeoutMs: 5_000,
})
const ledgerPool = Database.layerPool({
  applicationName: "llm-gateway ledger",
  maxConnections: 2,
  statementTimeoutMs: 60_000,
})
const readPool = Database.layerPool({
  applicationName: "llm-gateway analytics",
  maxConnections: 2,
  statementTimeoutMs: 15_000,
})

const auth = Authenticator.layer.pipe(
  Layer.provideMerge(Layer.merge(ApiKeys.layer, ChildKeys.layer)),
  Layer.provide(KeyChanges.layer),
)

const requestServices = Layer.mergeAll(
  Layer.mergeAll(auth, Teams.layer, BudgetBook.layer, DatabaseHealth.layer).pipe(Layer.provide(keyPool)),
  SchemaHealth.layer.pipe(Layer.provide(readPool)),
  Idempotency.layer.pipe(Layer.provide(claimPool)),
)

/** News of trips: one connection listens, the other tells. */
const newsPool = Database.layerPool({
  applicationName: "llm-gateway news",
  maxConnections: 2,
  statementTimeoutMs: 2_000,
})

/** What is learned of providers and of requests, whatever the configuration. */
const learned = Layer.mergeAll(
  HealthMemory.layer.pipe(Layer.provide(layerTripReports), Layer.provide(newsPool)),
  Statistics.layer,
  RoutingMemory.layer,
  KeyMemory.layer,
  RetryBudget.layer,
  LearnedMargins.layer,
)

const ledger = LedgerUpkeep.layer.pipe(Layer.provideMerge(Ledger.layer), Layer.provide(ledgerPool))

const budgets = Layer.unwrap(Effect.map(Ledger, ({ holder }) => Budgets.layer(holder))).pipe(
  Layer.merge(Alerts.layer),
  Layer.provide(budgetPool),
)

/** Exchanges of limits: one at a time, short. */
const limitsPool = Database.layerPool({
  applicationName: "llm-gateway limits",
  maxConnections: 2,
  statementTimeoutMs: 2_000,
})
const rateLimits = RateLimits.layer.pipe(Layer.provide(limitsPool))

const inference = layerLiveInference.pipe(
  Layer.provide([learned, rateLimits, budgets, LargeBodies.layer]),
  Layer.provideMerge(ledger),
)

const endpoints = InferenceEndpoints.layer.pipe(
  Layer.provideMerge(inference),
  Layer.provideMerge(requestServices),
  Layer.provideMerge(Admission.layer),
)

/** An embedded database is the supervisor's, where there is one. */
const database = Layer.suspend(() => (cluster.isWorker ? Database.layerClient : Database.layer))

/** Everything that serves requests, from the database up to the open port. */
const service = Server.layer.pipe(
  Layer.provide(Layer.merge(Analytics.layer, Audit.layer).pipe(Layer.provide(readPool))),
  Layer.provide([LargeBodies.layer, Refusals.layer, Uploads.layer]),
  Layer.provideMerge(endpoints),
  Layer.provideMerge([AdminTokens.layer, AdminSessions.layer]),
  Layer.provideMerge(Layer.merge(Readiness.layer, Layer.effect(SchemaReady, Latch.make(false)))),
  Layer.provideMerge(Layer.mergeAll(database, Siblings.layer, layerTracing, layerBuildInfo)),
)

/** Balancers learn from `/readyz` that this replica leaves before its port closes. */
const DRAIN_NOTICE = "500 millis"

/**
 * Runs the service with the settings that it is given until it is interrupted. It listens at once; it is ready when the
 * schema is up to date, which with a database that is down takes until that is back.
 */
export const gateway = Effect.gen(function* () {
  const services = yield* Layer.build(service)
  return yield* Effect.provide(running, services)
}).pipe(Effect.scoped)

/** Serves in this process, or has workers do so. */
const gateways = Effect.gen(function* () {
  const { gateway: config, workers } = yield* Settings
  if (workers === 1 || cluster.isWorker) return yield* gateway
  const { drainMs } = config.timeouts
  return yield* Effect.provide(supervise({ workers, drainMs, notice: DRAIN_NOTICE }), Database.layer)
})

/** Runs the service as what its process is for, with the settings of its environment. */
export const serve = processPolicy.pipe(
  Effect.andThen(Effect.provide(gateways, Settings.layer)),
  Effect.scoped,
  Effect.onInterrupt(() =>
    Effect.sync(() => {
      process.exitCode = 0
    }),
  ),
)

/** Before the server cuts what is left: an error in the stream needs a moment to reach its client. */
const LAST_WORDS_MS = 500

const running = Effect.gen(function* () {
  const readiness = yield* Readiness
  const schema = yield* SchemaHealth
  const schemaReady = yield* SchemaReady
  const database = yield* Database
  const inference = yield* Inference
  const childKeys = yield* ChildKeys
  const upkeep = yield* LedgerUpkeep
  const { drainMs } = (yield* Settings).gateway.timeouts
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => readiness.setPhase("draining")).pipe(
      Effect.andThen(Effect.sleep(DRAIN_NOTICE)),
      Effect.andThen(
        Effect.forkDetach(
          Effect.andThen(Effect.sleep(Math.max(0, drainMs - LAST_WORDS_MS)), inference.endStreams),
        ),
      ),
    ),
  )
  yield* followReloadTriggers
  const started = migrateWhenAvailable.pipe(
    Effect.andThen(schema.look),
    Effect.andThen(schemaReady.open),
    Effect.andThen(Effect.sync(() => readiness.setPhase("ready"))),
    // One of the workers greets who started them.
    Effect.andThen((cluster.worker?.id ?? 1) === 1 ? welcome : Effect.void),
    Effect.andThen(Effect.raceAllFirst([upkeep.run, childKeys.upkeep, schema.watch])),
  )
  return yield* Effect.raceFirst(started, database.stopped)
})

/** Whoever runs a command is the actor of what it changes. */
const commandActor = Layer.sync(CurrentActor, commandLineActor)

/** For commands: the same database, also that of a gateway running beside, with an up-to-date schema. */
export const operatorKeys = Layer.mergeAll(ApiKeys.layer, Teams.layer, BudgetBook.layer).pipe(
  Layer.provide(keyPool),
  Layer.provide(Layer.effectDiscard(migrateDatabase)),
  Layer.provide(Database.layerClient),
  Layer.provideMerge(Layer.merge(Settings.layer, commandActor)),
)

export const operatorAudit = Audit.layer.pipe(
  Layer.provide(readPool),
  Layer.provide(Layer.effectDiscard(migrateDatabase)),
  Layer.provide(Database.layerClient),
  Layer.provide(Settings.layer),
)

export const operatorDatabase = Database.layerClient.pipe(Layer.provide(Settings.layer))

/** For a command that works through the ledger: long, in short statements. The schema is the command's to check. */
export const operatorLedger = Database.layerPool({
  applicationName: "llm-gateway command",
  maxConnections: 1,
  statementTimeoutMs: 60_000,
}).pipe(Layer.provide(Database.layerClient), Layer.provideMerge(Layer.merge(Settings.layer, commandActor)))

export const operatorTokens = AdminTokens.layer.pipe(
  Layer.provideMerge(Layer.merge(Settings.layer, commandActor)),
)
