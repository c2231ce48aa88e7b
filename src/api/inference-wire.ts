import { Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"

/** Request headers of the routes that answer a retried request once. The handler tells repeated ones apart. */
export const idempotencyKey = {
  "idempotency-key": Schema.optionalKey(
    Schema.String.annotate({
      description: "1 to 255 visible ASCII characters; a retry with the same key and body is answered once",
    }),
  ),
}

/** A body of server-sent events. */
export const eventStream = (description: string) =>
  Schema.String.annotate({ description }).pipe(HttpApiSchema.asText({ contentType: "text/event-stream" }))
