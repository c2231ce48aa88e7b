import { Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"

/** Request headers of the routes that infer. The handler reads them, and tells repeated ones apart. */
export const inferenceHeaders = {
  "idempotency-key": Schema.optionalKey(
    Schema.String.annotate({
      description: "1 to 255 visible ASCII characters; a retry with the same key and body is answered once",
    }),
  ),
  "x-gateway-timeout-ms": Schema.optionalKey(
    Schema.String.annotate({
      description:
        "Whole milliseconds that the request may take at most; longer than is configured has no effect",
    }),
  ),
}

/** A body of server-sent events. */
export const eventStream = (description: string) =>
  Schema.String.annotate({ description }).pipe(HttpApiSchema.asText({ contentType: "text/event-stream" }))
