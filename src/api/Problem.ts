import { Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"
import { codesOf, errorHeaders, perStatus } from "./headers.ts"

/** RFC 9457 problem documents with one status, the error body of every route outside `/v1`. */
export const problem = perStatus((status) =>
  HttpApiSchema.WithHeaders(
    Schema.Struct({
      type: Schema.String,
      title: Schema.String,
      status: Schema.Int,
      detail: Schema.String.annotate({ description: "What happened and what to do next, for a person" }),
      code: Schema.String.annotate({ description: "Stable error code; docs/errors.md lists every one" }),
      param: Schema.optionalKey(Schema.String.annotate({ description: "The field that the error is about" })),
      upstream_code: Schema.optionalKey(
        Schema.String.annotate({
          description: "The provider's own code, when it refused the request itself",
        }),
      ),
      request_id: Schema.String,
    }).pipe(
      Schema.annotate({ identifier: `Problem${status}`, description: codesOf(status) }),
      HttpApiSchema.asJson({ contentType: "application/problem+json" }),
      HttpApiSchema.status(status),
    ),
    errorHeaders(status),
  ),
)
