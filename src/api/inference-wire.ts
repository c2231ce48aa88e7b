import { Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"

/** Request headers of the routes that infer. The handler reads them, and tells repeated ones apart. */
export const inferenceHeaders = {
  "idempotency-key": Schema.optionalKey(
    Schema.String.annotate({
      description: "1 to 255 visible ASCII characters; a retry with the same key and body is answered once",
    }),
  ),
  "x-gateway-user": Schema.optionalKey(
    Schema.String.annotate({
      description:
        "The end user that the request is for: 1 to 128 printable ASCII characters without a comma",
    }),
  ),
  "x-gateway-tags": Schema.optionalKey(
    Schema.String.annotate({
      description: "Up to 10 tags with commas between, each of 1 to 64 such characters",
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
