import { assert } from "@effect/vitest"
import { openApiDocument } from "../../src/http/openapi.ts"

interface JsonSchema {
  readonly $ref?: string
  readonly type?: string
  readonly enum?: Array<unknown>
  readonly default?: unknown
  readonly examples?: Array<unknown>
  readonly minimum?: number
  readonly maximum?: number
  readonly format?: string
  readonly properties?: Record<string, JsonSchema>
  readonly required?: Array<string>
  readonly additionalProperties?: unknown
  readonly items?: JsonSchema
  readonly anyOf?: ReadonlyArray<JsonSchema>
}

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required: boolean
  readonly schema: JsonSchema
}

interface Response {
  readonly content?: Record<string, { readonly schema: JsonSchema }>
  readonly headers?: Record<string, unknown>
}

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly parameters: ReadonlyArray<Parameter>
  readonly security: ReadonlyArray<Record<string, unknown>>
  readonly requestBody?: { readonly content: Record<string, { readonly schema: JsonSchema }> }
  readonly responses: Record<number, Response>
}

interface Document {
  readonly info: { readonly version: string }
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: {
    readonly schemas: Record<string, JsonSchema>
    readonly securitySchemes: Record<string, Record<string, string>>
  }
}

/** The document as a client reads it. */
export const served: Document = JSON.parse(JSON.stringify(openApiDocument()))
export const { components } = served

export const operations = Object.entries(served.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
)

export const operation = (method: string, path: string): Operation => {
  const found = served.paths[path]?.[method]
  assert.isDefined(found, `${method} ${path}`)
  return found
}

export const resolved = (schema: JsonSchema | undefined): JsonSchema => {
  assert.isDefined(schema)
  return schema.$ref === undefined
    ? schema
    : resolved(components.schemas[schema.$ref.replace("#/components/schemas/", "")])
}

export const answerOf = ({ responses }: Operation, status = 200, type = "application/json"): JsonSchema =>
  resolved(responses[status]?.content?.[type]?.schema)

export const bodyOf = ({ requestBody }: Operation): JsonSchema =>
  resolved(requestBody?.content["application/json"]?.schema)

export const fieldsOf = (schema: JsonSchema | undefined): Array<string> =>
  Object.keys(resolved(schema).properties ?? {}).sort()

export const isInference = (path: string) =>
  ["/infer", "/v1/chat/completions", "/v1/embeddings", "/v1/messages"].includes(path) ||
  path.startsWith("/v1/responses")
