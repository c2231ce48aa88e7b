import { OpenApi } from "effect/http-api"
import { GatewayApi } from "../api/GatewayApi.ts"
import { version } from "../config/version.ts"
import { type FixedAnswer, makeFixedAnswer } from "./fixed-answer.ts"

/** The API as this version documents it. */
export const DocumentedApi = GatewayApi.annotate(OpenApi.Version, version)

/** Makes the body of `GET /openapi.json`; docs/openapi.json is the same. */
export const openApiDocument = (): OpenApi.OpenAPISpec => OpenApi.fromApi(DocumentedApi)

export const makeOpenApiAnswer = (): Promise<FixedAnswer> =>
  makeFixedAnswer(JSON.stringify(openApiDocument()), { "content-type": "application/json" })
