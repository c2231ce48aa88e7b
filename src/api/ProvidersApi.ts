import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { AdminAuth } from "./AdminAuth.ts"
import { problem } from "./Problem.ts"
import { SchemaErrors } from "./RequestChecks.ts"

/** What a reset forgot, as the admin route and the command line's `--json` print it. */
export const ProviderReset = Schema.Struct({
  provider: Schema.String,
  models: Schema.Array(Schema.String).annotate({ description: "Models of the provider" }),
}).annotate({ identifier: "ProviderReset" })

export class ProvidersApi extends HttpApiGroup.make("providers")
  .add(
    HttpApiEndpoint.post("reset", "/admin/providers/:name/reset", {
      params: { name: Schema.String.annotate({ description: "Name of the provider" }) },
      success: ProviderReset,
      error: [problem(404), problem(500), problem(503)],
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Forget a provider's trouble",
        description:
          "Ends circuits and cooldowns of all its models, in the replica that answers, and forgets how fast and how available they were.",
      }),
    ),
  )
  .middleware(SchemaErrors)
  .middleware(AdminAuth)
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotateMerge(
    OpenApi.annotations({ title: "Providers", description: "Authenticated by an admin token" }),
  ) {}
