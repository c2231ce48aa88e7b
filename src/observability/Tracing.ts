import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Effect, Layer, Tracer } from "effect"
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
    Layer.effect(Tracer.Tracer, Effect.map(Tracer.Tracer, withoutQueries)).pipe(
      Layer.provide(OtlpTracer.layer({ url: `${endpoint}/v1/traces`, resource, shutdownTimeout })),
    ),
    OtlpMetrics.layer({ url: `${endpoint}/v1/metrics`, resource, shutdownTimeout }),
  ).pipe(Layer.provide([OtlpSerialization.layerJson, NodeHttpClient.layerUndici]))
}

/** Attributes that are left out: a query string can hold anything, also a key that a client put there by mistake. */
const QUERIES: ReadonlySet<string> = new Set(["url.full", "url.query"])

const withoutQueries = (tracer: Tracer.Tracer): Tracer.Tracer => ({
  ...tracer,
  span: (options) => {
    const span = tracer.span(options)
    const attribute = span.attribute.bind(span)
    span.attribute = (key, value) => {
      if (!QUERIES.has(key)) attribute(key, value)
    }
    return span
  },
})

export const layerTracing: Layer.Layer<never, never, Settings> = Layer.unwrap(
  Effect.map(
    Settings,
    ({ otlpEndpoint }): Layer.Layer<never> =>
      otlpEndpoint === undefined ? Layer.empty : layerOtlp(otlpEndpoint),
  ),
)
