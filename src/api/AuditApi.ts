import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { instant } from "../domain/Instant.ts"
import { AdminAuth } from "./AdminAuth.ts"
import { queryOf } from "./from-text.ts"
import { InstantText } from "./instant-text.ts"
import { problem } from "./Problem.ts"
import { nextCursor, pageParameters } from "./paging.ts"
import { SchemaErrors } from "./RequestChecks.ts"
import { line } from "./shapes.ts"

const side = (description: string) =>
  Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)).annotate({ description })

/** A change as the admin route and the command line's `--json` print it. */
export const AuditEntry = Schema.Struct({
  id: Schema.Int,
  at: InstantText,
  actor: Schema.String.annotate({
    description: "Name of an admin token; `cli:user@host`; `key:` and the id of a key; `gateway` itself",
  }),
  via: Schema.Literals(["api", "cli", "key", "gateway"]),
  action: Schema.String.annotate({ examples: ["key.create"] }),
  subject: Schema.String.annotate({ description: "What was changed: a key's id, or another name" }),
  before: side("What it was; null where it was not there"),
  after: side("What it is since then; null where it is not there any more"),
  request_id: Schema.NullOr(Schema.String).annotate({ description: "`x-request-id` of the request" }),
}).annotate({ identifier: "AuditEntry" })

const AuditParameters = queryOf({
  from: Schema.optionalKey(instant({ description: "An instant or a UTC day, inclusive" })),
  to: Schema.optionalKey(instant({ description: "An instant or a UTC day, exclusive" })),
  subject: Schema.optionalKey(line.annotate({ description: "What was changed, e.g. a key's id" })),
  action: Schema.optionalKey(line.annotate({ description: "What was done, e.g. key.revoke" })),
  ...pageParameters,
})

export class AuditApi extends HttpApiGroup.make("audit")
  .add(
    HttpApiEndpoint.get("list", "/admin/audit", {
      query: AuditParameters,
      success: Schema.Struct({ data: Schema.Array(AuditEntry), next_cursor: nextCursor }),
      error: [problem(500), problem(503)],
    }).annotateMerge(OpenApi.annotations({ summary: "List who changed what, newest first" })),
  )
  .middleware(SchemaErrors)
  .middleware(AdminAuth)
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotateMerge(OpenApi.annotations({ title: "Audit", description: "Authenticated by an admin token" })) {}
