import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { AdminApi } from "../api/GatewayApi.ts"
import { DatabaseHealth } from "../database/DatabaseHealth.ts"
import { SchemaHealth } from "../database/SchemaHealth.ts"
import { Ledger } from "../ledger/Ledger.ts"
import { Readiness } from "./Readiness.ts"

/** Routes for probes and scrapers: no credential, nothing about keys, prompts or configuration in them. */
export const SystemHandlers = HttpApiBuilder.group(
  AdminApi,
  "system",
  Effect.fn(function* (handlers) {
    const readiness = yield* Readiness
    const database = yield* DatabaseHealth
    const schema = yield* SchemaHealth

    const ledger = yield* Ledger

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
