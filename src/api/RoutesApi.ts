import { Schema, Struct } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { AdminAuth, ReadsOnly } from "./AdminAuth.ts"
import { DryRunResponse, InferRequest } from "./InferApi.ts"
import { problem } from "./Problem.ts"
import { JsonBody, SchemaErrors } from "./RequestChecks.ts"
import { line } from "./shapes.ts"

/** Body of a dry run: that of `POST /infer`, and whose key it would come with. */
const DryRunRequest = Schema.Struct({
  ...Struct.pick(InferRequest.fields, ["model", "prompt", "messages", "max_tokens", "temperature", "stream"]),
  key_id: Schema.optionalKey(
    line.annotate({
      description: "The key whose models and budgets hold; absent: one that may ask for everything",
    }),
  ),
}).pipe(
  Schema.annotateEncoded({
    identifier: "DryRunRequest",
    examples: [{ prompt: "Say hello" }, { model: "auto", prompt: "Say hello", max_tokens: 200 }],
  }),
)

export class RoutesApi extends HttpApiGroup.make("routes")
  .add(
    HttpApiEndpoint.post("dryRun", "/admin/routes/dry-run", {
      payload: DryRunRequest,
      success: DryRunResponse,
      error: [400, 403, 404, 500, 503].map(problem),
    })
      .middleware(JsonBody)
      .annotate(ReadsOnly, true)
      .annotateMerge(
        OpenApi.annotations({
          summary: "Show what routing would do with a prompt",
          description:
            "The routing decision of this moment, as `dry_run` of `/infer` gives it. Nobody is called, and a viewer may ask.",
        }),
      ),
  )
  .middleware(SchemaErrors)
  .middleware(AdminAuth)
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotateMerge(OpenApi.annotations({ title: "Routes", description: "Authenticated by an admin token" })) {}
