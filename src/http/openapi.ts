import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { OpenApi } from "effect/http-api"
import { GatewayApi } from "../api/GatewayApi.ts"
import { version } from "../config/version.ts"

/** The API as this version documents it. */
export const DocumentedApi = GatewayApi.annotate(OpenApi.Version, version)

/** Makes the body of `GET /openapi.json`; docs/openapi.json is the same. */
export const openApiDocument = () => OpenApi.fromApi(DocumentedApi)

let response: HttpServerResponse.HttpServerResponse | undefined

/** Made when it is first asked for: it takes longer than the rest of a start. */
export const openApiResponse = Effect.sync(() => {
  response ??= HttpServerResponse.jsonUnsafe(openApiDocument())
  return response
})
