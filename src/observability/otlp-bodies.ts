import type { OtlpMetrics, OtlpSerialization, OtlpTracer } from "effect/observability"
import { units } from "./gen-ai-metrics.ts"

/**
 * The last look at what leaves for a collector. Spans are made in many places, also outside of this project, and errors may
 * quote a prompt, a key or a provider that does: of an error only its kind goes out, and of a URL no query.
 */

type Serialization = (typeof OtlpSerialization.OtlpSerialization)["Service"]
type Span = OtlpTracer.ScopeSpan["spans"][number]
type Attributes = Span["attributes"]

/** A query can hold anything, also a key that a client put there by mistake. */
const HIDDEN: ReadonlySet<string> = new Set(["url.full", "url.query", "http.url", "http.target"])

const kindOfError = (attributes: Attributes): string | undefined =>
  attributes.find(({ key }) => key === "error.type" || key === "exception.type")?.value.stringValue ??
  undefined

/** A path that is none of the service's is the client's own words. */
const mayTell = (key: string, isRouted: boolean): boolean =>
  !HIDDEN.has(key) && (key !== "url.path" || isRouted)

const withoutWords = (span: Span): Span => {
  const kind = kindOfError(span.attributes)
  const isRouted = span.attributes.some(({ key }) => key === "http.route")
  return {
    ...span,
    attributes: span.attributes.filter(({ key }) => mayTell(key, isRouted)),
    events: span.events.map((event) =>
      event.name === "exception"
        ? { ...event, attributes: event.attributes.filter(({ key }) => key === "exception.type") }
        : event,
    ),
    status: kind === undefined ? { code: span.status.code } : { code: span.status.code, message: kind },
  }
}

type Metric = OtlpMetrics.MetricsData["resourceMetrics"][number]["scopeMetrics"][number]["metrics"][number]

const PORT = "server.port"

const unitOf = ({ name, unit }: Metric): Pick<Metric, "unit"> => {
  const known = units.get(name) ?? (/_seconds$/.test(name) ? "s" : /_bytes$/.test(name) ? "By" : unit)
  return known === undefined ? {} : { unit: known }
}

/** Says the unit, which a name may end in and labels do not have, and ports as the numbers that they are. */
const inConventions = (metric: Metric): Metric => {
  const { histogram } = metric
  if (histogram === undefined) return { ...metric, ...unitOf(metric) }
  const dataPoints = histogram.dataPoints.map((point) => ({
    ...point,
    attributes: (point.attributes ?? []).map((attribute) =>
      attribute.key === PORT && attribute.value.stringValue != null
        ? { key: PORT, value: { intValue: Number(attribute.value.stringValue) } }
        : attribute,
    ),
  }))
  return { ...metric, ...unitOf(metric), histogram: { ...histogram, dataPoints } }
}

export const careful = (serialization: Serialization): Serialization => ({
  ...serialization,
  traces: ({ resourceSpans }) =>
    serialization.traces({
      resourceSpans: resourceSpans.map((resource) => ({
        ...resource,
        scopeSpans: resource.scopeSpans.map((scope) => ({ ...scope, spans: scope.spans.map(withoutWords) })),
      })),
    }),
  metrics: ({ resourceMetrics }) =>
    serialization.metrics({
      resourceMetrics: resourceMetrics.map((resource) => ({
        ...resource,
        scopeMetrics: resource.scopeMetrics.map((scope) => ({
          ...scope,
          metrics: scope.metrics.map(inConventions),
        })),
      })),
    }),
})
