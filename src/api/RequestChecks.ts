import { HttpApiMiddleware } from "effect/http-api"
import { problem } from "./Problem.ts"

/** Answers parameters and bodies that do not fit their schema with the first fault, as a problem document. */
export class SchemaErrors extends HttpApiMiddleware.Service<SchemaErrors>()("gateway/api/SchemaErrors", {
  error: problem(400),
}) {}

/** Refuses bodies that are too large, compressed, of another type, or not strictly one JSON value. */
export class JsonBody extends HttpApiMiddleware.Service<JsonBody>()("gateway/api/JsonBody", {
  error: [problem(400), problem(413), problem(415)],
}) {}
