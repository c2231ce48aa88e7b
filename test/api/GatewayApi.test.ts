import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { AdminApi, GatewayApi } from "../../src/api/GatewayApi.ts"
import { components, isInference, operation, operations, served } from "./document.ts"

describe("the document", () => {
  it("is the committed one; `npm run openapi` writes it", () => {
    assert.deepStrictEqual(JSON.parse(readFileSync("docs/openapi.json", "utf8")), served)
  })

  it("has the version of the package", () => {
    assert.strictEqual(served.info.version, JSON.parse(readFileSync("package.json", "utf8")).version)
  })

  it("lists exactly the public routes", () => {
    assert.deepStrictEqual(operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`).sort(), [
      "DELETE /admin/budgets/{id}",
      "DELETE /admin/teams/{name}",
      "DELETE /ui/session",
      "DELETE /v1/keys/{id}",
      "GET /admin/audit",
      "GET /admin/budgets",
      "GET /admin/budgets/{id}",
      "GET /admin/keys",
      "GET /admin/keys/{id}",
      "GET /admin/models",
      "GET /admin/teams",
      "GET /admin/teams/{name}",
      "GET /analytics/calibration",
      "GET /analytics/overview",
      "GET /analytics/requests",
      "GET /analytics/requests/{id}",
      "GET /analytics/timeseries",
      "GET /analytics/usage",
      "GET /analytics/usage-by-key",
      "GET /analytics/usage-by-provider",
      "GET /livez",
      "GET /metrics",
      "GET /readyz",
      "GET /ui/session",
      "GET /v1/models",
      "GET /v1/models/{model}",
      "PATCH /admin/keys/{id}",
      "PATCH /admin/teams/{name}",
      "POST /admin/budgets/{id}/reset",
      "POST /admin/config/reload",
      "POST /admin/keys",
      "POST /admin/keys/{id}/revoke",
      "POST /admin/keys/{id}/rotate",
      "POST /admin/providers/{name}/reset",
      "POST /admin/routes/dry-run",
      "POST /admin/teams",
      "POST /infer",
      "POST /ui/session",
      "POST /v1/chat/completions",
      "POST /v1/embeddings",
      "POST /v1/keys",
      "POST /v1/messages",
      "POST /v1/messages/count_tokens",
      "POST /v1/responses",
      "POST /v1/responses/compact",
      "PUT /admin/budgets",
    ])
  })

  it("has the groups that are served through their schemas, and those that infer", () => {
    assert.sameMembers(Object.keys(AdminApi.groups), [
      "analytics",
      "audit",
      "budgets",
      "config",
      "keys",
      "providers",
      "routes",
      "session",
      "system",
      "teams",
    ])
    assert.sameMembers(Object.keys(GatewayApi.groups), [
      ...Object.keys(AdminApi.groups),
      "childKeys",
      "inference",
      "messages",
      "openai",
      "responses",
    ])
  })

  it("refers to no schema that it does not have", () => {
    const references = JSON.stringify(served).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)
    for (const [, name = ""] of references) assert.property(components.schemas, name)
  })

  it("describes no place by an empty schema", () => {
    for (const { path, operation } of operations) {
      for (const { name, schema } of operation.parameters) assert.isNotEmpty(schema, `${path} ${name}`)
      for (const [status, { content = {} }] of Object.entries(operation.responses)) {
        for (const { schema } of Object.values(content)) assert.isNotEmpty(schema, `${path} ${status}`)
      }
    }
  })
})

describe("credentials", () => {
  it("are declared as what they are", () => {
    const { apiKey, apiKeyBearer, adminToken } = components.securitySchemes
    assert.sameMembers(Object.keys(components.securitySchemes), ["apiKey", "apiKeyBearer", "adminToken"])
    assert.deepInclude(apiKey, { type: "apiKey", in: "header", name: "X-API-Key" })
    assert.deepInclude(apiKeyBearer, { type: "http", scheme: "bearer" })
    assert.deepInclude(adminToken, { type: "http", scheme: "bearer", bearerFormat: "JWT" })
  })

  it("are asked for by each route that takes them", () => {
    for (const { path, operation } of operations) {
      const schemes = operation.security.flatMap((requirement) => Object.keys(requirement))
      const expected =
        path === "/infer" || path.startsWith("/v1/")
          ? ["apiKey", "apiKeyBearer"]
          : /admin|analytics/.test(path)
            ? ["adminToken"]
            : []
      assert.deepStrictEqual(schemes, expected, path)
      // Either of them alone.
      for (const requirement of operation.security) assert.lengthOf(Object.keys(requirement), 1)
    }
  })
})

describe("parameters", () => {
  const shared = ["from", "to", "key_id", "provider", "model", "stream", "limit", "cursor"]
  const attributed = [...shared, "team", "user", "tag", "endpoint"]

  it.each([
    ["/admin/audit", ["from", "to", "subject", "action", "limit", "cursor"]],
    ["/admin/keys", ["limit", "cursor", "search", "active"]],
    ["/admin/teams", ["limit", "cursor"]],
    ["/admin/budgets", ["limit", "cursor", "scope", "subject"]],
    ["/analytics/overview", attributed.filter((name) => name !== "limit" && name !== "cursor")],
    ["/analytics/usage-by-key", shared],
    ["/analytics/usage-by-provider", shared],
    ["/analytics/usage", [...attributed, "group_by"]],
    ["/analytics/timeseries", [...attributed, "bucket"]],
    [
      "/analytics/requests",
      [...attributed, "status_class", "status", "min_latency_ms", "min_cost_usd", "error_code"],
    ],
  ])("of %s have types", (path, names) => {
    const { parameters } = operation("get", path)
    assert.deepStrictEqual(
      parameters.map(({ name }) => name),
      names,
    )
    const types: Record<string, object> = {
      limit: { type: "integer", minimum: 1, maximum: 1000, default: 100 },
      stream: { type: "boolean" },
      active: { type: "boolean" },
      from: { type: "string", format: "date-time" },
      to: { type: "string", format: "date-time" },
      bucket: { type: "string", enum: ["hour", "day"], default: "hour" },
      status_class: { type: "integer", enum: [2, 4, 5] },
      status: { type: "integer", minimum: 100, maximum: 599 },
      min_latency_ms: { type: "integer", minimum: 0 },
      min_cost_usd: { type: "number", minimum: 0 },
      scope: { type: "string", enum: ["key", "team", "user", "tag", "gateway"] },
    }
    for (const { name, required, schema, in: place } of parameters) {
      assert.strictEqual(place, "query")
      assert.strictEqual(required, name === "group_by")
      assert.deepInclude(schema, types[name] ?? { type: "string" }, name)
    }
    const code = parameters.find(({ name }) => name === "error_code")
    if (code !== undefined) assert.include(code.schema.enum ?? [], "rate_limited")
  })

  it("tell of the Idempotency-Key and of the deadline exactly where it is heeded", () => {
    for (const { path, method, operation } of operations) {
      const headers = operation.parameters.filter(({ in: place }) => place === "header")
      assert.deepStrictEqual(
        headers
          .map(({ name, required }) => ({ name, required }))
          .filter(({ name }) => !name.startsWith("anthropic-")),
        method === "post" && isInference(path)
          ? ["idempotency-key", "x-gateway-user", "x-gateway-tags", "x-gateway-timeout-ms"].map((name) => ({
              name,
              required: false,
            }))
          : [],
        path,
      )
    }
  })

  it("name what stands in a path", () => {
    for (const { path, operation } of operations) {
      const inPath = operation.parameters.filter(({ in: place }) => place === "path")
      assert.deepStrictEqual(
        inPath.map(({ name }) => name),
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
        path,
      )
    }
  })
})
