import { Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"

const Body = Schema.Struct({
  type: Schema.String,
  title: Schema.String,
  status: Schema.Int,
  detail: Schema.String,
  code: Schema.String.annotate({ description: "Stable error code; every one is listed in docs/errors.md" }),
  param: Schema.optionalKey(Schema.String),
  request_id: Schema.String,
})

/** RFC 9457 problem documents, the error body of every route outside `/v1`. */
export const problem = (status: number) =>
  Body.pipe(
    Schema.annotate({ identifier: `Problem${status}` }),
    HttpApiSchema.asJson({ contentType: "application/problem+json" }),
    HttpApiSchema.status(status),
  )
