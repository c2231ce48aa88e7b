import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { AdminAuth } from "./AdminAuth.ts"
import { problem } from "./Problem.ts"
import { SchemaErrors } from "./RequestChecks.ts"

const ConfigReloaded = Schema.Struct({
  at_next_start: Schema.Array(Schema.String).annotate({
    description: "Settings of the file that were changed and hold from the next start on",
  }),
}).annotate({ identifier: "ConfigReloaded" })

export class ConfigApi extends HttpApiGroup.make("config")
  .add(
    HttpApiEndpoint.post("reload", "/admin/config/reload", {
      success: ConfigReloaded,
      error: [problem(422), problem(500), problem(503)],
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Reload the configuration",
        description:
          "Reads the file of `GATEWAY_CONFIG`, provider keys from files and updated prices again, checks all of it, and runs on it from the next request on, as do the other workers of the machine. With a fault everything stays as it was.",
      }),
    ),
  )
  .middleware(SchemaErrors)
  .middleware(AdminAuth)
  .annotateMerge(
    OpenApi.annotations({ title: "Configuration", description: "Authenticated by an admin token" }),
  ) {}
