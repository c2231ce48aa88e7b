import { Deferred, Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { AdminApi } from "../api/GatewayApi.ts"
import { GatewayReload } from "../config/GatewayReload.ts"
import { DatabaseHealth } from "../database/DatabaseHealth.ts"
import { SchemaHealth } from "../database/SchemaHealth.ts"
import { Ledger } from "../ledger/Ledger.ts"
import { sumMetrics } from "../observability/sum-metrics.ts"
import { Siblings } from "../platform/Siblings.ts"
import { withPlaces } from "./open-routes.ts"
import { Readiness } from "./Readiness.ts"

/** Times the 100 KB that the metrics of many providers may have: few enough, and more than scrapers there are. */
const METRICS_PLACES = 32
const RENDERINGS_PER_SECOND = 20

/**
 * Renders the metrics as often as the budget allows. Above it, whoever asks waits for the next rendering, which all share
 * that ask until it begins: nobody gets a text that is older than the question.
 */
const makeMetrics = (everybodys: Effect.Effect<ReadonlyArray<unknown>>) => {
  let budget = RENDERINGS_PER_SECOND
  let budgetAtMs = performance.now()
  let coming: Deferred.Deferred<Uint8Array> | undefined

  const render = Effect.map(everybodys, (texts): Uint8Array => {
    const [text = "", ...others] = texts.filter((text) => typeof text === "string")
    return Buffer.from(others.length === 0 ? text : sumMetrics([text, ...others]))
  })
  const waitForBudget = Effect.suspend(() => {
    const nowMs = performance.now()
    budget = Math.min(RENDERINGS_PER_SECOND, budget + ((nowMs - budgetAtMs) / 1000) * RENDERINGS_PER_SECOND)
    budgetAtMs = nowMs
    budget -= 1
    return budget >= 0 ? Effect.void : Effect.sleep((-budget / RENDERINGS_PER_SECOND) * 1000)
  })
  const rendering = Effect.suspend(() => {
    if (coming !== undefined) return Deferred.await(coming)
    const mine = Deferred.makeUnsafe<Uint8Array>()
    coming = mine
    const begin = Effect.sync(() => {
      coming = undefined
    })
    return waitForBudget.pipe(
      Effect.andThen(begin),
      Effect.andThen(render),
      Effect.onExit((exit) => Deferred.done(mine, exit)),
      // Others wait for it, whose client may stay.
      Effect.forkDetach,
      Effect.andThen(Deferred.await(mine)),
    )
  })
  return withPlaces(METRICS_PLACES)(
    Effect.map(rendering, (bytes) =>
      HttpServerResponse.uint8Array(bytes, { contentType: "text/plain; version=0.0.4; charset=utf-8" }),
    ),
  )
}

/** Routes for probes and scrapers: no credential, nothing about keys, prompts or configuration in them. */
export const SystemHandlers = HttpApiBuilder.group(
  AdminApi,
  "system",
  Effect.fn(function* (handlers) {
    const readiness = yield* Readiness
    const database = yield* DatabaseHealth
    const schema = yield* SchemaHealth
    const ledger = yield* Ledger
    const { fault: configFault } = yield* GatewayReload

    const troubles = () => {
      const reachable = database.reachable()
      const told = (what: string, fault: string | undefined) =>
        fault === undefined ? [] : [`${what}: ${fault}`]
      return [
        ...(reachable ? [] : ["database unreachable"]),
        ...told("database schema", schema.fault()),
        // One fault, one reason.
        ...(reachable ? told("ledger cannot write to the database", ledger.databaseFault()) : []),
        ...told("ledger journal takes no records", ledger.journalFault()),
        ...told("configuration not reloaded", configFault()),
      ]
    }
    const metrics = makeMetrics(yield* (yield* Siblings).question("metrics", PrometheusMetrics.format()))

    const readyz = Effect.suspend(() => {
      const phase = readiness.phase()
      const reasons = troubles()
      if (phase !== "ready") return Effect.fail({ status: phase, reasons })
      return Effect.succeed({ status: reasons.length > 0 ? ("degraded" as const) : phase, reasons })
    })

    return handlers.handleAll({
      livez: () => Effect.succeed({ status: "ok" as const }),
      readyz: () => readyz,
      metrics: () => metrics,
    })
  }),
)
