import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { AdminApi } from "../api/GatewayApi.ts"
import { DatabaseHealth } from "../database/DatabaseHealth.ts"
import { Readiness } from "./Readiness.ts"

/** Routes for probes and scrapers: no credential, nothing about keys, prompts or configuration in them. */
export const SystemHandlers = HttpApiBuilder.group(
  AdminApi,
  "system",
  Effect.fn(function* (handlers) {
    const readiness = yield* Readiness
    const database = yield* DatabaseHealth

    const readyz = Effect.sync(() => {
      const phase = readiness.phase()
      const reasons = database.reachable() ? [] : ["database unreachable"]
      const status = phase === "ready" && reasons.length > 0 ? "degraded" : phase
      return HttpServerResponse.jsonUnsafe({ status, reasons }, { status: phase === "ready" ? 200 : 503 })
    })

    return handlers
      .handleRaw("livez", () => Effect.succeed(HttpServerResponse.jsonUnsafe({ status: "ok" })))
      .handleRaw("readyz", () => readyz)
      .handleRaw("metrics", () =>
        Effect.map(PrometheusMetrics.format(), (text) =>
          HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" }),
        ),
      )
  }),
)
