import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"

const Ready = Schema.Struct({
  status: Schema.Literals(["ready", "degraded", "starting", "draining"]),
  reasons: Schema.Array(Schema.String).annotate({ description: "What is degraded, e.g. the database" }),
}).annotate({ identifier: "Readiness" })

export class SystemApi extends HttpApiGroup.make("system")
  .add(
    HttpApiEndpoint.get("livez", "/livez", {
      success: Schema.Struct({ status: Schema.Literal("ok") }),
    }).annotateMerge(OpenApi.annotations({ summary: "The process runs; depends on nothing" })),
    HttpApiEndpoint.get("readyz", "/readyz", {
      success: Ready,
      error: Ready.pipe(HttpApiSchema.status(503)),
    }).annotateMerge(
      OpenApi.annotations({ summary: "503 only while starting or draining; `degraded` stays 200" }),
    ),
    HttpApiEndpoint.get("metrics", "/metrics", {
      success: Schema.String.pipe(
        HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" }),
      ),
    }).annotateMerge(OpenApi.annotations({ summary: "Prometheus metrics" })),
  )
  .annotateMerge(OpenApi.annotations({ title: "System", description: "Open to everyone" })) {}
