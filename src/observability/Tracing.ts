import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { OtlpMetrics, OtlpSerialization, OtlpTracer } from "effect/observability"
import { Settings } from "../config/Settings.ts"
import { version } from "../config/version.ts"

/**
 * Sends traces and metrics to the OTLP/HTTP collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names; nothing at all
 * when it is unset. Logs stay on stderr. A collector that is down costs dropped telemetry, never a request, and
 * at most the shutdown timeout at the end.
 */
const layerOtlp = (endpoint: string) => {
  const resource = { serviceName: "llm-inference-gateway", serviceVersion: version }
  const shutdownTimeout = "2 seconds"
  return Layer.mergeAll(
    OtlpTracer.layer({ url: `${endpoint}/v1/traces`, resource, shutdownTimeout }),
    OtlpMetrics.layer({ url: `${endpoint}/v1/metrics`, resource, shutdownTimeout }),
  ).pipe(Layer.provide([OtlpSerialization.layerJson, NodeHttpClient.layerUndici]))
}

export const layerTracing: Layer.Layer<never, never, Settings> = Layer.unwrap(
  Effect.map(
    Settings,
    ({ otlpEndpoint }): Layer.Layer<never> =>
      otlpEndpoint === undefined ? Layer.empty : layerOtlp(otlpEndpoint),
  ),
)
