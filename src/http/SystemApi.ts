import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { AdminApi } from "../api/GatewayApi.ts"
import { DatabaseHealth } from "../database/DatabaseHealth.ts"
import { SchemaHealth } from "../database/SchemaHealth.ts"
import { Readiness } from "./Readiness.ts"

/** Routes for probes and scrapers: no credential, nothing about keys, prompts or configuration in them. */
export const SystemHandlers = HttpApiBuilder.group(
  AdminApi,
  "system",
  Effect.fn(function* (handlers) {
    const readiness = yield* Readiness
    const database = yield* DatabaseHealth
    const schema = yield* SchemaHealth

    const troubles = () => {
      const schemaFault = schema.fault()
      return [
        ...(database.reachable() ? [] : ["database unreachable"]),
        ...(schemaFault === undefined ? [] : [`database schema: ${schemaFault}`]),
      ]
    }

    const readyz = Effect.suspend(() => {
      const phase = readiness.phase()
      const reasons = troubles()
      if (phase !== "ready") return Effect.fail({ status: phase, reasons })
      return Effect.succeed({ status: reasons.length > 0 ? ("degraded" as const) : phase, reasons })
    })

    return handlers.handleAll({
      livez: () => Effect.succeed({ status: "ok" as const }),
      readyz: () => readyz,
      metrics: () => PrometheusMetrics.format(),
    })
  }),
)
