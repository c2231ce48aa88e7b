import { HttpApi, OpenApi } from "effect/http-api"
import { AnalyticsApi } from "./AnalyticsApi.ts"
import { InferApi } from "./InferApi.ts"
import { KeysApi } from "./KeysApi.ts"
import { OpenAiApi } from "./OpenAiApi.ts"
import { SystemApi } from "./SystemApi.ts"

const securitySchemes = {
  apiKey: { type: "apiKey", in: "header", name: "X-API-Key" },
  apiKeyBearer: { type: "http", scheme: "bearer", description: "The same API key" },
  adminToken: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
} as const

const credentials = (path: string): ReadonlyArray<Record<string, ReadonlyArray<string>>> => {
  if (path === "/infer" || path.startsWith("/v1/")) return [{ apiKey: [] }, { apiKeyBearer: [] }]
  return /^\/(?:admin|analytics)\//.test(path) ? [{ adminToken: [] }] : []
}

/** Routes that infer, and answer a retried request once. */
const idempotent: ReadonlySet<string> = new Set(["/infer", "/v1/chat/completions", "/v1/embeddings"])

const idempotencyKey = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  schema: { type: "string", minLength: 1, maxLength: 255 },
  description: "Visible ASCII; a retry with the same key and body is answered once",
}

/** The router's wildcard is a parameter to everybody else. */
const MODEL_PATH = "/v1/models/{model}/*"
const modelPath = {
  path: "/v1/models/{model}",
  parameters: [{ name: "model", in: "path", required: true, schema: { type: "string" } }],
}

/** Request headers are read raw by the handlers, which tell repeated ones apart; here they are only described. */
const described = (spec: Record<string, unknown>): Record<string, unknown> => {
  const { paths, components } = spec as { paths: Record<string, Record<string, object>>; components: object }
  return {
    ...spec,
    components: { ...components, securitySchemes },
    paths: Object.fromEntries(
      Object.entries(paths).map(([path, operations]) => [
        path === MODEL_PATH ? modelPath.path : path,
        Object.fromEntries(
          Object.entries(operations).map(([method, operation]) => [
            method,
            {
              ...operation,
              security: credentials(path),
              ...(idempotent.has(path) ? { parameters: [idempotencyKey] } : {}),
              ...(path === MODEL_PATH ? { parameters: modelPath.parameters } : {}),
            },
          ]),
        ),
      ]),
    ),
  }
}

/** The routes that `http` serves by this definition. Those that infer are served by the router itself, at less cost. */
export class AdminApi extends HttpApi.make("llm-gateway").add(AnalyticsApi).add(KeysApi).add(SystemApi) {}

/** The public contract, importable by a client: everything, also what is only described here. */
export class GatewayApi extends HttpApi.make("llm-gateway")
  .add(InferApi)
  .add(OpenAiApi)
  .add(AnalyticsApi)
  .add(KeysApi)
  .add(SystemApi)
  .annotateMerge(
    OpenApi.annotations({
      title: "LLM Inference Gateway",
      version: "0.1.0",
      description: "One HTTP service between applications and LLM providers.",
      transform: described,
    }),
  ) {}
