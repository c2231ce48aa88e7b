import { Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"

/** Request headers of the routes that answer a retried request once. The handler tells repeated ones apart. */
export const idempotencyKey = {
  "idempotency-key": Schema.optionalKey(
    Schema.String.annotate({
      description: "1 to 255 visible ASCII characters; a retry with the same key and body is answered once",
      examples: ["order-4711"],
    }),
  ),
}

/** A body of server-sent events. */
export const eventStream = (description: string) =>
  Schema.String.annotate({ description }).pipe(HttpApiSchema.asText({ contentType: "text/event-stream" }))

/** A body of which these fields are known, and every other one travels as it came. */
export const open = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.StructWithRest(Schema.Struct(fields), [Schema.Record(Schema.String, Schema.Unknown)])

/** A field that may be left out or null. */
export const absent = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))
