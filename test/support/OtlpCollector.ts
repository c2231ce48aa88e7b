import { createServer, type Server, type ServerResponse } from "node:http"
import { Schema } from "effect"

/** Takes whatever telemetry is sent, keeps its bodies, and reads them. */
export class OtlpCollector {
  static async start(): Promise<OtlpCollector> {
    const collector = new OtlpCollector()
    await new Promise<void>((resolve) => collector.#server.listen(0, "127.0.0.1", resolve))
    return collector
  }

  readonly received: Array<{
    readonly path: string
    readonly body: string
    readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  }> = []
  /** What it does with a batch that it has read. */
  respond: (response: ServerResponse, path: string) => void = taken
  readonly #server: Server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text
    })
    request.on("error", () => {})
    request.on("end", () => {
      const path = request.url ?? ""
      this.received.push({ path, body, headers: request.headers })
      this.respond(response, path)
    })
  })

  get url(): string {
    const address = this.#server.address()
    return `http://127.0.0.1:${address === null || typeof address === "string" ? 0 : address.port}`
  }

  spans(): ReadonlyArray<ReceivedSpan> {
    return this.#bodies("/v1/traces").flatMap((body) =>
      decodeTraces(body).resourceSpans.flatMap(({ resource, scopeSpans }) =>
        scopeSpans.flatMap(({ spans }) =>
          spans.map((span) => ({
            ...span,
            attributes: valuesOf(span.attributes),
            resource: valuesOf(resource.attributes),
          })),
        ),
      ),
    )
  }

  /** The points of all histograms of a name as they were last sent. */
  points(name: string): ReadonlyArray<ReceivedPoint> {
    const last = this.#bodies("/v1/metrics").at(-1)
    if (last === undefined) return []
    return decodeMetrics(last)
      .resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
      .filter((metric) => metric.name === name)
      .flatMap(({ histogram, unit }) =>
        (histogram?.dataPoints ?? []).map((point) => ({
          ...point,
          unit,
          attributes: valuesOf(point.attributes),
        })),
      )
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  #bodies(end: string): ReadonlyArray<string> {
    return this.received.filter(({ path }) => path.endsWith(end)).map(({ body }) => body)
  }
}

const taken = (response: ServerResponse): void => {
  response.setHeader("content-type", "application/json").end("{}")
}

const Scalar = Schema.Union([
  Schema.Struct({ stringValue: Schema.String }),
  Schema.Struct({ intValue: Schema.Union([Schema.Finite, Schema.FiniteFromString]) }),
  Schema.Struct({ doubleValue: Schema.Finite }),
  Schema.Struct({ boolValue: Schema.Boolean }),
])
const Attributes = Schema.Array(
  Schema.Struct({
    key: Schema.String,
    value: Schema.Union([
      Scalar,
      Schema.Struct({ arrayValue: Schema.Struct({ values: Schema.Array(Scalar) }) }),
    ]),
  }),
)
const Resource = Schema.Struct({ attributes: Attributes })
const Span = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.optional(Schema.String),
  name: Schema.String,
  kind: Schema.Int,
  startTimeUnixNano: Schema.BigIntFromString,
  endTimeUnixNano: Schema.BigIntFromString,
  status: Schema.Struct({ code: Schema.Int, message: Schema.optional(Schema.String) }),
  events: Schema.Array(Schema.Struct({ name: Schema.String, attributes: Attributes })),
  attributes: Attributes,
})
const decodeTraces = Schema.decodeUnknownSync(
  Schema.fromJsonString(
    Schema.Struct({
      resourceSpans: Schema.Array(
        Schema.Struct({
          resource: Resource,
          scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Span) })),
        }),
      ),
    }),
  ),
)
const Point = Schema.Struct({
  attributes: Attributes,
  count: Schema.Int,
  sum: Schema.Finite,
  explicitBounds: Schema.Array(Schema.Finite),
})
const decodeMetrics = Schema.decodeUnknownSync(
  Schema.fromJsonString(
    Schema.Struct({
      resourceMetrics: Schema.Array(
        Schema.Struct({
          scopeMetrics: Schema.Array(
            Schema.Struct({
              metrics: Schema.Array(
                Schema.Struct({
                  name: Schema.String,
                  unit: Schema.String,
                  histogram: Schema.optional(Schema.Struct({ dataPoints: Schema.Array(Point) })),
                }),
              ),
            }),
          ),
        }),
      ),
    }),
  ),
)

type Values = Readonly<Record<string, unknown>>
export type ReceivedSpan = Omit<typeof Span.Type, "attributes"> & {
  readonly attributes: Values
  readonly resource: Values
}
type ReceivedPoint = Omit<typeof Point.Type, "attributes"> & {
  readonly unit: string
  readonly attributes: Values
}

const valuesOf = (attributes: typeof Attributes.Type): Values =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      "arrayValue" in value
        ? value.arrayValue.values.map((each) => Object.values(each)[0])
        : Object.values(value)[0],
    ]),
  )
