import { HttpServerResponse } from "effect/http"
import { OpenApi } from "effect/http-api"
import { GatewayApi } from "../api/GatewayApi.ts"
import { version } from "../config/version.ts"

/** The API as this version documents it. */
export const DocumentedApi = GatewayApi.annotate(OpenApi.Version, version)

/** Body of `GET /openapi.json`; docs/openapi.json is the same. */
export const openApiDocument = OpenApi.fromApi(DocumentedApi)

export const openApiResponse = HttpServerResponse.jsonUnsafe(openApiDocument)
