import { Effect } from "effect"
import { memoize } from "effect/Function"
import { HttpServerResponse } from "effect/http"
import { OpenApi } from "effect/http-api"
import { GatewayApi } from "../api/GatewayApi.ts"
import { version } from "../config/version.ts"

/** The API as this version documents it. */
export const DocumentedApi = GatewayApi.annotate(OpenApi.Version, version)

/** Makes the body of `GET /openapi.json`; docs/openapi.json is the same. */
export const openApiDocument = (): OpenApi.OpenAPISpec => OpenApi.fromApi(DocumentedApi)

// Made at the first request, and once: 35 ms that a start would wait for.
const response = memoize((api: typeof DocumentedApi) => HttpServerResponse.jsonUnsafe(OpenApi.fromApi(api)))

export const openApiResponse = Effect.sync(() => response(DocumentedApi))
