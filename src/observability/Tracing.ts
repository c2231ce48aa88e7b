import { randomUUID } from "node:crypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { ConfigProvider, Effect, Layer, Redacted, Tracer } from "effect"
import { HttpClient } from "effect/http"
import { OtlpMetrics, OtlpSerialization, OtlpTracer } from "effect/observability"
import { pairsIn } from "../config/pairs.ts"
import { Settings } from "../config/Settings.ts"
import { version } from "../config/version.ts"
import { toCollector } from "./collector-client.ts"
import { careful } from "./otlp-bodies.ts"
import { sampledBy } from "./sampler.ts"

const SERVICE_NAME = "llm-inference-gateway"

/** Spans of one batch: fewer than what would hold up the event loop while they are written. */
const BATCH_SPANS = 512

/**
 * Sends traces and metrics to the OTLP/HTTP collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names; nothing at all
 * when it is unset. Logs stay on stderr. A collector that is down costs dropped telemetry, never a request, and
 * at most the shutdown timeout at the end.
 */
const layerOtlp = (endpoint: string, settings: Settings["Service"]) => {
  const { otelServiceName, otelTracesSampler = "parentbased_always_on", otelTracesSamplerArg = 1 } = settings
  const stated = Object.fromEntries(pairsIn(settings.otelResourceAttributes ?? "") ?? [])
  const options = {
    headers: Object.fromEntries(
      pairsIn(settings.otlpHeaders === undefined ? "" : Redacted.value(settings.otlpHeaders)) ?? [],
    ),
    resource: {
      serviceName: otelServiceName ?? stated["service.name"] ?? SERVICE_NAME,
      serviceVersion: version,
      // Sums of one replica are not those of another.
      attributes: { "service.instance.id": randomUUID(), ...stated },
    },
    shutdownTimeout: "2 seconds",
  } as const
  const tracer = Layer.effect(
    Tracer.Tracer,
    Effect.map(Tracer.Tracer, (each) => sampledBy(each, otelTracesSampler, otelTracesSamplerArg)),
  ).pipe(
    Layer.provide(OtlpTracer.layer({ ...options, url: `${endpoint}/v1/traces`, maxBatchSize: BATCH_SPANS })),
    Layer.provide(layerCollector("traces")),
  )
  const metrics = OtlpMetrics.layer({ ...options, url: `${endpoint}/v1/metrics` }).pipe(
    Layer.provide(layerCollector("metrics")),
  )
  return Layer.mergeAll(tracer, metrics).pipe(
    Layer.provide([layerCareful, NodeHttpClient.layerUndici]),
    // Everything is said by the settings.
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))),
  )
}

const layerCollector = (signal: "traces" | "metrics") =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.flatMap(HttpClient.HttpClient, (client) => toCollector(client, signal)),
  )

const layerCareful = Layer.effect(
  OtlpSerialization.OtlpSerialization,
  Effect.map(OtlpSerialization.OtlpSerialization, careful),
).pipe(Layer.provide(OtlpSerialization.layerJson))

export const layerTracing: Layer.Layer<never, never, Settings> = Layer.unwrap(
  Effect.map(
    Settings,
    (settings): Layer.Layer<never> =>
      settings.otlpEndpoint === undefined ? Layer.empty : layerOtlp(settings.otlpEndpoint, settings),
  ),
)
